"""Requests read by hand, and by protobuf: the same batch or the same error."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

import graphscore
from graphs import batch, random_graph
from graphscore._batch import Level
from graphscore._proto import scoring_pb2
from graphscore._serving import codec

COUNTS = ("graphs", "nodes", "edges", "feature_width", "edge_feature_width", "graph_feature_width")
COLUMNS = (
    *("node_counts", "features", "in_degrees", "sources", "edge_weights"),
    *("edge_features", "edge_types", "graph_features"),
)


def message(some: dict[str, Any]) -> bytes:
    return scoring_pb2.ScoreRequest(**some).SerializeToString()


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


MESSAGES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(COUNTS, st.integers(0, 2**32 - 1)) | dict.fromkeys(COLUMNS, st.binary(max_size=200)),
).map(message)
PIECES = st.binary(max_size=12) | MESSAGES | st.integers(0, 2**64 - 1).map(lambda n: b"\x08" + varint(n))


def fields(read: Any) -> dict[str, int | bytes]:
    return {name: getattr(read, name) for name in COUNTS} | {name: bytes(getattr(read, name)) for name in COLUMNS}


def good() -> bytes:
    random = np.random.default_rng(0)
    whole = batch([random_graph(random, nodes=n, edges=2 * n, weighted=True) for n in (5, 0, 90, 1)])
    assert whole.edge_weights is not None
    return scoring_pb2.ScoreRequest(
        graphs=whole.graphs,
        nodes=whole.nodes,
        edges=whole.edges,
        feature_width=whole.width,
        node_counts=whole.node_counts.tobytes(),
        features=whole.features.tobytes(),
        in_degrees=whole.in_degrees.tobytes(),
        sources=whole.sources.tobytes(),
        edge_weights=whole.edge_weights.tobytes(),
    ).SerializeToString()


@settings(max_examples=1000)
@given(pieces=st.lists(PIECES, max_size=3), cut=st.integers(0, 40), flip=st.none() | st.integers(0, 10_000))
def test_any_bytes(pieces: list[bytes], cut: int, flip: int | None) -> None:
    """What is read by hand is what protobuf reads; all that it would refuse is left to it."""
    data = bytearray(b"".join(pieces))
    if flip is not None and data:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    whole = bytes(data[: len(data) - cut] if cut < 20 else data)
    read = codec._score_request(whole)
    if read is None:
        return
    try:
        wanted = scoring_pb2.ScoreRequest.FromString(whole)
    except DecodeError:  # a text that is not UTF-8, which is refused once it is looked at
        with pytest.raises(graphscore.BatchError):
            codec.decode_score_request(whole)
    else:
        assert fields(read) == fields(wanted)


def test_what_clients_send_is_read_by_hand() -> None:
    for data in (b"", good()):
        read = codec._score_request(data)
        assert read is not None
        assert fields(read) == fields(scoring_pb2.ScoreRequest.FromString(data))


@pytest.mark.parametrize(
    "unusual",
    [
        good() + b"\xa2\x06\x03abc",  # an unknown field 100
        good() + b"\x8a\x01\x03abc",  # an unknown field 17
        b"\x08\x84\x80\x80\x80\x80\x00" + good()[2:],  # a number of six bytes
    ],
)
def test_the_rest_is_read_by_protobuf(unusual: bytes) -> None:
    assert codec._score_request(unusual) is None
    assert codec.decode_score_request(unusual)[0].features.tobytes() == (
        codec.decode_score_request(good())[0].features.tobytes()
    )


def test_of_a_number_given_twice_the_last_counts() -> None:
    with pytest.raises(graphscore.BatchError, match="graphs = 7"):
        codec.decode_score_request(good() + b"\x08\x07")[0]


def columns(**changed: Any) -> bytes:
    """Return a request of two graphs with three edges and every column, changed."""
    some: dict[str, Any] = {
        "graphs": 2,
        "nodes": 3,
        "edges": 3,
        "feature_width": 1,
        "node_counts": np.array([2, 1], np.uint32).tobytes(),
        "features": np.zeros(3, np.float32).tobytes(),
        "in_degrees": np.array([0, 2, 1], np.uint32).tobytes(),
        "sources": np.array([0, 1, 2], np.uint32).tobytes(),
        "edge_feature_width": 2,
        "edge_features": np.arange(6, dtype=np.float32).tobytes(),
        "edge_types": np.array([4, 0, 7], np.uint32).tobytes(),
        "graph_feature_width": 3,
        "graph_features": np.arange(6, dtype=np.float32).tobytes(),
    }
    return message(some | changed)


def test_columns_of_edges_and_graphs() -> None:
    read = codec.decode_score_request(columns())[0]
    assert read.edge_features is not None
    assert read.edge_features.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert read.edge_types is not None
    assert read.edge_types.tolist() == [4, 0, 7]
    assert read.graph_features is not None
    assert read.graph_features.tolist() == [[0, 1, 2], [3, 4, 5]]
    plain = codec.decode_score_request(good())[0]
    assert (plain.edge_features, plain.edge_types, plain.graph_features) == (None, None, None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"edge_features": bytes(20)}, "edge_features: 20 bytes, but edges x edge_feature_width = 6 values"),
        ({"edge_feature_width": 0}, "edge_features: 24 bytes, but edges x edge_feature_width = 0 values"),
        ({"edge_feature_width": 2**32 - 1}, "edge_features: 24 bytes, but edges x edge_feature_width = 12884901885"),
        ({"edge_types": bytes(8)}, "edge_types: 8 bytes, but edges = 3 values"),
        ({"graph_features": b""}, "graph_features: 0 bytes, but graphs x graph_feature_width = 6 values"),
        ({"graph_feature_width": 2}, "graph_features: 24 bytes, but graphs x graph_feature_width = 4 values"),
    ],
)
def test_columns_that_do_not_fit(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(graphscore.BatchError, match=re.escape(said)):
        codec.decode_score_request(columns(**changed))[0]


@pytest.mark.parametrize(("level", "nodes"), [("node", 3), ("edge", 0), ("graph", 0)])
def test_an_older_client_refuses_rows_that_are_no_nodes(level: Level, nodes: int) -> None:
    scores = graphscore.Scores(np.zeros((3, 2), np.float32), level=level)
    answer = scoring_pb2.ScoreResponse.FromString(codec.encode_score_response(scores, "sha256:", 1))
    assert (answer.nodes, answer.rows, answer.outputs, len(answer.scores)) == (nodes, 3, 2, 24)


@pytest.mark.parametrize("shift", range(4))
def test_columns_at_any_address(engine: graphscore.Engine, shift: int) -> None:
    """A longer way to write the first number moves the columns; no score shows it."""
    data = good()
    assert data[:2] == b"\x08\x04"
    moved = data if shift == 0 else b"\x08\x84" + b"\x80" * (shift - 1) + b"\x00" + data[2:]
    assert codec._score_request(moved) is not None
    read = codec.decode_score_request(moved)[0]
    assert engine.score(read).values.tobytes() == engine.score(codec.decode_score_request(data)[0]).values.tobytes()
