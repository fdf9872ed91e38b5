"""Graphs with a category that the model has no row of a table, or no type, for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Indices
from graphscore._batch import Failure
from graphscore._network import COLUMNS, Category

_CODE: Final = "category_out_of_range"


@dataclass(frozen=True, eq=False)
class Places:
    """Where graphs, nodes and edges of a batch lie: see `GraphBatch` and `offsets`."""

    node_offsets: Indices
    graph_edges: Indices
    indptr: Indices
    sources: Indices


def out_of_categories(
    columns: Mapping[str, npt.NDArray[Any]], categories: Iterable[Category], places: Places
) -> tuple[Failure, ...]:
    """Find the graphs with a value that is no whole number from 0 to below the category's size, ascending.

    Each has its first such value, in the order of columns, their numbers and rows.
    """
    found: dict[int, Failure] = {}
    order = tuple(COLUMNS)
    for category in sorted(categories, key=lambda c: (order.index(c.column), c.number, c.size)):
        rows = np.flatnonzero(_outside(columns[category.column][:, category.number], category.size))
        if not len(rows):
            continue
        for graph, row in zip(*_first_of_each(rows, category.column, places), strict=True):
            value = columns[category.column][row, category.number]
            found.setdefault(graph, Failure(graph, _CODE, _said(category, value, graph, row, places)))
    return tuple(found[graph] for graph in sorted(found))


def merge(first: Sequence[Failure], second: Sequence[Failure]) -> tuple[Failure, ...]:
    """Return the failures of both, ascending by graph; of two of one graph, the one in `first`."""
    by_graph = {failure.graph: failure for failure in (*second, *first)}
    return tuple(by_graph[graph] for graph in sorted(by_graph))


def _outside(values: npt.NDArray[Any], size: int) -> npt.NDArray[np.bool_]:
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            return np.asarray(~((values >= 0) & (values < size) & (values == np.floor(values))))
    return np.asarray((values < 0) | (values >= size))


def _first_of_each(rows: npt.NDArray[np.intp], column: str, places: Places) -> tuple[list[int], list[int]]:
    """Return the graphs of rows, each once, and the first of its rows."""
    kind = COLUMNS[column]
    if kind == "graph":
        graphs = rows
    else:
        starts = places.node_offsets if kind == "node" else places.graph_edges
        graphs = np.searchsorted(starts, rows, side="right") - 1
    unique, first = np.unique(graphs, return_index=True)
    return unique.tolist(), rows[first].tolist()


def _said(category: Category, value: Any, graph: int, row: int, places: Places) -> str:
    where = category.column if category.column == "edge_type" else f"{category.column}[{category.number}]"
    kind, base = COLUMNS[category.column], int(places.node_offsets[graph])
    if kind == "node":
        where += f" of node {row - base}"
    elif kind == "edge":
        target = int(np.searchsorted(places.indptr, row, side="right")) - 1
        where += f" of the edge from node {int(places.sources[row]) - base} to node {target - base}"
    number = float(value)
    text = str(int(number)) if number.is_integer() else str(value)
    return f"{where} is {text}, but the model knows the categories 0 to {category.size - 1} there"
