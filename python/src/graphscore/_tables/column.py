"""One column of a block of rows, decoded: places and values in numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from graphscore._arrays import Floats
from graphscore._tables.faults import TableError, first_of_each
from graphscore._tables.fields import Field, is_list

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FEATURED: Final = frozenset({"features", "edge_attr", "graph_attr"})
"""Columns whose values are features: integers stay so until they are known to be those that float32 holds."""


@dataclass(frozen=True, eq=False)
class Column:
    """Rows of one column.

    Attributes:
        field: its type.
        starts: the place of each row, and the end: in `inner` for lists of lists, else in the values; [rows + 1].
        inner: the place of each inner list in the values, and the end; the places of values for others.
        values: of all rows. Integers are int64 (those of uint64 with the same bits), features that are no integers
            float32, other floats float64, texts and bytes large_binary of Arrow. What is null is 0 or empty.
        null: rows that are null, None where there are none.
        holds_null: rows that hold a null, None where there are none.
    """

    field: Field
    starts: Places
    inner: Places
    values: Any
    null: Mask | None
    holds_null: Mask | None

    @property
    def nested(self) -> bool:
        """A row is a list of lists."""
        return self.field.depth == 2  # noqa: PLR2004

    @property
    def sizes(self) -> Places:
        """How many lists or values each row has, [rows]."""
        return np.diff(self.starts)

    @property
    def bounds(self) -> Places:
        """The place of each row in the values, and the end, [rows + 1]."""
        return self.inner[self.starts] if self.nested else self.starts

    @property
    def incomplete(self) -> Mask | None:
        """The rows that lack something, None where there are none."""
        if self.null is None or self.holds_null is None:
            return self.holds_null if self.null is None else self.null
        return self.null | self.holds_null

    def lacks(self, row: int) -> str:
        """Say what an incomplete row lacks."""
        if self.null is not None and self.null[row]:
            return f"{self.field.name} is null"
        return f"{self.field.name} holds a null"


def decode(array: pa.Array, field: Field, key: str) -> Column:
    """Decode a column that is read for what the key names. Raises TableError where its values cannot be read at all."""
    rows = len(array)
    array = _plain(array)
    null = _nulls(array)
    bounds: list[Places] = []
    inside: list[tuple[int, Mask | None]] = []  # nulls by how many lists they are in
    for depth in range(field.depth):
        offsets, array = _unnest(array)
        array = _plain(array)
        bounds.append(offsets)
        inside.append((depth + 1, _nulls(array)))
    starts = bounds[0] if bounds else np.arange(rows + 1)
    values = _values(array, field, key)
    holds = np.zeros(rows, np.bool_)
    for depth, mask in inside:
        if mask is None:
            continue
        places = np.flatnonzero(mask)
        for offsets in reversed(bounds[:depth]):
            places = np.searchsorted(offsets, places, side="right") - 1
        holds[places] = True
    count = len(array)
    inner = bounds[1] if len(bounds) > 1 else np.arange(count + 1) if field.depth else starts
    return Column(field, starts, inner, values, null, holds if holds.any() else None)


def spans(starts: Places, sizes: Places) -> Places:
    """Return the places of runs one after the other: sizes[0] from starts[0] on, sizes[1] from starts[1], ..."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - ends + sizes, sizes)


def _nulls(array: pa.Array) -> Mask | None:
    if not array.null_count:
        return None
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False))


def _plain(array: pa.Array) -> pa.Array:
    """Return the values of an array without extensions, dictionaries and runs."""
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif types.is_dictionary(array.type):
            array = _take(array.dictionary, array.indices)
        elif types.is_run_end_encoded(array.type):
            ends = array.run_ends.to_numpy(zero_copy_only=False)
            places = np.searchsorted(ends, array.offset + np.arange(len(array)), side="right")
            array = _take(array.values, pa.array(places))
        else:
            return array


def _take(array: pa.Array, places: pa.Array) -> pa.Array:
    """Return the values at places, which may be null; pyarrow itself cannot for views of texts and for runs."""
    try:
        return array.take(places)
    except pa.ArrowNotImplementedError:
        array = _plain(array)
    if not len(array):
        return pa.nulls(len(places), array.type)
    if not is_list(array.type):
        return (_texts(array) if _is_view(array.type) else array).take(places)
    offsets, values = _unnest(array)
    missing = np.asarray(places.is_null().to_numpy(zero_copy_only=False))
    at = pc.fill_null(places, 0).to_numpy(zero_copy_only=False)
    null = _nulls(array)
    if null is not None:
        missing = missing | null[at]
    sizes = np.where(missing, 0, np.diff(offsets)[at])
    ends = np.concatenate([[0], np.cumsum(sizes)])
    return pa.LargeListArray.from_arrays(
        ends, _take(values, pa.array(spans(offsets[at], sizes))), mask=pa.array(missing)
    )


def _is_view(kind: pa.DataType) -> bool:
    return bool(types.is_string_view(kind) or types.is_binary_view(kind))


def _texts(array: pa.Array) -> pa.Array:
    """Return views of texts or bytes as arrays of them."""
    return array.cast(pa.large_string() if types.is_string_view(array.type) else pa.large_binary())


def _unnest(array: pa.Array) -> tuple[Places, pa.Array]:
    """Return the place of each list in the elements, and the end, and the elements. A null list has none."""
    rows, kind = len(array), array.type
    if not is_list(kind) or not rows:  # a column of nulls, or of no rows
        return np.zeros(rows + 1, np.int64), array.values.slice(0, 0) if is_list(kind) else array.slice(0, 0)
    if types.is_fixed_size_list(kind):
        starts = (np.arange(rows) + array.offset) * kind.list_size
        sizes = np.full(rows, kind.list_size, np.int64)
    elif types.is_list(kind) or types.is_large_list(kind):
        offsets = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        starts, sizes = offsets[:-1], np.diff(offsets)
    else:
        starts = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        sizes = array.sizes.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    null = _nulls(array)
    if null is not None:
        sizes = np.where(null, 0, sizes)
    result = np.zeros(rows + 1, np.int64)
    np.cumsum(sizes, out=result[1:])
    full = np.flatnonzero(sizes)
    first = int(starts[full[0]]) if len(full) else 0
    if bool((starts[full] == first + result[:-1][full]).all()):  # one after the other, as nearly always
        return result, array.values.slice(first, int(result[-1]))
    return result, _take(array.values, pa.array(spans(starts, sizes)))


def _values(array: pa.Array, field: Field, key: str) -> Any:
    if field.leaf == "null":
        return np.zeros(len(array), np.float32 if key == "weights" or key in FEATURED else np.int64)
    if field.texts:
        return _bytes(array)
    if field.leaf == "decimal":
        array = _decimals(array, field)
    elif field.leaf == "bool":
        array = array.cast(pa.uint8())
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(0, array.type))
    values = array.to_numpy(zero_copy_only=False)
    if key == "weights" or (key in FEATURED and not field.integer):
        with np.errstate(over="ignore"):
            return values.astype(np.float32, copy=False)
    if field.leaf == "uint64":
        return values.view(np.int64)
    return values.astype(np.float64 if field.leaf == "float" else np.int64, copy=False)


def _bytes(array: pa.Array) -> pa.Array:
    if types.is_fixed_size_binary(array.type):
        array = array.cast(pa.binary())
    elif _is_view(array.type):
        array = _texts(array)
    return array.cast(pa.large_binary())


_STORED: Final = {32: pa.int32(), 64: pa.int64()}
"""What decimals are stored as, by their bits; pyarrow casts them from other versions on than it has them."""


def _decimals(array: pa.Array, field: Field) -> pa.Array:
    if array.type.bit_width in _STORED:
        return array.view(_STORED[array.type.bit_width]).cast(pa.int64())
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        raise TableError(
            f"column {field.name} has a decimal that does not fit into int64; write integers of 64 bits"
        ) from None


_MOST_EXACT: Final = 1 << 24


def floats(column: Column) -> tuple[Floats, dict[int, int]]:
    """Return the values of features as float32.

    And, by row, the place of the first integer that float32 may not hold, counted from the row's own first.
    """
    values = column.values
    if values.dtype == np.float32:
        return values, {}
    least = 0 if column.field.leaf == "uint64" else -_MOST_EXACT  # what int64 does not hold is negative
    beyond = (values > _MOST_EXACT) | (values < least)
    found = first_of_each(np.flatnonzero(beyond), column.bounds) if beyond.any() else {}
    return values.astype(np.float32), found


def integer(column: Column, place: int) -> str:
    """Return an integer as text."""
    value = int(column.values[place])
    return str(value + (1 << 64) if column.field.leaf == "uint64" and value < 0 else value)


def buffer(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], Places]:
    """Return the bytes of a large_binary array, and the place of each value in them, and the end."""
    if not len(texts):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    whole = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    return whole[places[0] : places[-1]], places - places[0]
