"""Graphs with an edge that has no reverse with the same features, which models of directed messages do not score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Indices
from graphscore._batch import Failure
from graphscore._categories import Places
from graphscore._graphs import by_ends
from graphscore._network import COLUMNS
from graphscore._sparse import expandptr

_CODE: Final = "edge_without_reverse"
_ROWS: Final = 1 << 14
"""Edges whose features are compared at once."""


def without_reverse(
    columns: Mapping[str, npt.NDArray[Any]], places: Places, left: frozenset[int]
) -> tuple[Failure, ...]:
    """Find the graphs with an edge that has no reverse with the same features, ascending by graph.

    Takes at most 40 bytes for each edge of the request and 8 for each node, which --max-message-bytes bounds: a message
    has 4 bytes and the features for an edge.

    Args:
        columns: the columns of the request that the model reads, by name.
        places: where graphs, nodes and edges lie.
        left: graphs with edges that leave them; they are not looked at.
    """
    ends = np.empty(len(places.sources), np.int32)
    expandptr(len(places.indptr) - 1, places.indptr, ends)
    sources = _inside(places, ends, left)
    # Both orders go through the nodes, and so through the graphs, one after the other.
    by_source, by_target = by_ends(places.indptr, sources)
    alone = (sources[by_target] != ends[by_source]) | (ends[by_target] != sources[by_source])
    alone |= sources[by_source] == ends[by_source]
    found = {
        graph: _alone(places, sources, ends, graph)
        for graph in _graphs_of(np.flatnonzero(alone), places)
        if graph not in left
    }
    reverse = np.empty_like(by_target)
    reverse[by_source] = by_target
    for name, column in columns.items():
        if COLUMNS[name] != "edge":
            continue
        for edge in _different(column, reverse):
            graph = int(np.searchsorted(places.graph_edges, edge, side="right")) - 1
            if graph not in left:
                where = _edge(places, sources, ends, graph, edge)
                found.setdefault(graph, f"{name} of {where} is not that of its reverse")
    return tuple(Failure(graph, _CODE, found[graph]) for graph in sorted(found))


def _inside(places: Places, ends: Indices, left: frozenset[int]) -> Indices:
    """Return the sources, with those of graphs that edges leave replaced: edges stay among those of their graph."""
    if not left:
        return places.sources
    sources = places.sources.copy()
    for graph in left:
        edges = slice(int(places.graph_edges[graph]), int(places.graph_edges[graph + 1]))
        sources[edges] = ends[edges]
    return sources


def _graphs_of(edges: npt.NDArray[np.intp], places: Places) -> list[int]:
    graphs = np.searchsorted(places.graph_edges, edges, side="right") - 1
    return [int(graph) for graph in np.unique(graphs)]


def _different(column: npt.NDArray[Any], reverse: Indices) -> list[int]:
    """Return the edges, ascending, of which a feature is another one than that of the reverse."""
    found: list[int] = []
    for start in range(0, len(column), _ROWS):
        part = column[start : start + _ROWS]
        rows = (part != column[reverse[start : start + _ROWS]]).any(axis=1)
        found += (np.flatnonzero(rows) + start).tolist()
    return found


def _alone(places: Places, sources: Indices, ends: Indices, graph: int) -> str:
    """Return what is wrong with the first edge of a graph that has no reverse."""
    first, last = int(places.graph_edges[graph]), int(places.graph_edges[graph + 1])
    pairs = list(zip(sources[first:last].tolist(), ends[first:last].tolist(), strict=True))
    there, seen = Counter(pairs), Counter[tuple[int, int]]()
    for edge, (source, target) in enumerate(pairs, first):
        seen[source, target] += 1
        if source == target:
            return f"{_edge(places, sources, ends, graph, edge)} is a self loop, which has no reverse"
        if seen[source, target] > there[target, source]:
            return f"{_edge(places, sources, ends, graph, edge)} has no reverse: the model wants each edge both ways"
    raise AssertionError("every edge has a reverse")


def _edge(places: Places, sources: Indices, ends: Indices, graph: int, edge: int) -> str:
    base = int(places.node_offsets[graph])
    return f"the edge from node {int(sources[edge]) - base} to node {int(ends[edge]) - base}"
