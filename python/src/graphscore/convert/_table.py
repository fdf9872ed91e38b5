"""Graphs as columns of the layout `rows`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from graphscore.convert._features import Block, Floats, Integers


def schema(edge_attr: bool, carried: pa.Schema | None) -> pa.Schema:
    """Return the columns of a part."""
    fields = [
        pa.field("graph_id", pa.string(), nullable=False),
        pa.field("node_feat", _nested(pa.float32()), nullable=False),
        pa.field("edge_index", _nested(pa.int64()), nullable=False),
    ]
    if edge_attr:
        fields.append(pa.field("edge_attr", _nested(pa.float32()), nullable=False))
    fields.append(pa.field("num_nodes", pa.int64(), nullable=False))
    return pa.schema([*fields, *(carried or ())])


def table(block: Block, ids: list[str], pairs: bool, carried: pa.RecordBatch | None) -> pa.Table:
    """Return a block of graphs as a table; `pairs` is the order of its edges."""
    columns = [
        pa.array(ids, pa.string()),
        _rows(block.node_feat, block.atoms),
        _edge_index(block, pairs),
        *([] if block.edge_attr is None else [_rows(block.edge_attr, 2 * block.bonds)]),
        pa.array(block.atoms, pa.int64()),
        *([] if carried is None else carried.columns),
    ]
    names = schema(block.edge_attr is not None, None if carried is None else carried.schema)
    return pa.Table.from_arrays(columns, schema=names)


def _nested(values: pa.DataType) -> pa.DataType:
    inner = pa.list_(pa.field("element", values, nullable=False))
    return pa.list_(pa.field("element", inner, nullable=False))


def _offsets(counts: Integers) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))


def _rows(values: Floats, counts: Integers) -> pa.ListArray:
    """Return a matrix as lists of rows, `counts` of them in each."""
    kind = _nested(pa.float32())
    width = np.full(len(values), values.shape[1], np.int64)
    inner = pa.ListArray.from_arrays(_offsets(width), pa.array(values.ravel()), type=kind.value_type)
    return pa.ListArray.from_arrays(_offsets(counts), inner, type=kind)


def _edge_index(block: Block, pairs: bool) -> pa.ListArray:
    """Return a graph's edges as two lists, sources and targets, each of two edges a bond."""
    bonds = block.bonds
    first = np.cumsum(bonds) - bonds  # of the bonds of each graph
    at = np.arange(len(block.begins), dtype=np.int64)
    within = at - np.repeat(first, bonds)
    base = np.repeat(4 * first, bonds)  # where the graph's sources begin
    count = np.repeat(bonds, bonds)
    step, back = (2, np.int64(1)) if pairs else (1, count)
    forth = base + step * within
    values = np.empty(4 * len(at), np.int64)
    values[forth] = block.begins
    values[forth + back] = block.ends
    values[forth + 2 * count] = block.ends
    values[forth + 2 * count + back] = block.begins
    kind = _nested(pa.int64())
    inner = pa.ListArray.from_arrays(_offsets(np.repeat(2 * bonds, 2)), pa.array(values), type=kind.value_type)
    return pa.ListArray.from_arrays(_offsets(np.full(len(bonds), 2, np.int64)), inner, type=kind)
