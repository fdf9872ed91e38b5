"""Traces of the server: spans that continue those of the caller, with the real exporter."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from calls import PROCESS_GRAPH, method
from graphscore._proto import gcn_pb2
from graphscore._serving import traces
from processes import Process

TRACE, PARENT = "0123456789abcdef0123456789abcdef", "fedcba9876543210"
METADATA = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("graphscore-run", "r"))
Serve = Callable[..., Process]


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
        yield bodies
        server.shutdown()
        thread.join()


def score_one(address: str) -> None:
    node = gcn_pb2.Node(id="a", features=[1, 2, 3])
    with grpc.insecure_channel(address) as channel:
        data = gcn_pb2.GraphData(nodes=[node]).SerializeToString()
        method(channel, PROCESS_GRAPH)(data, timeout=20, wait_for_ready=True, metadata=METADATA)


def ended(process: Process) -> str:
    """What a server logs after its first line, until it has ended."""
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(20) == 0
    assert process.popen.stderr is not None
    return process.popen.stderr.read()


def test_a_call_continues_the_trace_of_its_caller(serve: Serve, tmp_path: Path, collected: list[bytes]) -> None:
    process = serve(f"unix:{tmp_path}/s")
    score_one(process.address)
    assert ended(process) == ""
    (sent,) = (ExportTraceServiceRequest.FromString(body).resource_spans[0] for body in collected)
    (span,) = sent.scope_spans[0].spans
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("GCNService/ProcessGraph", TRACE, PARENT)
    about = {pair.key: pair.value.string_value for pair in sent.resource.attributes}
    assert about["service.name"] == "graphscore-server"


def test_without_the_packages_nothing_is_traced(
    serve: Serve, tmp_path: Path, collected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = serve(f"unix:{tmp_path}/s")
    score_one(process.address)
    assert ended(process) == ""
    assert collected == []


def test_a_collector_that_is_down_is_reported_once(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:my-secret@127.0.0.1:1")
    process = serve(f"unix:{tmp_path}/s")
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
