"""Reads the rows of a block: sizes, features, edges, weights and ids; see readers/row.go, whose order this is."""

from __future__ import annotations

import numpy as np

from graphscore._tables.column import Column, Mask, Places
from graphscore._tables.faults import TableError, mask
from graphscore._tables.found import (
    RAGGED,
    Ends,
    Found,
    bytes_of,
    count_text,
    counts_of,
    exact,
    one_each,
    row_widths,
    said_of_list,
)
from graphscore._tables.further import read_further
from graphscore._tables.serialized import suspect

_MALFORMED = "malformed_edges"
_NODE_COUNT = "node_count"
_FEATURE_WIDTH = "feature_width"
_PAIR = 2


def read(found: Found) -> None:
    """Read what the rows hold. Rows of which a part cannot be read are rejected; others are not yet known to be graphs.

    Raises TableError where the table means something else than its types say.
    """
    if "graph_id" in found.by:
        found.complete("graph_id")
    if "num_nodes" in found.by:
        _read_num_nodes(found)
    if found.by["features"].field.texts:
        _read_binary(found)
    else:
        _read_features(found)
    if "edges" in found.by:
        _read_index(found)
    else:
        source, target = found.complete("source"), found.complete("target")
        found.sources = Ends(source.values, source.starts[:-1], source.sizes)
        found.targets = Ends(target.values, target.starts[:-1], target.sizes)
    if "weights" in found.by:
        _read_weights(found)
    read_further(found)
    if "node_ids" in found.by:
        found.complete("node_ids")


def _read_num_nodes(found: Found) -> None:
    column = found.complete("num_nodes")
    numbers, bad = counts_of(column)
    name = column.field.name
    found.faults.add(bad, _NODE_COUNT, lambda row: f"{name} is {count_text(column, row)}, not a number of nodes")
    found.faults.add(numbers < 0, _NODE_COUNT, lambda row: f"{name} is {numbers[row]}")
    found.num_nodes = numbers


def _read_features(found: Found) -> None:
    column = found.complete("features")
    field = column.field
    if field.tensor:
        found.nodes = np.full(found.rows, field.rows, np.int64)
        found.width = np.full(found.rows, field.width, np.int64)
    else:
        found.nodes, found.width = column.sizes, row_widths(column)
    found.features = exact(found, column, "node", found.width)


def _read_binary(found: Found) -> None:
    column = found.complete("features")
    name, want, faults = column.field.name, found.inputs["x"], found.faults
    nodes = found.num_nodes if found.num_nodes is not None else found.complete("node_ids").sizes
    stored = bytes_of(found, column)
    size = stored.sizes
    faults.add((nodes == 0) & (size > 0), _NODE_COUNT, lambda row: f"{name} has {size[row]} bytes for no node")
    whole = 4 * np.clip(nodes, 1, 1 << 60)
    faults.add(
        size % whole != 0,
        _FEATURE_WIDTH,
        lambda row: (
            f"{name} has {size[row]} bytes, which are no float32 of {nodes[row]} nodes"
            f"{suspect(int(size[row]), int(nodes[row]) * want)}"
        ),
    )
    values = np.clip(nodes, 0, 1 << 40) * want
    other = (values > 0) & ((size == 8 * values) | (size == 2 * values) | (size == values))
    faults.add(
        other,
        _FEATURE_WIDTH,
        lambda row: (
            f"{name} has {size[row] // whole[row]} float32 a node, the model wants {want}"
            f"{suspect(int(size[row]), int(values[row]))}"
        ),
    )
    found.nodes, found.width, found.features = nodes, size // whole, stored


def _read_index(found: Found) -> None:
    column = found.complete("edges")
    field, starts, counts = column.field, column.starts, column.sizes
    if field.tensor:
        edges = np.where(counts > 0, field.width if field.rows == _PAIR else field.rows, 0)
        if field.rows == _PAIR:
            _set_ends(found, column, (starts[:-1], starts[:-1] + field.width), edges)
        else:
            _set_ends(found, column, (starts[:-1], starts[:-1] + 1), edges, step=_PAIR)
    elif field.pairs:
        first = column.inner[starts[:-1]]
        _set_ends(found, column, (first, first + 1), counts, step=_PAIR)
    else:
        _read_lists(found, column, counts)


def _read_lists(found: Found, column: Column, counts: Places) -> None:
    name, widths = column.field.name, row_widths(column)
    other = (counts != 0) & (counts != _PAIR)
    pairs = np.flatnonzero(other & (widths == _PAIR) & ~found.faults.bad)
    if len(pairs):
        raise TableError(
            f"column {name} has edges as pairs (row {found.first_row + pairs[0]} has {counts[pairs[0]]} lists of 2"
            " values), where a graph of two edges cannot be told from two lists of sources and targets; write one list"
            " of sources and one of targets, or the type fixed_size_list<integer>[2] for pairs"
        )
    found.faults.add(other, _MALFORMED, lambda row: f"{name} has {counts[row]} lists, not 2 (sources and targets)")
    first = np.where(counts == _PAIR, column.starts[:-1], 0)
    last = len(column.inner) - 1
    begin, middle, end = (column.inner[np.minimum(first + i, last)] for i in range(3))
    two = counts == _PAIR
    found.sources = Ends(column.values, begin, np.where(two, middle - begin, 0))
    found.targets = Ends(column.values, middle, np.where(two, end - middle, 0))
    _note_forms(found, column, two & ~found.faults.bad & (widths != RAGGED), widths)


def _note_forms(found: Found, column: Column, even: Mask, widths: Places) -> None:
    """Note whether edges could be pairs as well: nothing says so where every graph has two lists of two values."""
    if column.field.two_lists:
        return
    if (even & (widths == _PAIR)).any():
        found.forms.add("two edges")
    if (even & (widths != _PAIR)).any():
        found.forms.add("two lists")


def _set_ends(found: Found, column: Column, starts: tuple[Places, Places], edges: Places, step: int = 1) -> None:
    found.sources, found.targets = (Ends(column.values, start, edges, step) for start in starts)


def _read_weights(found: Found) -> None:
    column = found.complete("weights")
    found.weights, other = one_each(column)
    found.faults.add(mask(found.rows, other), _MALFORMED, lambda row: said_of_list(column, row, other[row]))
