"""Traces of the server: spans that continue those of the caller, with the real exporter."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from calls import PROCESS_GRAPH, method
from graphscore._proto import gcn_pb2
from graphscore._serving import traces
from graphscore._serving.traces import Choice, Traces
from processes import Process

TRACE, PARENT = "0123456789abcdef0123456789abcdef", "fedcba9876543210"
METADATA = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("graphscore-run", "r"))
Serve = Callable[..., Process]


@pytest.fixture
def environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that a test names as its parameter."""
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What a collector is sent, to which the variables of OpenTelemetry lead."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        # On a busy machine a call may take the second from which one is slow.
        monkeypatch.setenv("GRAPHSCORE_TRACE_SLOW", os.environ.get("GRAPHSCORE_TRACE_SLOW", "10m"))
        yield bodies
        server.shutdown()
        thread.join()


def score_one(address: str, metadata: tuple[tuple[str, str], ...] = METADATA, *, width: int = 3) -> None:
    """Score a graph, which the server refuses where the width is not 3."""
    node = gcn_pb2.Node(id="a", features=[1.0] * width)
    with grpc.insecure_channel(address) as channel:
        data = gcn_pb2.GraphData(nodes=[node]).SerializeToString()
        with nullcontext() if width == 3 else pytest.raises(grpc.RpcError):
            method(channel, PROCESS_GRAPH)(data, timeout=60, wait_for_ready=True, metadata=metadata)


def sent(bodies: list[bytes]) -> list[Span]:
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [
        span for request in requests for group in request.resource_spans for s in group.scope_spans for span in s.spans
    ]


def attributes(span: Span) -> dict[str, str | int]:
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def ended(process: Process) -> str:
    """What a server logs after its first line, until it has ended."""
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(60) == 0
    assert process.popen.stderr is not None
    return process.popen.stderr.read()


def test_a_call_continues_the_trace_of_its_caller(serve: Serve, sockets: Path, collected: list[bytes]) -> None:
    process = serve(f"unix:{sockets}/s")
    score_one(process.address)
    assert ended(process) == ""
    (span,) = sent(collected)
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("GCNService/ProcessGraph", TRACE, PARENT)
    assert (span.kind, span.status.code) == (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_UNSET)
    assert attributes(span) == {
        "rpc.system": "grpc",
        "rpc.service": "GCNService",
        "rpc.method": "ProcessGraph",
        "rpc.grpc.status_code": 0,
        "rpc.system.name": "grpc",
        "rpc.response.status_code": "OK",
        "graphscore.kept": "sampled",
    }
    about = ExportTraceServiceRequest.FromString(collected[0]).resource_spans[0].resource.attributes
    assert {pair.key: pair.value.string_value for pair in about}["service.name"] == "graphscore-server"


LATE = (("traceparent", f"00-{TRACE}-{PARENT}-00"), ("tracestate", "other=1,graphscore=late"))
OFF = LATE[:1]


@pytest.mark.parametrize(
    ("calls", "environment", "kept"),
    [
        ([(METADATA, 3), (METADATA, 2)], {}, ["sampled", "failed"]),
        ([(LATE, 3), (LATE, 2)], {}, ["failed"]),
        ([(LATE, 3)], {"GRAPHSCORE_TRACE_SLOW": "1ns"}, ["slow"]),
        ([(OFF, 3), (OFF, 2)], {"GRAPHSCORE_TRACE_SLOW": "1ns"}, []),
        ([((), 3), ((), 3), ((), 2)], {}, ["sampled", "failed"]),
        ([((), 3), ((), 3), ((), 2)], {"GRAPHSCORE_TRACE_CALLS": "0"}, ["failed"]),
        ([((), 3), ((), 3)], {"GRAPHSCORE_TRACE_CALLS": "100%"}, ["sampled", "sampled"]),
    ],
    indirect=["environment"],
)
@pytest.mark.usefixtures("environment")
def test_which_calls_have_spans(
    serve: Serve,
    sockets: Path,
    collected: list[bytes],
    calls: list[tuple[tuple[tuple[str, str], ...], int]],
    kept: list[str],
) -> None:
    process = serve(f"unix:{sockets}/s")
    for metadata, width in calls:
        score_one(process.address, metadata, width=width)
    ended(process)
    spans = sent(collected)
    assert [attributes(span)["graphscore.kept"] for span in spans] == kept
    for span in spans:
        assert attributes(span)["rpc.grpc.status_code"] == (3 if attributes(span)["graphscore.kept"] == "failed" else 0)
    assert all(span.parent_span_id.hex() == PARENT for span in spans) == (calls[0][0] != () or not spans)


@pytest.mark.parametrize("text", ["2", "-1", "some", "1%%", "nan"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="GRAPHSCORE_TRACE_CALLS"):
        Choice.from_environment({"GRAPHSCORE_TRACE_CALLS": text})


@pytest.mark.parametrize(("text", "nanos"), [("1m30s", 90 * 10**9), ("1.5ms", 1_500_000), ("0", 0), ("", 10**9)])
def test_time_spans(text: str, nanos: int) -> None:
    assert Choice.from_environment({"GRAPHSCORE_TRACE_SLOW": text}).slow == nanos


@pytest.mark.parametrize("text", ["2", "s", "1s2", "-1s", "1 s"])
def test_time_spans_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="GRAPHSCORE_TRACE_SLOW"):
        Choice.from_environment({"GRAPHSCORE_TRACE_SLOW": text})


def test_a_share_is_drawn_evenly_from_the_first_call() -> None:
    choice = Choice(share=0.01)
    assert [n for n in range(1, 301) if choice.sampled()] == [1, 100, 200, 300]


def test_a_variable_that_cannot_be_read_turns_traces_off(
    collected: list[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GRAPHSCORE_TRACE_SLOW", "often")
    Traces.from_environment().stop()
    assert "no traces are sent: GRAPHSCORE_TRACE_SLOW is 'often'" in caplog.text
    assert collected == []


def test_without_the_packages_nothing_is_traced(
    serve: Serve, tmp_path: Path, sockets: Path, collected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = serve(f"unix:{sockets}/s")
    score_one(process.address)
    assert ended(process) == ""
    assert collected == []


def test_a_collector_that_is_down_is_reported_once(
    serve: Serve, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:my-secret@127.0.0.1:1")
    process = serve(f"unix:{sockets}/s")
    score_one(process.address)
    said = ended(process)
    assert said.count("\n") == 1
    assert "my-secret" not in said


@pytest.mark.parametrize(
    ("environment", "enabled"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_only_where_the_environment_asks(environment: dict[str, str], enabled: bool) -> None:
    assert traces.enabled(environment) is enabled
