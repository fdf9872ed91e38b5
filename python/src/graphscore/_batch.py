"""Batches of graphs and their scores, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from graphscore._arrays import Floats, Indices

Level: TypeAlias = Literal["node", "edge", "graph"]
"""What a row of scores belongs to."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)

_EDGE_OUT_OF_RANGE: Final = "edge_out_of_range"
_MAX_COUNT: Final = 2**31 - 1


class BatchError(ValueError):
    """The counts and columns of a batch do not match; the message names the field and both numbers."""


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Many graphs side by side: G graphs, N nodes and E edges in all, W features a node.

    Nodes are numbered through the batch. Edges are grouped by target, targets in node order, the edges of one
    target in the order of the input (so in-degrees and sources are a CSR matrix). The constructor checks that
    the columns fit each other and raises BatchError. The arrays are not copied and must not change.

    Attributes:
        node_counts: nodes of each graph, [G].
        features: [N, W], float32.
        in_degrees: edges that point to each node, [N].
        sources: the batch-wide number of each edge's source, [E], any integers below N.
        edge_weights: [E], float32, or None: every edge weighs 1.
        edge_features: [E, D], float32, in the order of sources, or None.
        edge_types: [E], integers from 0, in the order of sources, or None.
        graph_features: [G, F], float32, or None.
    """

    node_counts: npt.NDArray[np.integer]
    features: Floats
    in_degrees: npt.NDArray[np.integer]
    sources: npt.NDArray[np.integer]
    edge_weights: Floats | None = None
    edge_features: Floats | None = None
    edge_types: npt.NDArray[np.integer] | None = None
    graph_features: Floats | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2:  # noqa: PLR2004
            raise BatchError(f"features: {self.features.ndim} dimensions instead of [nodes, width]")
        nodes, edges = len(self.features), len(self.sources)
        if nodes > _MAX_COUNT or edges > _MAX_COUNT:
            raise BatchError(f"features and sources: {nodes} nodes and {edges} edges, at most {_MAX_COUNT}")
        _equal("node_counts", "sum", _total(self.node_counts), "nodes", nodes)
        _equal("in_degrees", "length", len(self.in_degrees), "nodes", nodes)
        _equal("in_degrees", "sum", _total(self.in_degrees), "edges", edges)
        if self.edge_weights is not None:
            _equal("edge_weights", "length", len(self.edge_weights), "edges", edges)
        if self.edge_features is not None:
            _table("edge_features", self.edge_features, "edges", edges)
        if self.edge_types is not None:
            _equal("edge_types", "length", len(self.edge_types), "edges", edges)
        if self.graph_features is not None:
            _table("graph_features", self.graph_features, "graphs", self.graphs)
        if edges and (int(self.sources.max()) >= nodes or int(self.sources.min()) < 0):
            worst = int(self.sources.max()) if int(self.sources.max()) >= nodes else int(self.sources.min())
            raise BatchError(f"sources: node {worst} does not exist in a batch of {nodes} nodes")

    @property
    def graphs(self) -> int:
        """G, the number of graphs."""
        return len(self.node_counts)

    @property
    def nodes(self) -> int:
        """N, the number of nodes of all graphs."""
        return len(self.features)

    @property
    def edges(self) -> int:
        """E, the number of edges of all graphs."""
        return len(self.sources)

    @property
    def width(self) -> int:
        """W, the number of features of a node."""
        return int(self.features.shape[1])

    def rows(self, level: Level) -> int:
        """Return how many rows of scores the batch has at a level: N, E or G."""
        return {"node": self.nodes, "edge": self.edges, "graph": self.graphs}[level]


@dataclass(frozen=True)
class Failure:
    """Why one graph of a batch was not scored. It depends on that graph alone."""

    graph: int
    """Its position in the batch, from 0."""
    code: str
    """A stable lower-case code."""
    message: str
    """One sentence for people."""


@dataclass(frozen=True)
class StepFacts:
    """A step of a model whose values can be had beside the scores."""

    name: str
    """Its name in config.json."""
    level: Level
    """What a row of its values belongs to."""
    width: int
    """Values of a row."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a batch, in its order."""

    values: Floats
    """[rows, K], float32: a row a node, an edge (in the order of sources) or a graph.

    The rows of a failed graph, and that of a graph without nodes, are zero."""
    failed: tuple[Failure, ...] = ()
    """Ascending by graph."""
    level: Level = "node"
    """What a row belongs to."""
    embedding: Floats | None = None
    """[rows, V], float32: the values of the step that was asked for, in the order of `values`; None where none was.

    The same rows are zero as in `values`."""


def indices(numbers: npt.NDArray[np.integer]) -> Indices:
    """Return numbers from 0 to 2^31 - 1, which nothing checks, as int32; without a copy where they have 32 bits."""
    return numbers.view(np.int32) if numbers.dtype == np.uint32 else numbers.astype(np.int32, copy=False)


def offsets(counts: npt.NDArray[np.integer]) -> Indices:
    """Where each run of a batch begins, and the end: [len(counts) + 1], from 0."""
    result = np.zeros(len(counts) + 1, np.int32)
    indices(counts).cumsum(out=result[1:])
    return result


def out_of_range(sources: Indices, node_offsets: Indices, graph_edges: Indices) -> tuple[Failure, ...]:
    """Find the graphs with an edge that leaves them, ascending; each with the first such edge.

    Args:
        sources: the batch-wide number of each edge's source, [E].
        node_offsets: the first node of each graph, and the end, [G + 1].
        graph_edges: the first edge of each graph, and the end, [G + 1].
    """
    edges, nodes = graph_edges[1:] - graph_edges[:-1], node_offsets[1:] - node_offsets[:-1]
    # Unsigned, so that a source before its graph is far beyond the graph's end.
    inner = (sources - node_offsets[:-1].repeat(edges)).view(np.uint32)
    leaves = inner >= nodes.view(np.uint32).repeat(edges)
    if not leaves.any():
        return ()
    edge = np.flatnonzero(leaves)
    graph = np.searchsorted(graph_edges, edge, side="right") - 1
    graphs, first = np.unique(graph, return_index=True)
    return tuple(
        Failure(
            int(g),
            _EDGE_OUT_OF_RANGE,
            f"edge {int(edge[i] - graph_edges[g])} comes from node {int(sources[edge[i]]) - int(node_offsets[g])},"
            f" which is not in the graph of {int(nodes[g])} nodes",
        )
        for g, i in zip(graphs, first, strict=True)
    )


def _total(counts: npt.NDArray[np.integer]) -> int:
    if len(counts) and int(counts.min()) < 0:
        return -1
    return int(counts.sum(dtype=np.int64))


def _table(field: str, table: Floats, other: str, wanted: int) -> None:
    if table.ndim != 2:  # noqa: PLR2004
        raise BatchError(f"{field}: {table.ndim} dimensions instead of [{other}, width]")
    _equal(field, "length", len(table), other, wanted)


def _equal(field: str, what: str, value: int, other: str, wanted: int) -> None:
    if value != wanted:
        raise BatchError(f"{field}: the {what} is {value}, but {other} is {wanted}")
