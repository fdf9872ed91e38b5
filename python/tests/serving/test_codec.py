"""Requests read by hand, and by protobuf: the same batch or the same error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphscore
from graphs import batch, random_graph
from graphscore._proto import scoring_pb2
from graphscore._serving import codec

COUNTS = ("graphs", "nodes", "edges", "feature_width")
COLUMNS = ("node_counts", "features", "in_degrees", "sources", "edge_weights")


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


@settings(max_examples=1000, deadline=None)
@given(pieces=st.lists(PIECES, max_size=3), cut=st.integers(0, 40), flip=st.none() | st.integers(0, 10_000))
def test_any_bytes(pieces: list[bytes], cut: int, flip: int | None) -> None:
    """What is read by hand is what protobuf reads; all that it would refuse is left to it."""
    data = bytearray(b"".join(pieces))
    if flip is not None and data:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    whole = bytes(data[: len(data) - cut] if cut < 20 else data)
    read = codec._score_request(whole)
    if read is not None:
        assert fields(read) == fields(scoring_pb2.ScoreRequest.FromString(whole))


def test_what_clients_send_is_read_by_hand() -> None:
    for data in (b"", good()):
        read = codec._score_request(data)
        assert read is not None
        assert fields(read) == fields(scoring_pb2.ScoreRequest.FromString(data))


@pytest.mark.parametrize(
    "unusual",
    [
        good() + b"\xa2\x06\x03abc",  # an unknown field 100
        good() + b"\x7a\x03abc",  # an unknown field 15
        b"\x08\x84\x80\x80\x80\x80\x00" + good()[2:],  # a number of six bytes
    ],
)
def test_the_rest_is_read_by_protobuf(unusual: bytes) -> None:
    assert codec._score_request(unusual) is None
    assert codec.decode_score_request(unusual).features.tobytes() == (
        codec.decode_score_request(good()).features.tobytes()
    )


def test_of_a_number_given_twice_the_last_counts() -> None:
    with pytest.raises(graphscore.BatchError, match="graphs = 7"):
        codec.decode_score_request(good() + b"\x08\x07")


@pytest.mark.parametrize("shift", range(4))
def test_columns_at_any_address(engine: graphscore.Engine, shift: int) -> None:
    """A longer way to write the first number moves the columns; no score shows it."""
    data = good()
    assert data[:2] == b"\x08\x04"
    moved = data if shift == 0 else b"\x08\x84" + b"\x80" * (shift - 1) + b"\x00" + data[2:]
    assert codec._score_request(moved) is not None
    read = codec.decode_score_request(moved)
    assert engine.score(read).values.tobytes() == engine.score(codec.decode_score_request(data)).values.tobytes()
