"""Ids of graphs and nodes: int64 where the column has integers that fit, else texts."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphscore._tables.column import Column, buffer
from graphscore._tables.faults import TableError
from graphscore._tables.fields import Field

_CONTROL = r"\p{Cc}"
_PIECE_BYTES = 1 << 30


def id_type(field: Field | None, default: pa.DataType) -> pa.DataType:
    """Return the type of the ids of a column, `default` where there is none."""
    if field is None:
        return default
    return pa.int64() if field.leaf == "null" or (field.integer and field.leaf != "uint64") else pa.string()


def ids_of(column: Column, keep: npt.NDArray[np.bool_]) -> pa.Array:
    """Return the ids that a column holds, int64 or large_string. Those of values that are not kept mean nothing.

    Raises TableError for bytes of a fixed size that are no text.
    """
    field, values = column.field, column.values
    if not field.texts:
        if field.leaf == "uint64":
            return pa.array(values.view(np.uint64)).cast(pa.large_string())
        return pa.array(values)
    if field.uuid:
        return _uuids(values)
    try:
        texts = values.cast(pa.large_string())
    except pa.ArrowInvalid:  # not UTF-8
        if field.fixed and not _all_texts(values, keep):
            raise _no_texts(field) from None
        return pa.array([_text(value) for value in values.to_pylist()], pa.large_string())
    if field.fixed and not _printable(texts.filter(pa.array(keep))):
        raise _no_texts(field)
    return texts


def _printable(texts: pa.Array) -> bool:
    return not pc.any(pc.match_substring_regex(texts, _CONTROL)).as_py()


def _all_texts(values: pa.Array, keep: npt.NDArray[np.bool_]) -> bool:
    try:
        return _printable(values.filter(pa.array(keep)).cast(pa.large_string()))
    except pa.ArrowInvalid:
        return False


def _no_texts(field: Field) -> TableError:
    return TableError(
        f"column {field.name} has type {field.type}, whose bytes are no text;"
        " write it with the type UUID, or as strings"
    )


def _text(value: bytes | None) -> str:
    r"""Return bytes as UTF-8, bad ones as \xNN."""
    return value.decode("utf-8", "backslashreplace") if value is not None else ""


def _uuids(values: pa.Array) -> pa.Array:
    data, places = buffer(values)
    size = 16
    if not (np.diff(places) == size).all():  # a null among them
        return pa.array(
            [str(uuid.UUID(bytes=v)) if v and len(v) == size else "" for v in values.to_pylist()], pa.large_string()
        )
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    raw = data.reshape(-1, size)
    pairs = np.stack([digits[raw >> 4], digits[raw & 15]], axis=2).reshape(-1, 2 * size)
    texts = np.full((len(raw), 36), ord("-"), np.uint8)
    texts[:, [i for i in range(36) if i not in {8, 13, 18, 23}]] = pairs
    offsets = np.arange(len(raw) + 1, dtype=np.int64) * 36
    return pa.LargeStringArray.from_buffers(len(raw), pa.py_buffer(offsets), pa.py_buffer(texts.tobytes()))


def made_ids(name: str, first: int, rows: int) -> pa.Array:
    """Return the ids of graphs that have none: `<name>#<row>`, as large_string."""
    numbers = pa.array(np.arange(first, first + rows)).cast(pa.large_string())
    text = pa.large_string()
    return pc.binary_join_element_wise(pa.scalar(name, text), numbers, pa.scalar("#", text))


def taken(ids: pa.Array, places: npt.NDArray[Any], kind: pa.DataType) -> pa.ChunkedArray:
    """Return ids at places, as int64 or string; in several chunks where offsets of 32 bits are too small for one."""
    if not pa.types.is_large_string(ids.type):
        return pa.chunked_array([ids.take(pa.array(places))], kind)
    _, starts = buffer(ids.cast(pa.large_binary()))
    ends = np.cumsum(np.diff(starts)[places])
    total = int(ends[-1]) if len(ends) else 0
    pieces = np.split(places, np.searchsorted(ends, np.arange(_PIECE_BYTES, total, _PIECE_BYTES)))
    return pa.chunked_array([ids.take(pa.array(piece)).cast(kind) for piece in pieces], kind)


def repeated(ids: pa.Array, bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
    """Return the rows in which an id occurs twice, None where there are none. Row i has the ids from bounds[i]."""
    if not len(ids):
        return None
    codes = (pc.fill_null(ids, pa.scalar("", ids.type)) if ids.null_count else ids).dictionary_encode()
    rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    part = codes.indices.to_numpy(zero_copy_only=False)[bounds[0] : bounds[-1]]
    keys = rows * np.int64(len(codes.dictionary)) + part
    keys.sort()
    twice = keys[1:][keys[1:] == keys[:-1]]
    if not len(twice):
        return None
    result = np.zeros(len(bounds) - 1, np.bool_)
    result[twice // len(codes.dictionary)] = True
    return result


def first_repeated(ids: pa.Array) -> Any:
    """Return the first id that was there before."""
    seen = set()
    for value in ids.to_pylist():
        if value in seen:
            return value
        seen.add(value)
    raise AssertionError("no id occurs twice")
