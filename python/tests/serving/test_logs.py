"""Log lines with the labels of their call, as text and as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

import graphscore
from calls import PROCESS_GRAPH, fails
from graphscore._proto import gcn_pb2
from graphscore._serving import logs
from processes import Process

TRACE = "0123456789abcdef0123456789abcdef"
METADATA = (
    ("graphscore-run", "20260102T030405Z-00000001"),
    ("graphscore-shard-bin", "dt=ü/a.parquet".encode()),
    ("traceparent", f"00-{TRACE}-0123456789abcdef-01"),
)


def record(message: str, level: int = logging.ERROR, name: str = "x") -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, message, (), None)


def test_labels_are_those_of_the_call() -> None:
    formatter = logs.JSONFormatter()
    with logs.labelled(METADATA):
        line = json.loads(formatter.format(record("it\nbroke")))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "ERROR", "msg": "it | broke",
        "run": "20260102T030405Z-00000001", "shard": "dt=ü/a.parquet", "trace": TRACE,
    }  # fmt: skip
    after = json.loads(formatter.format(record("later", logging.WARNING)))
    assert set(after) == {"time", "level", "msg"}
    assert after["level"] == "WARN"


def test_text_has_them_at_its_end() -> None:
    with logs.labelled((("graphscore-run", "r\nx"), ("traceparent", "nonsense"))):
        line = logs.TextFormatter("server").format(record("it broke"))
    assert line == "server: error: it broke (run r | x)"


def test_hostile_labels_are_cut() -> None:
    assert len(logs.labels([("graphscore-run", "x" * 100_000)])["run"]) == 1000
    assert logs.labels([("graphscore-shard-bin", b"\xff")])["shard"] == "�"


def test_one_line_of_opentelemetry(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        logs.start("server", "auto")  # no terminal: JSON
        for _ in range(3):
            logging.getLogger("opentelemetry.exporter").error("no collector")
        logging.getLogger("graphscore").info("on")
    finally:
        root.handlers[:] = before
    lines = [json.loads(line)["msg"] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["no collector", "on"]


def test_a_call_that_fails_is_logged_with_its_run(
    channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(graphscore.Engine, "score", broken)
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        logs.start("server", "json")
        node = gcn_pb2.Node(id="a", features=[1, 2, 3])
        code, _ = fails(channel, PROCESS_GRAPH, gcn_pb2.GraphData(nodes=[node]).SerializeToString(), metadata=METADATA)
    finally:
        root.handlers[:] = before
    assert code is grpc.StatusCode.INTERNAL
    line = json.loads(capsys.readouterr().err)
    assert (line["run"], line["shard"], line["trace"]) == ("20260102T030405Z-00000001", "dt=ü/a.parquet", TRACE)
    assert "RuntimeError: odd" in line["msg"]


def test_json_where_there_is_no_terminal(serve: Callable[..., Process], sockets: Path) -> None:
    process = serve(f"unix:{sockets}/s", "--log-format", "auto")
    line = json.loads(process.first_line)
    assert line["level"] == "INFO"
    assert line["msg"].startswith("serving test-model (sha256:")
