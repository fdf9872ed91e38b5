"""What attention over the edges of a node needs: self loops at the end, softmax by node, and sums by head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Floats, Indices
from graphscore._config import show
from graphscore._graphs import Adjacency, Graphs, targets
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler
from graphscore._segments import Segments

Fill: TypeAlias = Literal["mean", "add", "max", "min"] | float
"""The features of a self loop that is added: from the node's other edges, or a number."""

_FILLS: Final = ("add", "max", "mean", "min")
_BLOCK: Final = 1 << 19


class AttentionEdges:
    """The edges that attention runs over, grouped by target; with self loops, these stand last at each node.

    Args:
        graphs: the graphs of a chunk.
        loops: existing self loops are left out, and each node has one at the end of its edges.
    """

    def __init__(self, graphs: Graphs, *, loops: bool) -> None:
        self._kept: npt.NDArray[np.bool_] | None = None  # the given edges that stay; None: all
        self._places: npt.NDArray[np.bool_] | None = None  # where they are; elsewhere is a loop
        self._given = graphs.indptr
        self._heads: dict[int, _ByHead] = {}
        self.nodes: Final = graphs.nodes
        self.indptr: Indices = graphs.indptr
        self.sources: Indices = graphs.sources
        self.targets: Indices = graphs.derive(targets)
        if loops:
            self._add_loops()

    def _add_loops(self) -> None:
        kept = self.sources != self.targets
        if not kept.all():
            self._kept = kept
            counts = np.bincount(self.targets[kept], minlength=self.nodes)
            self._given = np.zeros(self.nodes + 1, np.int32)
            np.cumsum(counts, out=self._given[1:])
        self.indptr = np.add(self._given, np.arange(self.nodes + 1), dtype=np.int32)
        places = np.ones(int(self.indptr[-1]), np.bool_)
        places[self.indptr[1:] - 1] = False
        every = np.arange(self.nodes, dtype=np.int32)
        sources, at = np.empty(len(places), np.int32), np.empty(len(places), np.int32)
        sources[places], sources[~places] = self.sources[kept], every
        at[places], at[~places] = self.targets[kept], every
        self.sources, self.targets, self._places = sources, at, places

    @property
    def count(self) -> int:
        """E, with the loops."""
        return len(self.sources)

    def with_loops(self, rows: Floats, fill: Fill) -> Floats:
        """Return rows of the given edges, [., C], as those of these edges, [E, C]."""
        if self._places is None:
            return rows
        given = rows if self._kept is None else rows[self._kept]
        result = np.empty((len(self._places), rows.shape[1]), np.float32)
        result[self._places] = given
        result[self.indptr[1:] - 1] = fill if isinstance(fill, float) else _filled(Segments(self._given), given, fill)
        return result

    def softmax(self, logits: Floats) -> Floats:
        """exp(x) / sum(exp(x)) over the edges of each node: [E, H] -> [E, H]. The logits are used up."""
        return self._runs.softmax(logits)

    def total(self, weights: Floats, rows: Floats, *, concat: bool) -> Floats:
        """Sum weight * rows[source] over the edges of each node, head by head, in the order of the edges.

        [E, H], [N, H * C] -> [N, H * C], the heads side by side, or, without concat, their mean, [N, C].
        """
        heads = weights.shape[1]
        if heads == 1:
            return Adjacency(weights.reshape(-1), self.sources, self.indptr) @ rows
        by_head = self._by_head(heads)
        flat = np.empty(weights.size, np.float32)
        flat[by_head.places] = weights
        columns = rows.shape[1] // heads
        result = Adjacency(flat, by_head.sources, by_head.indptr) @ rows.reshape(-1, columns, copy=False)
        if concat:
            return result.reshape(len(rows), -1)
        return mean_of_heads(result.reshape(len(rows), heads, columns).transpose(1, 0, 2))

    @cached_property
    def _runs(self) -> Segments:
        return Segments(self.indptr)

    def _by_head(self, heads: int) -> _ByHead:
        """Return the edges with a row for each node and head: one sparse product for all heads."""
        if heads not in self._heads:
            counts, every = np.diff(self.indptr).astype(np.intp), np.arange(heads)
            starts = self.indptr[:-1, None] * heads + counts[:, None] * every
            inside = np.arange(self.count) - self.indptr[self.targets]
            places = np.take(starts, self.targets, axis=0) + inside[:, None]
            sources = np.empty(places.size, np.int32)
            sources[places] = self.sources[:, None] * heads + every
            indptr = np.append(starts.reshape(-1), places.size).astype(np.int32)
            self._heads[heads] = _ByHead(indptr, sources, places)
        return self._heads[heads]


@dataclass(frozen=True, eq=False)
class _ByHead:
    indptr: Indices  # [N * H + 1]
    sources: Indices  # [E * H]
    places: npt.NDArray[np.intp]  # where the entry of each edge and head is, [E, H]


def plain(graphs: Graphs) -> AttentionEdges:
    """The edges as they are."""
    return AttentionEdges(graphs, loops=False)


def looped(graphs: Graphs) -> AttentionEdges:
    """The edges with a self loop at the end of those of each node."""
    return AttentionEdges(graphs, loops=True)


def join_heads(parts: Sequence[Floats], *, concat: bool) -> Floats:
    """Put the rows of heads, [N, C] each, side by side, [N, H * C]; or, without concat, average them, [N, C]."""
    return np.concatenate(parts, axis=1) if concat else mean_of_heads(parts)


def mean_of_heads(parts: Iterable[Floats]) -> Floats:
    """Average the rows of heads, in their order: [N, C] each -> [N, C], a new array."""
    every = list(parts)
    result = every[0].copy()
    for part in every[1:]:
        result += part
    result /= np.float32(len(every))
    return result


def read_fill(spec: StepSpec) -> Fill:
    """Read the key `fill_value`."""
    value = spec.get("fill_value")
    if isinstance(value, str):
        if value not in _FILLS:
            raise spec.error(f"fill_value: expected a number, {', '.join(_FILLS)}, got {show(value)}")
        return cast("Fill", value)
    return "mean" if value is None else spec.number("fill_value")


def head_sums(compiler: Compiler, weight: Floats) -> Callable[[Floats], Floats]:
    """Return the sums of weight * x over each head: a function [E, H * C] -> [E, H], for a weight [H, C]."""
    heads, columns = weight.shape
    matrix = np.zeros((heads, columns, heads), np.float32)
    for head in range(heads):
        matrix[head, :, head] = weight[head]
    return compiler.product(matrix.reshape(heads * columns, heads))


def by_slices(count: int, width: int, function: Callable[[slice], Floats]) -> Floats:
    """Compute [E, H] from slices of the edges: as many at once as fit the caches, with `width` values an edge."""
    size = max(1, _BLOCK // max(width, 1))
    if count <= size:
        return function(slice(0, count))
    return np.concatenate([function(slice(start, min(start + size, count))) for start in range(0, count, size)])


def _filled(runs: Segments, rows: Floats, fill: Fill) -> npt.NDArray[np.floating]:
    match fill:
        case "mean":
            return runs.mean(rows)
        case "add":
            return runs.total(rows)
        case "max":
            return runs.maximum(rows)
        case _:
            return runs.minimum(rows)


def folded(attention: Floats, weight: Floats) -> Floats:
    """Return attention . W of each head, in float64 before it is rounded: [H, C], [H * C, in] -> [H, in]."""
    heads, columns = attention.shape
    by_head = weight.astype(np.float64).reshape(heads, columns, -1)
    result: Floats = np.einsum("hc,hci->hi", attention.astype(np.float64), by_head).astype(np.float32)
    return result


def leaky_relu(x: Floats, slope: np.float32) -> Floats:
    """X where x > 0, else slope x; in place."""
    pick = np.maximum if slope <= 1 else np.minimum
    return np.asarray(pick(x, x * slope, out=x))
