"""Checks the rows of a block as graphs, and puts those that are some side by side; see pipeline/graph/builder.go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphscore._arrays import Floats, Indices
from graphscore._batch import GraphBatch
from graphscore._sparse import coo_tocsr
from graphscore._tables.column import Mask, Places
from graphscore._tables.faults import mask, quoted
from graphscore._tables.found import RAGGED, Bytes, Found, Values, bounds_of
from graphscore._tables.ids import first_repeated, ids_of, repeated

_FEATURE_WIDTH = "feature_width"
_EDGE_WIDTH = "edge_feature_width"
_GRAPH_WIDTH = "graph_feature_width"
_NOT_FINITE = "non_finite_feature"
_MALFORMED = "malformed_edges"
_NODE_COUNT = "node_count"


@dataclass(frozen=True, eq=False)
class Graphs:
    """The graphs of a block.

    Attributes:
        rows: the row of each in the block, [G].
        batch: what is scored.
        edge_counts: edges of each graph, [G].
        order: the place in the input, through the batch, of each edge of the batch, [E].
        ends: sources and targets in the order of the input, counted within their graph, [E] each.
        node_ids: of every row of the block, None where nodes have no ids.
        node_starts: the place of the first node of each graph in node_ids.
    """

    rows: Places
    batch: GraphBatch
    edge_counts: Places
    order: Indices
    ends: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    node_ids: pa.Array | None
    node_starts: Places


@dataclass(frozen=True, eq=False)
class _Edges:
    sources: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    sizes: Places


def graphs_of(found: Found) -> Graphs:
    """Reject the rows that are no graphs, with the first reason in the order of Builder.Add, and return the others."""
    bad = found.faults.bad
    found.nodes = np.where(bad, 0, found.nodes)
    node_ids = (
        ids_of(found.by["node_ids"], np.repeat(~bad, found.by["node_ids"].sizes)) if "node_ids" in found.by else None
    )
    features = _check_nodes(found)
    edges = _check_edges(found)
    if node_ids is not None:
        _check_node_ids(found, node_ids)
    edge_features, graph_features = _check_further(found)
    found.faults.merge(found.later)
    return _Assembly(found, edges).graphs(features, edge_features, graph_features, node_ids)


def _check_nodes(found: Found) -> Values:
    faults, nodes, width, want = found.faults, found.nodes, found.width, found.inputs["x"]
    if found.num_nodes is not None:
        numbers = found.num_nodes
        faults.add(
            numbers != nodes,
            _NODE_COUNT,
            lambda row: f"num_nodes is {numbers[row]}, but there are features of {nodes[row]} nodes",
        )
    if "node_ids" in found.by:
        ids = found.by["node_ids"].sizes
        faults.add(
            ids != nodes,
            _NODE_COUNT,
            lambda row: f"there are {ids[row]} node ids, but features of {nodes[row]} nodes",
        )
    some = nodes > 0
    faults.add(some & (width == RAGGED), _FEATURE_WIDTH, lambda _: "its nodes have different numbers of features")
    faults.add(
        some & (width != want),
        _FEATURE_WIDTH,
        lambda row: f"its nodes have {width[row]} features, the model wants {want}",
    )
    features = _decoded(found.features, faults.bad)
    _check_finite(
        found,
        features,
        lambda row, place: f"feature {place % want} of node {place // want} is {features.at(row, place)}",
    )
    return features


def _decoded(values: Values | Bytes, dropped: Mask) -> Values:
    return values.decoded(dropped) if isinstance(values, Bytes) else values


def _check_finite(found: Found, values: Values, said: Callable[[int, int], str], code: str = _NOT_FINITE) -> None:
    first = values.not_finite()
    found.faults.add(mask(found.rows, first), code, lambda row: said(row, first[row]))


def _check_edges(found: Found) -> _Edges:
    faults, nodes = found.faults, found.nodes
    sources, targets, weights = found.sources, found.targets, found.weights
    faults.add(
        sources.sizes != targets.sizes,
        _MALFORMED,
        lambda row: f"it has {sources.sizes[row]} sources and {targets.sizes[row]} targets",
    )
    if weights is not None:
        faults.add(
            weights.sizes != sources.sizes,
            _MALFORMED,
            lambda row: f"it has {sources.sizes[row]} edges and {weights.sizes[row]} weights",
        )
    sizes = np.where(faults.bad, 0, sources.sizes)
    edges = _Edges(sources.taken(faults.bad), targets.taken(faults.bad), sizes)
    bounds, limit = bounds_of(sizes), np.repeat(nodes, sizes)
    outside = (edges.sources < 0) | (edges.sources >= limit) | (edges.targets < 0) | (edges.targets >= limit)
    if outside.any():
        _reject_outside(found, edges, Values(outside, bounds))
    if weights is not None:
        _check_finite(
            found,
            weights,
            lambda row, place: f"the weight of edge {place} is {weights.at(row, place)}",
            "non_finite_weight",
        )
    return edges


def _reject_outside(found: Found, edges: _Edges, outside: Values) -> None:
    first = outside.first()

    def said(row: int) -> str:
        place = int(outside.bounds[row]) + first[row]
        return (
            f"edge {first[row]} goes from node {edges.sources[place]} to node {edges.targets[place]}"
            f" of {found.nodes[row]} nodes"
        )

    found.faults.add(mask(found.rows, first), "edge_out_of_range", said)


def _check_node_ids(found: Found, node_ids: pa.Array) -> None:
    bounds = found.by["node_ids"].starts

    def said(row: int) -> str:
        value = first_repeated(node_ids.slice(bounds[row], bounds[row + 1] - bounds[row]))
        return f"node id {quoted(value) if isinstance(value, str) else value} occurs more than once"

    found.faults.add(repeated(node_ids, bounds), "duplicate_node_id", said)


def _check_further(found: Found) -> tuple[Values | None, Values | None]:
    edge_features = _check_edge_columns(found)
    graph_features, faults = None, found.faults
    if found.graph_features is not None:
        name, want = found.by["graph_attr"].field.name, found.inputs["graph_attr"]
        dropped = faults.bad if found.unread_graph is None else faults.bad | found.unread_graph
        graph_features = _decoded(found.graph_features, dropped)
        size = graph_features.sizes
        faults.add(
            (size != want) & ~dropped,
            _GRAPH_WIDTH,
            lambda row: f"it has {size[row]} features in {name}, the model wants {want}",
        )
    if edge_features is not None:
        name, wide = found.by["edge_attr"].field.name, found.inputs["edge_attr"]
        _check_finite(
            found,
            edge_features,
            lambda row, place: (
                f"feature {place % wide} of edge {place // wide} is {edge_features.at(row, place)} in {name}"
            ),
        )
    if graph_features is not None:
        own, values = found.by["graph_attr"].field.name, graph_features
        first = {
            row: place
            for row, place in values.not_finite().items()
            if found.unread_graph is None or not found.unread_graph[row]
        }
        faults.add(
            mask(found.rows, first),
            _NOT_FINITE,
            lambda row: f"feature {first[row]} of the graph is {values.at(row, first[row])} in {own}",
        )
    return edge_features, graph_features


def _check_edge_columns(found: Found) -> Values | None:
    """Check features and types of edges but for their values, and return the features."""
    faults, edges, result = found.faults, found.sources.sizes, None
    if found.edge_features is not None:
        name, want = found.by["edge_attr"].field.name, found.inputs["edge_attr"]
        featured, width = found.featured, found.edge_width
        faults.add(
            featured != edges,
            _MALFORMED,
            lambda row: f"it has {edges[row]} edges, but {name} has features of {featured[row]}",
        )
        some = edges > 0
        faults.add(
            some & (width == RAGGED), _EDGE_WIDTH, lambda _: f"its edges have different numbers of features in {name}"
        )
        faults.add(
            some & (width != want),
            _EDGE_WIDTH,
            lambda row: f"its edges have {width[row]} features in {name}, the model wants {want}",
        )
        noted = isinstance(found.edge_features, Bytes)
        result = _decoded(found.edge_features, faults.bad | found.later.bad if noted else faults.bad)
    if found.edge_types is not None:
        name, types = found.by["edge_type"].field.name, found.edge_types.sizes
        unequal = types != edges
        faults.add(
            unequal if found.unread_types is None else unequal & ~found.unread_types,
            _MALFORMED,
            lambda row: f"it has {edges[row]} edges, but {name} has types of {types[row]}",
        )
    return result


class _Assembly:
    """Puts the graphs of a block side by side."""

    def __init__(self, found: Found, edges: _Edges) -> None:
        self._found = found
        self._bad = found.faults.bad
        self._edges = edges

    def graphs(
        self, features: Values, edge_features: Values | None, graph_features: Values | None, node_ids: pa.Array | None
    ) -> Graphs:
        found, bad, edges = self._found, self._bad, self._edges
        rows = np.flatnonzero(~bad)
        nodes, counts = found.nodes[rows], edges.sizes[rows]
        sources, targets = edges.sources, edges.targets
        if (edges.sizes[bad] > 0).any():
            keep = np.repeat(~bad, edges.sizes)
            sources, targets = sources[keep], targets[keep]
        base = np.repeat(bounds_of(nodes)[:-1], counts)
        total = int(nodes.sum())
        in_degrees, ordered, order = _grouped(
            (sources + base).astype(np.int32), (targets + base).astype(np.int32), total
        )
        types = None
        if found.edge_types is not None:
            types = found.edge_types.kept(bad)[order].astype(np.uint32)
        batch = GraphBatch(
            node_counts=nodes,
            features=self._table(features, "x", None),
            in_degrees=in_degrees,
            sources=ordered,
            edge_weights=None if found.weights is None else found.weights.kept(bad)[order],
            edge_features=None if edge_features is None else self._table(edge_features, "edge_attr", order),
            edge_types=types,
            graph_features=None if graph_features is None else self._table(graph_features, "graph_attr", None),
        )
        starts = found.by["node_ids"].starts[rows] if node_ids is not None else rows
        return Graphs(rows, batch, counts, order, (sources, targets), node_ids, starts)

    def _table(self, values: Values, column: str, order: Indices | None) -> Floats:
        table = values.kept(self._bad).reshape(-1, self._found.inputs[column])
        return table if order is None else table[order]


def _grouped(sources: Indices, targets: Indices, nodes: int) -> tuple[Indices, Indices, Indices]:
    """Group edges by target, in their order: in-degrees, sources, and the place that each edge had."""
    edges = len(sources)
    indptr, grouped, order = np.zeros(nodes + 1, np.int32), np.empty(edges, np.int32), np.empty(edges, np.int32)
    if edges:
        coo_tocsr(nodes, nodes, edges, targets, sources, np.arange(edges, dtype=np.int32), indptr, grouped, order)
    return np.diff(indptr), grouped, order
