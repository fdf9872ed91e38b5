"""Graph convolution: torch_geometric.nn.GCNConv.

    H' = D^-1/2 A D^-1/2 H W^T + b

A[i, j] is the weight of edge j -> i; D[i] is the sum of row i. D^-1/2 is 0 where D is 0 and NaN where D is negative.
With `add_self_loops`, A has a self loop of weight 1 where a node has none (an existing one keeps its weight; of several
the last counts); `improved` ones weigh 2, where the step takes edge weights, as in PyG. Without `normalize` A is
the weights of the edges as they are. Kipf and Welling, https://arxiv.org/abs/1609.02907; gcn_norm and
add_remaining_self_loops of PyTorch Geometric.

[N, in] -> [N, out]; weight [out, in], bias [out].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Doubles, Floats
from graphscore._graphs import Adjacency, Graphs, targets
from graphscore._ops._aggregate import times, with_row
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Finishing, Operation, Step, unfinished
from graphscore._products import Finish
from graphscore._rows import Row, scale


class _Loops(NamedTuple):
    """What a step does about self loops and degrees: a part of the key of what is derived, so its hash is fast."""

    fill: float  # the weight of a loop that is added; 0: none is
    normalize: bool


def read(spec: StepSpec) -> Step:
    """Read the step."""
    spec.value(0, "node")
    weight, bias = spec.weight("weight", "out", "in"), spec.optional_weight("bias", "out")
    improved = spec.flag("improved", default=False)
    add_self_loops = spec.flag("add_self_loops", default=True)
    normalize = spec.flag("normalize", default=True)
    edge_weights = spec.edge_weights()
    weighted = edge_weights.requested or edge_weights.place is not None
    fill = (2.0 if improved and weighted else 1.0) if add_self_loops and normalize else 0.0
    loops = _Loops(fill, normalize)
    out_width, in_width = weight.shape
    weight_first = out_width <= in_width

    def compile_(compiler: Compiler) -> Finishing:
        product, row = compiler.product(weight.T), None if bias is None else Row(bias)
        doubles = weight.astype(np.float64)

        def run(values: Sequence[Floats], graphs: Graphs, finish: Finish | None) -> Floats:
            rows, weights = values[0], edge_weights.of(values, graphs)
            if weights is graphs.weights or weights is None:
                matrix = graphs.derive(_derive, weights is not None, loops)
            else:
                matrix = _matrix(graphs, weights, loops)
            sums = matrix.long_sums(rows) if len(matrix.adjacency.long) else None
            last = with_row(row, finish)
            if sums is None and not weight_first:
                return product(matrix.propagate(rows), last)
            result = matrix.propagate(product(rows)) if weight_first else product(matrix.propagate(rows))
            if sums is not None:
                result[matrix.adjacency.long] = times(sums, doubles)
            if last is not None:
                last(result, slice(0, len(result)))
            return result

        return run

    return Step("node", out_width, unfinished(compile_), finishing=compile_, consumes=not weight_first)


@dataclass(frozen=True, eq=False)
class _Matrix:
    """D^-1/2 A D^-1/2 as its factors.

    Self loops are a vector of their own and never entries of the sparse matrix: so a graph is summed in the
    same order whether or not other graphs of its batch have self loops or weights.
    """

    adjacency: Adjacency
    loops: Floats | None  # [N]: the weight of each node's self loop; None: all 1
    root: Floats | None  # [N]: D^-1/2; None: all 1
    looped: bool  # there are self loops beside the matrix

    def propagate(self, rows: Floats) -> Floats:
        """[N, C] -> [N, C], a new array; nodes of many edges need `long_sums`. The rows are used up."""
        if self.root is not None:
            scale(rows, self.root)
        result = self.adjacency.singles(rows)
        if self.looped:
            if self.loops is not None:
                scale(rows, self.loops)
            result += rows
        if self.root is not None:
            scale(result, self.root)
        return result

    def long_sums(self, rows: Floats) -> Doubles:
        """Return the rows that `propagate` has for nodes of many edges in float64: [N, C] -> [L, C]."""
        long = self.adjacency.long
        result = self.adjacency.doubles(rows, self.root)
        if self.looped:
            own = rows[long].astype(np.float64)
            for factors in (self.root, self.loops):
                own *= 1 if factors is None else factors[long, None]
            result += own
        if self.root is not None:
            result *= self.root[long, None]
        return result


def _derive(graphs: Graphs, weighted: bool, loops: _Loops) -> _Matrix:
    return _matrix(graphs, graphs.weights if weighted else None, loops)


def _matrix(graphs: Graphs, weights: Floats | None, options: _Loops) -> _Matrix:
    if not options.fill:
        return _without_loops(graphs, weights, normalize=options.normalize)
    target = graphs.derive(targets)
    is_loop = graphs.sources == target
    indptr, sources = graphs.indptr, graphs.sources
    loops: Floats | None = None
    if weights is not None or options.fill != 1:
        loops = np.full(graphs.nodes, options.fill, np.float32)
        # In order, so the last of a node's self loops stays.
        loops[target[is_loop]] = np.float32(1) if weights is None else weights[is_loop]
    if is_loop.any():
        keep = ~is_loop
        sources, target = sources[keep], target[keep]
        weights = None if weights is None else weights[keep]
        indptr = np.zeros(graphs.nodes + 1, np.int32)
        np.cumsum(np.bincount(target, minlength=graphs.nodes), out=indptr[1:])
    given = indptr[1:] - indptr[:-1] if weights is None else _degrees(target, weights, graphs.nodes)
    root = _root_of_counts(given) if loops is None else _inverse_root(np.add(given, loops, dtype=np.float64))
    weights = np.ones(len(sources), np.float32) if weights is None else weights
    return _Matrix(Adjacency(weights, sources, indptr), loops, root, looped=True)


def _without_loops(graphs: Graphs, weights: Floats | None, *, normalize: bool) -> _Matrix:
    given = np.ones(graphs.edges, np.float32) if weights is None else weights
    root = _inverse_root(_degrees(graphs.derive(targets), given, graphs.nodes)) if normalize else None
    return _Matrix(Adjacency(given, graphs.sources, graphs.indptr), None, root, looped=False)


def _degrees(target: npt.NDArray[np.int32], weights: Floats, nodes: int) -> npt.NDArray[np.float64]:
    """Sum weights by target in float64, in the order of the edges, as bincount does: [N]."""
    return np.bincount(target, weights, nodes).astype(np.float64, copy=False)


def _inverse_root(degree: npt.NDArray[np.float64]) -> Floats:
    """[N] -> [N]: degree^-1/2; 0 where the degree is 0, NaN where it is negative."""
    root = 1.0 / np.sqrt(degree)
    root[degree == 0] = 0.0
    return root.astype(np.float32)


_ROOTS: Final = _inverse_root(np.arange(1.0, 1025.0))
"""What `_root_of_counts` returns for the counts from 0."""


def _root_of_counts(counts: npt.NDArray[Any]) -> Floats:
    """Return (count + 1)^-1/2, [N] -> [N], with the bits of `_inverse_root`: counts are edges, and a loop is added."""
    if counts.max(initial=0) < len(_ROOTS):
        return _ROOTS.take(counts, mode="clip")  # which is faster than to look again whether they are there
    return _inverse_root(counts + 1.0)


OPERATION: Final = Operation(
    read, frozenset({"weight", "bias", "improved", "add_self_loops", "normalize", "edge_weight"})
)
