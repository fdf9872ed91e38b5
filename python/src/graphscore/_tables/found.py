"""What the rows of a block hold, before it is known which of them are graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._tables.column import Column, Mask, Places, buffer, floats, integer, spans
from graphscore._tables.faults import Faults, TableError, first_of_each, mask, number
from graphscore._tables.serialized import serialized, suspects

RAGGED: Final = -1
"""The width of a row whose lists have different numbers of values."""

NULL: Final = "null_value"
OUT_OF_RANGE: Final = "category_out_of_range"
_MOST_EXACT: Final = 1 << 24


@dataclass(frozen=True, eq=False)
class Values:
    """Values of all rows: row i has those from bounds[i] to before bounds[i + 1]."""

    values: npt.NDArray[Any]
    bounds: Places

    @property
    def sizes(self) -> Places:
        """How many each row has."""
        return np.diff(self.bounds)

    def kept(self, bad: Mask) -> npt.NDArray[Any]:
        """Return those of the rows that are not bad."""
        return self.values[np.repeat(~bad, self.sizes)] if bad.any() else self.values[self.bounds[0] : self.bounds[-1]]

    def not_finite(self) -> dict[int, int]:
        """Return, by row, the place of its first value that is NaN or infinite, counted from the row's own first."""
        finite = np.isfinite(self.values)
        return {} if finite.all() else first_of_each(np.flatnonzero(~finite), self.bounds)

    def first(self) -> dict[int, int]:
        """Return, by row, the place of its first value that is true, counted from the row's own first."""
        return first_of_each(np.flatnonzero(self.values), self.bounds)

    def at(self, row: int, place: int) -> str:
        """Return a value as text."""
        return number(float(self.values[self.bounds[row] + place]))


@dataclass(frozen=True, eq=False)
class Bytes:
    """Values that are stored as bytes: row i has data[bounds[i]] to before data[bounds[i + 1]]."""

    data: npt.NDArray[np.uint8]
    bounds: Places

    @property
    def sizes(self) -> Places:
        """How many bytes each row has."""
        return np.diff(self.bounds)

    def decoded(self, dropped: Mask) -> Values:
        """Return the float32 of the rows that are not dropped, which have whole ones."""
        sizes, data = self.sizes, self.data
        if dropped.any():
            data, sizes = data[np.repeat(~dropped, sizes)], np.where(dropped, 0, sizes)
        values = np.frombuffer(data.tobytes() if data.ctypes.data % 4 else data, "<f4").astype(np.float32, copy=False)
        return Values(values, bounds_of(sizes // 4))


@dataclass(frozen=True, eq=False)
class Ends:
    """Sources or targets of the edges of each row: starts[i], starts[i] + step, ... in values, sizes[i] of them."""

    values: npt.NDArray[np.int64]
    starts: Places
    sizes: Places
    step: int = 1

    def taken(self, bad: Mask) -> npt.NDArray[np.int64]:
        """Return those of the rows that are not bad."""
        sizes = np.where(bad, 0, self.sizes)
        return self.values[spans(self.starts, sizes * self.step)[:: self.step]]


def _none() -> Places:
    """Return what stands for places that were not read yet."""
    return np.zeros(0, np.int64)


@dataclass(eq=False)
class Found:
    """The rows of a block: their columns, what was read of them, and what is wrong with them.

    Attributes:
        by: the columns, by key.
        inputs: what the model reads and how wide it is; see `ModelFacts`.
        first_row: the number of the first row, for messages.
        faults: the rows that are no graphs.
        later: faults of values, which count where nothing else is wrong.
        nodes: of each row.
        width: features of the nodes of each row, or RAGGED.
        features: those of the nodes.
        sources, targets: of the edges.
        weights: of the edges, None where there is no column.
        featured: of how many edges there are features.
        edge_width: features of the edges of each row, or RAGGED.
        edge_features, edge_types, graph_features: None where the model reads none.
        num_nodes: what the column says, -1 where it says nothing.
        unread_types, unread_graph: rows whose types or features of the graph are noted as wrong, however many they are.
        forms: what the edges say of how they are stored: 'two edges' and 'two lists'.
    """

    by: Mapping[str, Column]
    inputs: Mapping[str, int]
    first_row: int
    rows: int
    faults: Faults
    later: Faults
    nodes: Places = field(default_factory=_none)
    width: Places = field(default_factory=_none)
    features: Values | Bytes = field(default_factory=lambda: Values(_none(), _none()))
    sources: Ends = field(default_factory=lambda: Ends(_none(), _none(), _none()))
    targets: Ends = field(default_factory=lambda: Ends(_none(), _none(), _none()))
    weights: Values | None = None
    featured: Places = field(default_factory=_none)
    edge_width: Places = field(default_factory=_none)
    edge_features: Values | Bytes | None = None
    edge_types: Values | None = None
    graph_features: Values | Bytes | None = None
    num_nodes: Places | None = None
    unread_types: Mask | None = None
    unread_graph: Mask | None = None
    forms: set[str] = field(default_factory=set)

    def complete(self, key: str) -> Column:
        """Return a column, and reject the rows that lack something in it."""
        column = self.by[key]
        self.faults.add(column.incomplete, NULL, column.lacks)
        return column


def bounds_of(sizes: Places) -> Places:
    """Return where runs of these sizes begin, and the end."""
    result = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=result[1:])
    return result


def row_widths(column: Column) -> Places:
    """Return how many values the lists of each row have, RAGGED where they differ. In a flat list each has one."""
    rows = len(column.starts) - 1
    if not column.nested:
        return np.ones(rows, np.int64)
    sizes, counts = np.diff(column.inner), column.sizes
    widths, full = np.zeros(rows, np.int64), counts > 0
    widths[full] = sizes[column.starts[:-1][full]]
    other = sizes != np.repeat(widths, counts)
    if other.any():
        widths[np.searchsorted(column.starts, np.flatnonzero(other), side="right") - 1] = RAGGED
    return widths


def one_each(column: Column) -> tuple[Values, dict[int, int]]:
    """Return the values of a column with one an edge, and by row the first list of another size, counted in the row."""
    other: dict[int, int] = {}
    if column.nested:
        sizes = np.diff(column.inner)
        if (sizes != 1).any():
            other = first_of_each(np.flatnonzero(sizes != 1), column.starts)
    return Values(column.values, column.bounds), other


def said_of_list(column: Column, row: int, edge: int) -> str:
    """Say that a list has not one value for an edge."""
    place = int(column.starts[row]) + edge
    return f"{column.field.name} has {int(column.inner[place + 1] - column.inner[place])} values for edge {edge}, not 1"


def counts_of(column: Column) -> tuple[Places, Mask | None]:
    """Return the values of a column of counts, 0 where one is no whole number within int64, and a mask of those."""
    values = column.values
    if values.dtype == np.float64:
        with np.errstate(invalid="ignore"):
            whole = (values == np.trunc(values)) & (values >= -(2.0**63)) & (values < 2.0**63)
        return np.where(whole, values, 0).astype(np.int64), None if whole.all() else ~whole
    if column.field.leaf == "uint64" and (values < 0).any():
        return np.where(values < 0, 0, values), values < 0
    return values, None


def count_text(column: Column, place: int) -> str:
    """Return a value of a column of counts as text."""
    if column.values.dtype != np.float64:
        return integer(column, place)
    value = float(column.values[place])
    return str(int(value)) if value.is_integer() and -(2.0**63) <= value < 2.0**63 else number(value)


def exact(found: Found, column: Column, of: str, widths: Places | None) -> Values:
    """Return features as float32, and note integers that it may not hold; widths is None for features of a graph."""
    values, beyond = floats(column)
    bounds, name = column.bounds, column.field.name

    def said(row: int) -> str:
        place = beyond[row]
        where = f"feature {place} of {of}"
        if widths is not None:
            width = int(widths[row])
            where = f"feature {place % width} of {of} {place // width}"
        return (
            f"{where} is {integer(column, int(bounds[row]) + place)} in {name}: float32, as which features are scored,"
            f" holds every integer from -{_MOST_EXACT} to {_MOST_EXACT} only"
        )

    chosen = mask(found.rows, beyond)
    if chosen is not None and widths is not None:
        chosen &= widths > 0
    found.later.add(chosen, OUT_OF_RANGE, said)
    return Values(values, bounds)


def bytes_of(found: Found, column: Column) -> Bytes:
    """Return the bytes of a column of float32. Raises TableError where a row that is read has another format."""
    data, bounds = buffer(column.values)
    for row in suspects(data, bounds).tolist():
        what = "" if found.faults.bad[row] else serialized(data[bounds[row] : bounds[row + 1]].tobytes())
        if what:
            raise TableError(
                f"column {column.field.name} has {what} in row {found.first_row + row}, not float32 alone; write the"
                " numbers alone (numpy: a.astype('<f4').tobytes()), or list<list<float>>"
            )
    return Bytes(data, bounds)
