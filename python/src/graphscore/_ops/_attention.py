"""What attention over the edges of a node needs: self loops at the end, softmax by node, and sums by head.

Weights of edges are [H, E] here: each head is one row, as softmax and sparse products take it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from graphscore._activations import exp
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
_TINY: Final = 1e-16


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
        """exp(x) / sum(exp(x)) over the edges of each node: [H, E] -> [H, E]; torch_geometric.utils.softmax.

        The logits are used up. Sums are in the order of the edges, in float64.
        """
        runs = np.flatnonzero(np.diff(self.indptr))
        if not len(runs):
            return logits
        largest = np.zeros((len(logits), self.nodes), np.float32)
        largest[:, runs] = np.maximum.reduceat(logits, self.indptr[runs], axis=1)
        logits -= np.take(largest, self.targets, axis=1)
        exp(logits)
        for head in logits:
            sums = np.bincount(self.targets, head, self.nodes) + _TINY
            np.divide(head, np.take(sums, self.targets), out=head, casting="same_kind")
        return logits

    def total(self, weights: Floats, rows: Floats, *, concat: bool) -> Floats:
        """Sum weight * rows[source] over the edges of each node, head by head, in the order of the edges.

        [H, E], [N, H * C] -> [N, H * C], the heads side by side, or, without concat, their mean, [N, C].
        """
        heads = len(weights)
        flat = rows.reshape(len(rows) * heads, -1, copy=False)
        first = self.sources if heads == 1 else self.sources * np.int32(heads)
        return join_heads(
            [Adjacency(weights[head], first + np.int32(head), self.indptr) @ flat for head in range(heads)],
            concat=concat,
        )


def plain(graphs: Graphs) -> AttentionEdges:
    """The edges as they are."""
    return AttentionEdges(graphs, loops=False)


def looped(graphs: Graphs) -> AttentionEdges:
    """The edges with a self loop at the end of those of each node."""
    return AttentionEdges(graphs, loops=True)


def join_heads(parts: Sequence[Floats], *, concat: bool) -> Floats:
    """Put the rows of heads, [N, C] each, side by side, [N, H * C]; or, without concat, average them, [N, C]."""
    if len(parts) == 1:
        return parts[0]
    if concat:
        return np.concatenate(parts, axis=1)
    result = parts[0]
    for part in parts[1:]:
        result += part
    result /= np.float32(len(parts))
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
    """Return the sums of weight * x over each head: a function [E, H * C] -> [H, E], for a weight [H, C]."""
    heads, columns = weight.shape
    matrix = np.zeros((heads, columns, heads), np.float32)
    for head in range(heads):
        matrix[head, :, head] = weight[head]
    product = compiler.product(matrix.reshape(heads * columns, heads))
    return lambda rows: np.ascontiguousarray(product(rows).T)


def by_slices(count: int, heads: int, width: int, function: Callable[[slice], Floats]) -> Floats:
    """Compute [H, E] from slices of the edges: as many at once as fit the caches, with `width` values an edge."""
    size = max(1, _BLOCK // max(width, 1))
    if count <= size:
        return function(slice(0, count))
    result = np.empty((heads, count), np.float32)
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        result[:, part] = function(part)
    return result


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
