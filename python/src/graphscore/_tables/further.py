"""Reads the columns that only some models read: features and types of edges, features of graphs."""

from __future__ import annotations

import numpy as np

from graphscore._tables.column import Column
from graphscore._tables.faults import mask
from graphscore._tables.found import (
    OUT_OF_RANGE,
    Found,
    Values,
    bytes_of,
    count_text,
    counts_of,
    exact,
    one_each,
    row_widths,
    said_of_list,
)
from graphscore._tables.serialized import suspect

_MALFORMED = "malformed_edges"
_EDGE_WIDTH = "edge_feature_width"
_GRAPH_WIDTH = "graph_feature_width"
_MOST_TYPE = 2**32 - 1


def read_further(found: Found) -> None:
    """Read what the model wants of these columns. What is wrong with their values is noted for later."""
    if "edge_attr" in found.by:
        _read_edge_features(found)
    if "edge_type" in found.by:
        _read_edge_types(found)
    if "graph_attr" in found.by:
        _read_graph_features(found)


def _read_edge_features(found: Found) -> None:
    column = found.complete("edge_attr")
    want = found.inputs["edge_attr"]
    if column.field.texts:
        _read_edge_bytes(found, column)
        return
    field = column.field
    if field.tensor:
        found.featured = np.full(found.rows, field.rows, np.int64)
        found.edge_width = np.full(found.rows, field.width, np.int64)
    else:
        found.featured = column.sizes
        found.edge_width = np.where(found.featured > 0, row_widths(column), want)
    found.edge_features = exact(found, column, "edge", found.edge_width)


def _read_edge_bytes(found: Found, column: Column) -> None:
    name, want, edges = column.field.name, found.inputs["edge_attr"], found.sources.sizes
    stored = bytes_of(found, column)
    size = stored.sizes
    other = size != 4 * want * edges
    found.later.add(other & (edges == 0), _MALFORMED, lambda row: f"{name} has {size[row]} bytes for no edge")
    found.later.add(
        other,
        _EDGE_WIDTH,
        lambda row: (
            f"{name} has {size[row]} bytes, which are not {want} float32 for each of {edges[row]} edges"
            f"{suspect(int(size[row]), want * int(edges[row]))}"
        ),
    )
    found.featured, found.edge_width, found.edge_features = edges, np.full(found.rows, want, np.int64), stored


def _read_edge_types(found: Found) -> None:
    column = found.complete("edge_type")
    name = column.field.name
    types, other = one_each(column)
    bounds = types.bounds
    unread = mask(found.rows, other)
    found.later.add(unread, _MALFORMED, lambda row: said_of_list(column, row, other[row]))
    numbers, unfit = counts_of(column)
    none = (numbers < 0) | (numbers > _MOST_TYPE)
    if unfit is not None:
        none |= unfit
    first = Values(none, bounds).first() if none.any() else {}
    if column.values.dtype == np.float64:
        endless = {row: place for row, place in first.items() if not np.isfinite(column.values[bounds[row] + place])}
    else:
        endless = {}

    def said(row: int) -> str:
        place = first[row]
        value = count_text(column, int(bounds[row]) + place)
        return f"{name} of edge {place} is {value}, not a whole number from 0 to {_MOST_TYPE}"

    found.later.add(mask(found.rows, endless), "non_finite_feature", said)
    found.later.add(mask(found.rows, first), OUT_OF_RANGE, said)
    found.unread_types = unread
    found.edge_types = Values(numbers, bounds)


def _read_graph_features(found: Found) -> None:
    column = found.complete("graph_attr")
    name, want = column.field.name, found.inputs["graph_attr"]
    if column.field.texts:
        stored = bytes_of(found, column)
        size = stored.sizes
        found.unread_graph = size != 4 * want
        found.later.add(
            found.unread_graph,
            _GRAPH_WIDTH,
            lambda row: f"{name} has {size[row]} bytes, which are not {want} float32{suspect(int(size[row]), want)}",
        )
        found.graph_features = stored
        return
    if column.nested:
        lists = column.sizes
        found.unread_graph = lists != 1
        found.later.add(found.unread_graph, _GRAPH_WIDTH, lambda row: f"{name} has {lists[row]} lists, not 1")
    found.graph_features = exact(found, column, "the graph", None)
