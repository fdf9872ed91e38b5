"""The edges of a batch as layers see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from graphscore._arrays import Floats, Indices
from graphscore._sparse import csr_matvec, csr_matvecs, expandptr

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of N nodes, grouped by target: a CSR matrix whose rows are targets.

    What layers derive from them (a normalised matrix, say) is computed for the first layer that needs it and kept
    for the others. One thread uses an object of this class.
    """

    indptr: Indices
    """[N + 1]: the edges that point to node i are indptr[i] .. indptr[i + 1]."""
    sources: Indices
    """[E], each below N."""
    weights: Floats | None
    """[E], or None: every edge weighs 1."""
    _derived: dict[Callable[[Edges], Any], Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def nodes(self) -> int:
        """N."""
        return len(self.indptr) - 1

    def derive(self, build: Callable[[Edges], T]) -> T:
        """Return `build(self)`, computed once. Layers of one type must pass the same function."""
        if build not in self._derived:
            self._derived[build] = build(self)
        return cast("T", self._derived[build])


@dataclass(frozen=True, eq=False)
class Adjacency:
    """An [N, N] sparse float32 matrix whose rows are targets, to be multiplied with dense rows.

    Each row is summed in the order of its edges, so the sums of a graph do not depend on its neighbours. The
    C code of SciPy's own products is called directly: a csr_array checks and dispatches for longer than a small
    chunk takes to multiply.
    """

    weights: Floats
    """[E]."""
    sources: Indices
    """[E], each below N: nothing checks them again."""
    indptr: Indices
    """[N + 1]."""

    def __matmul__(self, rows: Floats) -> Floats:
        """Sum weight * rows[source] over the edges of each target: [N, C] -> [N, C], a new array."""
        nodes, columns = rows.shape
        result = np.zeros((nodes, columns), np.float32)
        matrix = (self.indptr, self.sources, self.weights)
        if columns == 1:
            csr_matvec(nodes, nodes, *matrix, rows.reshape(-1), result.reshape(-1))
        else:
            csr_matvecs(nodes, nodes, columns, *matrix, rows.reshape(-1), result.reshape(-1))
        return result


def unweighted(edges: Edges) -> Adjacency:
    """Every edge of the batch with weight 1."""
    return Adjacency(np.ones(len(edges.sources), np.float32), edges.sources, edges.indptr)


def targets(edges: Edges) -> Indices:
    """The target of each edge, [E]."""
    result = np.empty(len(edges.sources), np.int32)
    expandptr(edges.nodes, edges.indptr, result)
    return result
