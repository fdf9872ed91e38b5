"""Scores -> the columns that the pipeline writes, as Arrow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphscore._arrays import Floats
from graphscore._batch import Level, Scores
from graphscore._tables.checking import Graphs
from graphscore._tables.faults import first_of_each, number
from graphscore._tables.found import bounds_of
from graphscore._tables.ids import taken

EMBEDDING = "embedding"
"""The column of a step's values."""

REJECTED = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
    ]
)

_ID_COLUMNS: dict[Level, tuple[str, ...]] = {
    "node": ("graph_id", "node_id"),
    "edge": ("graph_id", "source", "target"),
    "graph": ("graph_id",),
}


def schema_of(
    level: Level, graph_id: pa.DataType, node_id: pa.DataType, outputs: Sequence[str], width: int
) -> pa.Schema:
    """Return the columns of scores. Where width is not 0, they are one column `embedding` of so many values."""
    kinds = (graph_id, node_id, node_id)
    ids = [pa.field(name, kind, nullable=False) for name, kind in zip(_ID_COLUMNS[level], kinds, strict=False)]
    if width:
        return pa.schema([*ids, pa.field(EMBEDDING, pa.list_(pa.float32(), width), nullable=False)])
    return pa.schema([*ids, *(pa.field(name, pa.float32(), nullable=False) for name in outputs)])


class Rows:
    """The rows of scores of a block in the order of the input.

    Args:
        graphs: what was scored.
        scores: what the engine returned.
        width: values of a row where they are an embedding, 0 where they are outputs.
    """

    def __init__(self, graphs: Graphs, scores: Scores, width: int) -> None:
        self._graphs = graphs
        self._level: Level = scores.level
        count, nodes = graphs.batch.graphs, np.asarray(graphs.batch.node_counts)
        self._counts = {"node": nodes, "edge": graphs.edge_counts, "graph": np.ones(count, np.int64)}[scores.level]
        self._values = scores.values
        self._width = width
        if scores.level == "edge":
            self._values = np.empty_like(scores.values)
            self._values[graphs.order] = scores.values
        self.failed = {failure.graph: (failure.code, failure.message) for failure in scores.failed}
        """The graphs that have no scores, with code and message."""
        self._fail_not_finite(nodes)
        self._kept = np.ones(count, np.bool_)
        self._kept[list(self.failed)] = False
        if scores.level == "graph":
            self._kept &= nodes > 0

    def _fail_not_finite(self, nodes: npt.NDArray[np.integer]) -> None:
        finite = np.isfinite(self._values).all(axis=1)
        if finite.all():
            return
        bounds = bounds_of(self._counts)
        for graph, place in first_of_each(np.flatnonzero(~finite), bounds).items():
            if graph in self.failed or not nodes[graph]:
                continue
            values = self._values[bounds[graph] + place]
            output = int(np.flatnonzero(~np.isfinite(values))[0])
            where = "" if self._level == "graph" else f" of {self._level} {place}"
            what = f"{EMBEDDING}[{output}]" if self._width else f"output {output}"
            self.failed[graph] = ("non_finite_score", f"{what}{where} is {number(float(values[output]))}")

    def table(self, schema: pa.Schema, graph_ids: pa.Array) -> pa.Table:
        """Return the rows of the graphs that have scores. `graph_ids` are those of all rows of the block."""
        counts = np.where(self._kept, self._counts, 0)
        columns = [taken(graph_ids, np.repeat(self._graphs.rows, counts), schema.field(0).type)]
        rows: npt.NDArray[np.bool_] | slice = slice(None)
        if not self._kept.all():
            rows = np.repeat(self._kept, self._counts)
        if self._level != "graph":
            columns += [self._node_ids(places[rows], counts, schema.field(1).type) for places in self._places()]
        values = self._values[rows]
        columns += (
            [_embeddings(values, self._width)] if self._width else [pa.array(column) for column in _columns(values)]
        )
        return pa.table(columns, schema)

    def _places(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the nodes that the rows name, counted within their graph."""
        if self._level == "edge":
            return self._graphs.ends
        nodes = np.asarray(self._graphs.batch.node_counts)
        return (np.arange(int(nodes.sum())) - np.repeat(bounds_of(nodes)[:-1], nodes),)

    def _node_ids(
        self, places: npt.NDArray[np.int64], counts: npt.NDArray[np.integer], kind: pa.DataType
    ) -> pa.ChunkedArray:
        if self._graphs.node_ids is None:
            return pa.chunked_array([pa.array(places)], kind)
        return taken(self._graphs.node_ids, places + np.repeat(self._graphs.node_starts, counts), kind)


def _columns(values: Floats) -> list[Floats]:
    return [np.ascontiguousarray(values[:, column]) for column in range(values.shape[1])]


def _embeddings(values: Floats, width: int) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(pa.float32(), width))


def rejected(found: dict[int, tuple[str, str]], first_row: int) -> pa.Table:
    """Return the rows that have no scores, ascending."""
    rows = sorted(found)
    columns = ([first_row + row for row in rows], [found[row][0] for row in rows], [found[row][1] for row in rows])
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, REJECTED.types, strict=True)], REJECTED)
