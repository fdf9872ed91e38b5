"""Both services over a real connection, with well-formed, malformed and hostile requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import graphscore
from calls import GET_MODEL, PROCESS_GRAPH, SCORE, call, fails, method
from graphs import batch, random_graph, write_model
from graphscore._engines import EngineInfo, ModelFacts
from graphscore._proto import gcn_pb2, scoring_pb2
from graphscore._serving import servicers
from tables.arrow_graphs import write_steps

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def message(good: graphscore.GraphBatch) -> dict[str, Any]:
    return {
        "graphs": good.graphs,
        "nodes": good.nodes,
        "edges": good.edges,
        "feature_width": good.width,
        "node_counts": good.node_counts.tobytes(),
        "features": good.features.tobytes(),
        "in_degrees": good.in_degrees.tobytes(),
        "sources": good.sources.tobytes(),
        "edge_weights": b"" if good.edge_weights is None else good.edge_weights.tobytes(),
    }


def score(channel: grpc.Channel, **fields: Any) -> scoring_pb2.ScoreResponse:
    data = scoring_pb2.ScoreRequest(**fields).SerializeToString()
    return scoring_pb2.ScoreResponse.FromString(call(channel, SCORE, data))


@pytest.fixture(scope="module")
def good() -> graphscore.GraphBatch:
    random = np.random.default_rng(0)
    return batch([random_graph(random, nodes=n, edges=2 * n, weighted=True) for n in (5, 0, 9, 1)])


class Fake:
    """An engine that computes nothing, with the model of a real one."""

    model: ModelFacts

    def info(self) -> EngineInfo:
        return EngineInfo("fake", {}, "unknown")

    def score(self, _: graphscore.GraphBatch, embed: str = "") -> graphscore.Scores:
        return graphscore.Scores(np.zeros((1, 1), np.float32))


@pytest.fixture
def server_of(tmp_path: Path) -> Iterator[Callable[..., grpc.Channel]]:
    """Start a server of another model or with other options."""
    servers: list[graphscore.Server] = []
    channels: list[grpc.Channel] = []

    def start(
        kinds: tuple[str, ...] = ("gcn",), widths: tuple[int, ...] = (3, 1), engine: Fake | None = None, **options: Any
    ) -> grpc.Channel:
        real = graphscore.Engine(graphscore.load_model(write_model(tmp_path / f"m{len(servers)}", kinds, widths)))
        if engine is not None:
            engine.model = real.model
        server = graphscore.Server(engine or real, graphscore.ServerOptions(listen="127.0.0.1:0", **options))
        server.start()
        servers.append(server)
        channels.append(grpc.insecure_channel(str(server.address)))
        return channels[-1]

    yield start
    for channel in channels:
        channel.close()
    for server in servers:
        server.stop(0)


def test_score(channel: grpc.Channel, engine: graphscore.Engine, good: graphscore.GraphBatch) -> None:
    response = score(channel, **message(good))
    assert response.nodes == good.nodes
    assert response.outputs == 1
    assert response.scores == engine.score(good).values.tobytes()
    assert response.model_digest == engine.model.digest
    assert not response.errors
    assert response.model_nanos > 0


def test_score_with_an_embedding(tmp_path: Path) -> None:
    model = graphscore.load_model(write_steps(tmp_path, "graph"))
    engine = graphscore.Engine(model)
    server = graphscore.Server(engine, graphscore.ServerOptions(listen="127.0.0.1:0", max_message_bytes=64 << 10))
    server.start()
    features = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    several = graphscore.GraphBatch(
        np.array([2, 3, 1], "<u4"),
        features,
        np.zeros(6, "<u4"),
        np.zeros(0, "<u4"),
        graph_features=np.ones((3, 4), np.float32),
    )
    fields: dict[str, Any] = {
        **message(several),
        "graph_feature_width": 4,
        "graph_features": np.ones((3, 4), "<f4").tobytes(),
    }
    with grpc.insecure_channel(str(server.address)) as channel:
        info = scoring_pb2.GetModelResponse.FromString(call(channel, GET_MODEL, b""))
        assert [(step.name, step.level, step.width) for step in info.steps][-1] == ("out", "graph", 2)
        assert not info.no_steps
        assert [one.name for one in info.inputs][-1] == "edge_weight"
        assert not any(one.optional for one in info.inputs)
        assert score(channel, **fields).embedding_width == 0
        response, wanted = score(channel, **fields, embed="p"), engine.score(several, "p")
        assert wanted.embedding is not None
        assert (response.embedding_width, response.embedding) == (9, wanted.embedding.tobytes())
        assert response.scores == wanted.values.tobytes()
        assert fails(channel, SCORE, scoring_pb2.ScoreRequest(**fields, embed="c").SerializeToString()) == (
            INVALID,
            "embed: the model has no step 'c' of level graph; those are p, out",
        )
        many: dict[str, Any] = {
            "graphs": 2000,
            "node_counts": bytes(8000),
            "graph_feature_width": 4,
            "graph_features": bytes(32000),
        }
        assert score(channel, **many).rows == 2000
        code, text = fails(channel, SCORE, scoring_pb2.ScoreRequest(**many, embed="p").SerializeToString())
        assert code == INVALID
        assert "2 outputs and 9 values of step p are a message of" in text
    server.stop(0)


def test_score_nothing(channel: grpc.Channel) -> None:
    for fields in ({}, {"feature_width": 2**32 - 1}, {"graphs": 2, "node_counts": bytes(8)}):
        response = score(channel, **fields)
        assert (response.nodes, response.outputs, response.scores) == (0, 1, b"")


def test_edge_out_of_range(channel: grpc.Channel, engine: graphscore.Engine, good: graphscore.GraphBatch) -> None:
    fields = message(good)
    sources = good.sources.copy()
    sources[0] = 7
    fields["sources"] = sources.tobytes()
    response = score(channel, **fields)
    assert [(e.graph, e.code, e.message) for e in response.errors] == [
        (0, "edge_out_of_range", "edge 0 comes from node 7, which is not in the graph of 5 nodes")
    ]
    wanted = engine.score(good).values
    wanted[:5] = 0
    assert response.scores == wanted.tobytes()


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"nodes": 14}, "features: 180 bytes, but nodes x feature_width = 42 values of 4 bytes are 168"),
        ({"nodes": 2**32 - 1}, "features: 180 bytes, but nodes x feature_width = 12884901885 values of 4 bytes are"),
        (
            {"nodes": 2**31, "feature_width": 2**31},
            "features: 180 bytes, but nodes x feature_width = 4611686018427387904",
        ),
        ({"feature_width": 2}, "features: 180 bytes, but nodes x feature_width = 30 values of 4 bytes are 120"),
        ({"features": b"", "nodes": 0}, "in_degrees: 60 bytes, but nodes = 0 values of 4 bytes are 0"),
        ({"features": b"x" * 179}, "features: 179 bytes, but"),
        ({"graphs": 5}, "node_counts: 16 bytes, but graphs = 5 values of 4 bytes are 20"),
        ({"graphs": 2**32 - 1}, "node_counts: 16 bytes, but graphs = 4294967295 values"),
        ({"node_counts": b"\xff" * 16}, "node_counts: the sum is 17179869180, but nodes is 15"),
        ({"node_counts": np.array([15, 2**32 - 1, 1, 0], "<u4").tobytes()}, "the sum is 4294967311, but nodes is 15"),
        ({"in_degrees": b"\xff" * 60}, "in_degrees: the sum is 64424509425, but edges is 30"),
        ({"in_degrees": b""}, "in_degrees: 0 bytes, but nodes = 15 values of 4 bytes are 60"),
        ({"edges": 29}, "sources: 120 bytes, but edges = 29 values of 4 bytes are 116"),
        ({"sources": b"\xff" * 120}, "sources: node 4294967295 does not exist in a batch of 15 nodes"),
        ({"edge_weights": b"1234"}, "edge_weights: 4 bytes, but edges = 30 values of 4 bytes are 120"),
        (
            {"feature_width": 5, "features": bytes(300)},
            "feature_width: 5, but the model takes 3",
        ),
    ],
)
def test_malformed_score(
    channel: grpc.Channel, good: graphscore.GraphBatch, fields: dict[str, Any], wanted: str
) -> None:
    data = scoring_pb2.ScoreRequest(**message(good) | fields).SerializeToString()
    code, details = fails(channel, SCORE, data)
    assert code == INVALID
    assert wanted in details


@pytest.mark.parametrize("name", [SCORE, GET_MODEL, PROCESS_GRAPH])
def test_bytes_that_are_no_message(channel: grpc.Channel, name: str) -> None:
    code, details = fails(channel, name, b"\xff" * 50)
    assert code == INVALID
    assert details.startswith("the request is not a")


def test_get_model(channel: grpc.Channel, engine: graphscore.Engine) -> None:
    answer = scoring_pb2.GetModelResponse.FromString(call(channel, GET_MODEL, b""))
    assert (answer.name, answer.digest, answer.in_features) == ("test-model", engine.model.digest, 3)
    assert list(answer.outputs) == ["score"]
    assert answer.max_message_bytes == 64 << 20
    assert answer.engine == "scipy"
    assert sorted(answer.versions) == ["graphscore", "grpcio", "numpy", "python", "scipy"]
    assert answer.versions["graphscore"] == graphscore.__version__
    assert answer.blas.split()[0] in ("openblas", "mkl", "blis", "unknown")
    assert [(one.name, one.width, one.optional) for one in answer.inputs] == [("x", 3, False), ("edge_weight", 1, True)]


def graph(nodes: dict[str, list[float]], edges: list[tuple[str, str]]) -> bytes:
    return gcn_pb2.GraphData(
        nodes=[gcn_pb2.Node(id=name, features=features) for name, features in nodes.items()],
        edges=[gcn_pb2.Edge(source_id=source, target_id=target) for source, target in edges],
    ).SerializeToString()


def test_process_graph(channel: grpc.Channel, engine: graphscore.Engine) -> None:
    one = random_graph(np.random.default_rng(1), nodes=7, edges=20)
    names = [f"node {i}" for i in range(6)] + [""]
    data = graph(
        dict(zip(names, one.features.tolist(), strict=True)), [(names[s], names[t]) for s, t in one.edges.tolist()]
    )
    scores = gcn_pb2.GCNResult.FromString(call(channel, PROCESS_GRAPH, data)).node_scores
    assert dict(scores) == dict(zip(names, engine.score(batch([one])).values[:, 0].tolist(), strict=True))


def test_process_nothing(channel: grpc.Channel) -> None:
    assert call(channel, PROCESS_GRAPH, b"") == b""


X = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (graph({"a": X, "b": [1.0]}, []), "node 'b' has 1 features, but the model takes 3"),
        (graph({"a": [], "b": X}, []), "node 'a' has 0 features, but the model takes 3"),
        (graph({"a": X}, []) * 2, "node id 'a' occurs twice"),
        (graph({"a": X}, [("a", "a"), ("a", "b")]), "edge 1 has target 'b', which is not a node of the graph"),
        (graph({"a": X}, [("", "a")]), "edge 0 has source '', which is not a node of the graph"),
        (graph({}, [("a", "b")]), "edge 0 has source 'a'"),
    ],
)
def test_malformed_process_graph(channel: grpc.Channel, data: bytes, wanted: str) -> None:
    code, details = fails(channel, PROCESS_GRAPH, data)
    assert code == INVALID
    assert wanted in details


def test_process_graph_of_several_outputs(server_of: Callable[..., grpc.Channel]) -> None:
    channel = server_of(("sage",), (3, 2))
    code, details = fails(channel, PROCESS_GRAPH, graph({"a": X}, []))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "has 2 outputs" in details


def test_1024_calls_at_once(channel: grpc.Channel) -> None:
    process = method(channel, PROCESS_GRAPH)
    data = graph({str(i): X for i in range(50)}, [(str(i), str(i // 2)) for i in range(50)])
    futures = [process.future(data, timeout=60) for _ in range(1024)]
    results = {future.result() for future in futures}
    assert len(gcn_pb2.GCNResult.FromString(results.pop()).node_scores) == 50


def test_further_calls_are_refused(server_of: Callable[..., grpc.Channel]) -> None:
    channel = server_of(concurrent_calls=2)
    process = method(channel, PROCESS_GRAPH)
    data = graph({str(i): X for i in range(3000)}, [])
    futures = [process.future(data, timeout=60) for _ in range(60)]
    codes = [future.code() for future in futures]
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_process_graph_has_no_place_for_weights(model_folder: Path) -> None:
    fake = Fake()
    fake.model = replace(graphscore.load_model(model_folder), optional=frozenset())
    server = graphscore.Server(fake, graphscore.ServerOptions(listen="127.0.0.1:0"))
    server.start()
    with grpc.insecure_channel(str(server.address)) as channel:
        _, details = fails(channel, PROCESS_GRAPH, graph({"a": X}, []))
    server.stop(0)
    assert "reads edge_weight, ProcessGraph takes features of nodes alone" in details


@pytest.mark.fault("30", "messages over the limit", "RESOURCE_EXHAUSTED, others are served")
def test_message_limits(server_of: Callable[..., grpc.Channel]) -> None:
    channel = server_of(("gcn",), (1, 64), max_message_bytes=100_000)
    many = batch([random_graph(np.random.default_rng(0), width=1, nodes=1000, edges=0)])
    code, details = fails(channel, SCORE, scoring_pb2.ScoreRequest(**message(many)).SerializeToString())
    assert code == INVALID
    assert "257024 bytes, but the largest has 100000; send fewer nodes" in details
    code, _ = fails(channel, SCORE, bytes(100_001))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    answer = scoring_pb2.GetModelResponse.FromString(call(channel, GET_MODEL, b""))
    assert answer.max_message_bytes == 100_000


@pytest.mark.fault("30", "compressed messages, as of zeros", "refused before they are unpacked")
def test_compressed_messages_are_refused(channel: grpc.Channel) -> None:
    code, _ = fails(channel, SCORE, bytes(1 << 20), compression=grpc.Compression.Gzip)
    assert code in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL)


def test_large_request(channel: grpc.Channel, engine: graphscore.Engine) -> None:
    random = np.random.default_rng(5)
    large = batch([random_graph(random, nodes=200, edges=400) for _ in range(2000)])
    assert score(channel, **message(large)).scores == engine.score(large).values.tobytes()


class Broken(Fake):
    """An engine with a bug."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def score(self, batch: graphscore.GraphBatch, embed: str = "") -> graphscore.Scores:
        self.calls += 1
        if self.calls == 1:
            raise self.error
        return super().score(batch, embed)


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise TypeError


@pytest.mark.parametrize(
    "failure",
    [
        (ZeroDivisionError("secret\nlines"), "ZeroDivisionError; see its log"),
        (RuntimeError("shapes (3,4) and (5,) differ: 4/2 n/a"), "RuntimeError: shapes (3,4) and (5,) differ: 4/2 n/a"),
        (ValueError(""), "ValueError; see its log"),
        (ValueError("x" * 201), "ValueError; see its log"),
        (ValueError("naïve"), "ValueError; see its log"),
        (OSError("cannot open '/home/ann/weights'"), "OSError; see its log"),
        (OSError("cannot open ~/weights"), "OSError; see its log"),
        (OSError("cannot open C:/weights"), "OSError; see its log"),
        (OSError("cannot reach unix://x"), "OSError; see its log"),
        (OSError("cannot open a\\b"), "OSError; see its log"),
        (TypeError("<object at 0x7f12>"), "TypeError; see its log"),
        (KeyError("layer 7"), "KeyError: 'layer 7'"),
        (SystemExit(3), "SystemExit: 3"),
        (UnprintableError(), "UnprintableError; see its log"),
    ],
)
@pytest.mark.parametrize("name", [SCORE, PROCESS_GRAPH])
def test_a_bug_is_one_line_and_does_not_end_the_server(
    server_of: Callable[..., grpc.Channel],
    caplog: pytest.LogCaptureFixture,
    good: graphscore.GraphBatch,
    name: str,
    failure: tuple[BaseException, str],
) -> None:
    error, said = failure
    channel = server_of(engine=Broken(error))
    with caplog.at_level(logging.ERROR, logger=servicers.__name__):
        data = scoring_pb2.ScoreRequest(**message(good)).SerializeToString()
        code, details = fails(channel, name, data if name == SCORE else graph({"a": X}, []))
    assert (code, details) == (grpc.StatusCode.INTERNAL, f"the server failed: {said}")
    assert caplog.records[0].exc_info is not None
    assert gcn_pb2.GCNResult.FromString(call(channel, PROCESS_GRAPH, graph({"a": X}, []))).node_scores == {"a": 0}


@pytest.mark.parametrize("name", [SCORE, PROCESS_GRAPH])
def test_memory_that_is_short_is_no_crowd(
    server_of: Callable[..., grpc.Channel], good: graphscore.GraphBatch, name: str
) -> None:
    channel = server_of(engine=Broken(MemoryError("1 TiB")))
    data = scoring_pb2.ScoreRequest(**message(good)).SerializeToString()
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, name, data if name == SCORE else graph({"a": X}, []))
    failure: Any = caught.value
    assert (failure.code(), failure.details()) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "not enough memory for this request",
    )
    assert [(key, value) for key, value in failure.trailing_metadata() if key.startswith("graphscore")] == [
        ("graphscore-reason", "memory")
    ]


class Crowd(Fake):
    """An engine that counts how many calls are in it at once, and has each wait until so many are."""

    def __init__(self, calls: int) -> None:
        self.lock, self.all = threading.Lock(), threading.Barrier(calls, timeout=60)
        self.now = self.most = 0

    def score(self, batch: graphscore.GraphBatch, embed: str = "") -> graphscore.Scores:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.all.wait()
        with self.lock:
            self.now -= 1
        return super().score(batch, embed)


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_take_turns(server_of: Callable[..., grpc.Channel], threads: int) -> None:
    crowd = Crowd(threads)
    process = method(server_of(engine=crowd, threads=threads), PROCESS_GRAPH)
    data = graph({"a": X}, [])
    for future in [process.future(data, timeout=60) for _ in range(20)]:
        assert future.result()
    assert crowd.most == threads


def test_a_bad_call_gives_its_turn_back(server_of: Callable[..., grpc.Channel]) -> None:
    channel = server_of(threads=1)
    for _ in range(3):
        assert fails(channel, SCORE, b"\xff")[0] == INVALID
        assert fails(channel, PROCESS_GRAPH, b"\xff")[0] == INVALID
    assert call(channel, PROCESS_GRAPH, b"") == b""


@pytest.mark.parametrize("name", ["", "GCNService", "graphscore.v1.ScoringService"])
def test_health(channel: grpc.Channel, name: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_many_health_watches_do_not_take_the_threads(channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
    for watch in watches:
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    assert call(channel, PROCESS_GRAPH, b"") == b""
    for watch in watches:
        watch.cancel()


def test_reflection(channel: grpc.Channel) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)

    def ask(**fields: Any) -> Any:
        return next(stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**fields)]), timeout=60))

    services = {service.name for service in ask(list_services="").list_services_response.service}
    assert services == {
        "GCNService",
        "graphscore.v1.ScoringService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    for name, wanted in (("GCNService", "ProcessGraph"), ("graphscore.v1.ScoringService", "Score")):
        files = ask(file_containing_symbol=name).file_descriptor_response.file_descriptor_proto
        found = FileDescriptorProto.FromString(files[0])
        assert wanted in [m.name for service in found.service for m in service.method]


def test_unknown_method(channel: grpc.Channel) -> None:
    code, _ = fails(channel, "/GCNService/Other", b"")
    assert code == grpc.StatusCode.UNIMPLEMENTED


def test_both_services_side_by_side(
    channel: grpc.Channel, engine: graphscore.Engine, good: graphscore.GraphBatch
) -> None:
    wanted = engine.score(good).values.tobytes()
    data = graph({"a": X}, [])
    with ThreadPoolExecutor(16) as pool:
        scores = [pool.submit(score, channel, **message(good)) for _ in range(100)]
        others = [pool.submit(fails, channel, PROCESS_GRAPH, data + data) for _ in range(100)]
        assert {future.result().scores for future in scores} == {wanted}
        assert {future.result()[0] for future in others} == {INVALID}
