"""What a large message of protobuf is made of, before it is parsed: each of its parts takes far more than its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graphscore._batch import BatchError

SMALL: Final = 1 << 20
"""Bytes of a message that is parsed as it is: whatever it is made of, that takes 40 MiB and half a second at most."""

MOST_ASKED: Final = 64 << 10
"""Bytes of a request that has no columns."""

_MOST_FIELDS: Final = 1024
_MOST_NESTED: Final = 64 << 10
"""Bytes of a part of a larger message that has parts itself."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPE: Final = 7
_TAG_BITS: Final = 3
_VARINT_BYTES: Final = 10
_MORE: Final = 0x80

_NODE: Final = 1 << _TAG_BITS | _BYTES
_EDGE: Final = 2 << _TAG_BITS | _BYTES


def check_columns(data: bytes, nested: int) -> None:
    """Raise BatchError for a large message that is not of a few columns; `nested` is its field that has fields."""
    if len(data) <= SMALL:
        return
    position, count = 0, 0
    while position < len(data):
        begin, count = position, count + 1
        tag, size, position = _field(data, position)
        if count > _MOST_FIELDS:
            raise BatchError(f"the request has more than {_MOST_FIELDS} fields; it needs each column once")
        if tag >> _TAG_BITS == nested and size > _MOST_NESTED:
            raise BatchError(f"field {nested} at byte {begin} has {size} bytes; it may have {_MOST_NESTED}")


@dataclass(frozen=True)
class GraphLimit:
    """How many nodes and edges a large GraphData may have."""

    nodes: int
    edges: int

    @classmethod
    def of(cls, max_message_bytes: int) -> GraphLimit:
        """Return the limit: one node in 24 bytes of the largest message, and one edge in 12.

        Nodes of 16 bytes take 15 times the message with the answer, those of 24 bytes 10 times; edges of 12 take 3.
        """
        return cls(max(max_message_bytes, SMALL) // 24, max(max_message_bytes, SMALL) // 12)


@dataclass(frozen=True)
class Piece:
    """Some fields of a message, which are a message."""

    begin: int
    end: int
    nodes: int
    edges: int


def pieces(data: bytes, limit: GraphLimit) -> Iterator[Piece]:
    """Cut a GraphData into messages of about 1 MiB. Raises BatchError where it has too many nodes or edges."""
    position, begin, first = 0, 0, Piece(0, 0, 0, 0)
    nodes = edges = 0
    while position < len(data):
        tag = data[position]
        if tag == _NODE:
            nodes += 1
        elif tag == _EDGE:
            edges += 1
        size = data[position + 1] if position + 1 < len(data) else _MORE
        if tag in (_NODE, _EDGE) and size < _MORE:
            position += 2 + size
        else:
            _, _, position = _field(data, position)
        if position - begin >= SMALL:
            _check(data, position, nodes, edges, limit)
            yield Piece(begin, position, nodes - first.nodes, edges - first.edges)
            begin, first = position, Piece(begin, position, nodes, edges)
    _check(data, position, nodes, edges, limit)
    yield Piece(begin, position, nodes - first.nodes, edges - first.edges)


def _check(data: bytes, position: int, nodes: int, edges: int, limit: GraphLimit) -> None:
    if nodes > limit.nodes:
        raise BatchError(f"nodes: the graph has more than {limit.nodes}; use Score")
    if edges > limit.edges:
        raise BatchError(f"edges: the graph has more than {limit.edges}; use Score")
    if position > len(data):
        raise BatchError("the request ends within a field")


def _field(data: bytes, position: int) -> tuple[int, int, int]:
    """Return the tag of a field, how many bytes its value has where it is one of bytes, and where it ends."""
    begin = position
    tag, position = _number(data, position)
    kind, size = tag & _WIRE_TYPE, 0
    if kind == _VARINT:
        _, position = _number(data, position)
    elif kind == _BYTES:
        size, position = _number(data, position)
        position += size
    elif kind in {_FIXED32, _FIXED64}:
        position += 4 if kind == _FIXED32 else 8
    else:
        raise BatchError(f"the request has a field of wire type {kind} at byte {begin}")
    if position > len(data):
        raise BatchError(f"the request ends within the field at byte {begin}")
    return tag, size, position


def _number(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[position : position + _VARINT_BYTES]):
        value |= (byte & ~_MORE) << 7 * shift
        if byte < _MORE:
            return value, position + shift + 1
    raise BatchError(f"the request has no number at byte {position}")
