"""Requests of any shape: a status for each, never the end of the server; and memory that does not grow."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphscore
from calls import PROCESS_GRAPH, SCORE, call, fails, get_model
from graphs import batch, random_graph
from graphscore._proto import gcn_pb2, scoring_pb2
from graphscore._serving import codec
from processes import Process
from serving_others import peak

COUNTS = st.sampled_from([0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
COLUMNS = st.binary(max_size=64) | st.lists(st.integers(0, 4), max_size=12).map(
    lambda values: np.array(values, "<u4").tobytes()
)


@pytest.mark.fault(
    "30",
    "columns of any length, count and content (hypothesis)",
    "INVALID_ARGUMENT or right scores, the server lives",
)
@settings(max_examples=300)
@given(
    counts=st.fixed_dictionaries({}, optional=dict.fromkeys(("graphs", "nodes", "edges", "feature_width"), COUNTS)),
    columns=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("node_counts", "features", "in_degrees", "sources", "edge_weights"), COLUMNS),
    ),
)
def test_any_columns(engine: graphscore.Engine, counts: dict[str, Any], columns: dict[str, Any]) -> None:
    """Either a batch whose scores fit it, or BatchError: nothing else leaves the codec and the engine."""
    data = scoring_pb2.ScoreRequest(**counts, **columns).SerializeToString()
    try:
        values = engine.score(codec.decode_score_request(data)[0]).values
    except graphscore.BatchError:
        return
    assert values.shape == (counts.get("nodes", 0), 1)


@settings(max_examples=200)
@given(
    sources=st.lists(st.integers(0, 11), min_size=14, max_size=14),
    cuts=st.lists(st.integers(0, 12), min_size=2, max_size=2).map(sorted),
    weights=st.none() | st.lists(st.floats(width=32), min_size=14, max_size=14),
)
def test_any_edges(engine: graphscore.Engine, sources: list[int], cuts: list[int], weights: list[float] | None) -> None:
    """Graphs with edges inside themselves are scored as if they were alone, whatever the others have."""
    features = np.random.default_rng(0).standard_normal((12, 3), np.float32)
    starts = [0, *cuts, 12]
    degrees = np.bincount(np.arange(14) % 12, minlength=12)
    weight = None if weights is None else np.array(weights, np.float32)
    whole = graphscore.GraphBatch(np.diff(starts), features, degrees, np.array(sources, np.uint32), weight)
    scores = engine.score(whole)
    edges = np.r_[0, np.cumsum(degrees)]
    for g, (a, b) in enumerate(itertools.pairwise(starts)):
        own = np.array(sources[edges[a] : edges[b]], np.int64) - a
        outside = bool(((own < 0) | (own >= b - a)).any())
        assert (g in [failure.graph for failure in scores.failed]) == outside
        if not outside:
            part = None if weight is None else weight[edges[a] : edges[b]]
            one = graphscore.GraphBatch(np.array([b - a]), features[a:b], degrees[a:b], own, part)
            # NaN has many forms; which one comes out of a sum of several is not promised.
            np.testing.assert_array_equal(engine.score(one).values, scores.values[a:b])


@pytest.mark.fault("30", "any bytes as a message (hypothesis)", "INVALID_ARGUMENT, the server lives")
@settings(max_examples=100)
@given(data=st.binary(max_size=200))
def test_any_bytes(channel: grpc.Channel, data: bytes) -> None:
    for name in (SCORE, PROCESS_GRAPH):
        try:
            call(channel, name, data)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017


def test_ids_that_are_not_utf8(channel: grpc.Channel) -> None:
    data = gcn_pb2.GraphData(nodes=[gcn_pb2.Node(id="abcd", features=[1, 2, 3])]).SerializeToString()
    assert fails(channel, PROCESS_GRAPH, data.replace(b"abcd", b"\xff\xfe\xfd\xfc"))[0] == (
        grpc.StatusCode.INVALID_ARGUMENT
    )


@pytest.fixture
def lone(serve: Callable[..., Process]) -> Process:
    return serve("127.0.0.1:0")


def test_many_requests_keep_memory(lone: Process) -> None:
    many = batch([random_graph(np.random.default_rng(1), nodes=50, edges=100) for _ in range(400)])
    request = scoring_pb2.ScoreRequest(
        graphs=many.graphs,
        nodes=many.nodes,
        edges=many.edges,
        feature_width=3,
        node_counts=many.node_counts.tobytes(),
        features=many.features.tobytes(),
        in_degrees=many.in_degrees.tobytes(),
        sources=many.sources.tobytes(),
    ).SerializeToString()
    with grpc.insecure_channel(lone.address) as channel:
        for _ in range(30):
            call(channel, SCORE, request)
        first = peak(lone)
        for _ in range(300):
            call(channel, SCORE, request)
    assert peak(lone) <= first + 10


@pytest.mark.fault("30", "messages as large as the limit", "memory within a few times their size")
def test_large_messages_take_a_few_times_their_size(lone: Process) -> None:
    """Chunks bound what the engine adds: beside the message there are its parsed copy and the scores."""
    before = peak(lone)
    nodes = 1_000_000
    request = scoring_pb2.ScoreRequest(
        graphs=nodes // 50,
        nodes=nodes,
        feature_width=3,
        node_counts=np.full(nodes // 50, 50, "<u4").tobytes(),
        features=bytes(12 * nodes),
        in_degrees=bytes(4 * nodes),
    ).SerializeToString()
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(lone.address, options=options) as channel:
        call(channel, SCORE, request)
        grown = peak(lone) - before
        assert grown < 8 * len(request) >> 20
        assert fails(channel, SCORE, bytes(65 << 20))[0] == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_idle_and_foreign_connections(lone: Process) -> None:
    host, port = lone.address.split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(300)]
    for connection in idle[::2]:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert get_model(lone.address).name == "test-model"
    for connection in idle:
        connection.close()
    assert get_model(lone.address).name == "test-model"


def test_calls_that_are_given_up(lone: Process) -> None:
    with grpc.insecure_channel(lone.address) as channel:
        data = gcn_pb2.GraphData(
            nodes=[gcn_pb2.Node(id=str(i), features=[1, 2, 3]) for i in range(2000)]
        ).SerializeToString()
        futures = [channel.unary_unary(PROCESS_GRAPH).future(data, timeout=0.01) for _ in range(200)]  # type: ignore[var-annotated, arg-type]
        for future in futures[::2]:
            future.cancel()
        assert {future.code() for future in futures} <= {
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.OK,
        }
    assert get_model(lone.address).name == "test-model"
