"""The graphs of a chunk as operations see them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Doubles, Floats, Indices
from graphscore._segments import Segments
from graphscore._sparse import csr_tocsc, expandptr
from graphscore._sums import long_runs, weighted_doubles, weighted_sums

T = TypeVar("T")


class Graphs:
    """G graphs with N nodes and E edges side by side; edges are grouped by target: a CSR matrix whose rows are targets.

    What operations derive from them (a normalised matrix, say) is computed for the first step that needs it and kept
    for the others. One thread uses an object of this class.

    Args:
        node_offsets: the first node of each graph, and the end, [G + 1].
        indptr: the edges that point to node i are indptr[i] .. indptr[i + 1], [N + 1].
        sources: the source of each edge, [E], each below N.
        weights: the column of edge weights, [E], or None: every edge weighs 1.
    """

    def __init__(self, node_offsets: Indices, indptr: Indices, sources: Indices, weights: Floats | None = None) -> None:
        self.node_offsets: Final = node_offsets
        self.indptr: Final = indptr
        self.sources: Final = sources
        self.weights: Final = weights
        self._derived: dict[Hashable, object] = {}

    @property
    def graphs(self) -> int:
        """G."""
        return len(self.node_offsets) - 1

    @property
    def nodes(self) -> int:
        """N."""
        return len(self.indptr) - 1

    @property
    def edges(self) -> int:
        """E."""
        return len(self.sources)

    def derive(self, build: Callable[..., T], *arguments: Hashable) -> T:
        """Return `build(self, *arguments)`, computed once for these arguments."""
        key = (build, *arguments)
        if key not in self._derived:
            self._derived[key] = build(self, *arguments)
        return cast("T", self._derived[key])


class Adjacency:
    """An [N, N] sparse float32 matrix whose rows are targets, to be multiplied with dense rows.

    Each row is summed in the order of its edges, so the sums of a graph do not depend on its neighbours; rows of many
    edges are summed in float64 (`_sums`). The C code of SciPy's own products is called directly: a csr_array checks
    and dispatches for longer than a small chunk takes to multiply.

    Args:
        weights: [E].
        sources: [E], each below the number of rows that it is multiplied with: nothing checks them again.
        indptr: [N + 1].
    """

    def __init__(self, weights: Floats, sources: Indices, indptr: Indices) -> None:
        self.weights: Final = weights
        self.sources: Final = sources
        self.indptr: Final = indptr

    def __matmul__(self, rows: Floats) -> Floats:
        """Sum weight * rows[source] over the edges of each target: [M, C] -> [N, C], a new array."""
        result = self.singles(rows)
        if len(self.long):
            result[self.long] = self.doubles(rows)
        return result

    @cached_property
    def long(self) -> npt.NDArray[np.intp]:
        """The targets with so many edges that they are summed in float64, [L]."""
        return long_runs(self.indptr)

    def singles(self, rows: Floats) -> Floats:
        """Return the sums of all targets as float32 has them, which is too little for the long ones: [N, C]."""
        return weighted_sums(self.indptr, self.sources, self.weights, rows)

    def doubles(self, rows: Floats, factors: Floats | None = None) -> Doubles:
        """Sum weight * factor[source] * rows[source] for the long targets, in float64: [M, C], [M] -> [L, C]."""
        return weighted_doubles(self.long, self.indptr, self.sources, self.weights, rows, factors=factors)


def unweighted(graphs: Graphs) -> Adjacency:
    """Every edge with weight 1."""
    return Adjacency(np.ones(graphs.edges, np.float32), graphs.sources, graphs.indptr)


def targets(graphs: Graphs) -> Indices:
    """The target of each edge, [E]."""
    result = np.empty(graphs.edges, np.int32)
    expandptr(graphs.nodes, graphs.indptr, result)
    return result


def edges_of_nodes(graphs: Graphs) -> Segments:
    """The edges that point to each node."""
    return Segments(graphs.indptr)


def nodes_of_graphs(graphs: Graphs) -> Segments:
    """The nodes of each graph."""
    return Segments(graphs.node_offsets)


def edges_of_graphs(graphs: Graphs) -> Segments:
    """The edges of each graph."""
    return Segments(graphs.indptr[graphs.node_offsets])


def reverses(graphs: Graphs) -> Indices:
    """The reverse of each edge, [E], where every edge has one: the k-th from a to b belongs to the k-th from b to a."""
    by_source, by_target = by_ends(graphs.indptr, graphs.sources)
    result = np.empty_like(by_target)
    result[by_source] = by_target
    return result


def by_ends(indptr: Indices, sources: Indices) -> tuple[Indices, Indices]:
    """Return the edges in the order of (source, target) and of (target, source), equal ones in their own order."""
    nodes, edges = len(indptr) - 1, len(sources)
    rows, others = np.empty(edges, np.int32), np.empty(edges, np.int32)
    by_source, by_target = np.empty(edges, np.int32), np.empty(edges, np.int32)
    starts, ends = np.empty(nodes + 1, np.int32), np.empty(nodes + 1, np.int32)
    csr_tocsc(nodes, nodes, indptr, sources, np.arange(edges, dtype=np.int32), starts, rows, by_source)
    csr_tocsc(nodes, nodes, starts, rows, by_source, ends, others, by_target)
    return by_source, by_target
