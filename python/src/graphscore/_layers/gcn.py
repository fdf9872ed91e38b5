"""Graph convolution: torch_geometric.nn.GCNConv with its defaults.

    H' = D^-1/2 A D^-1/2 H W^T + b

A[i, j] is the weight of edge j -> i, with a self loop of weight 1 where a node has none (an existing one keeps
its weight; of several the last counts), D[i] the sum of row i. D^-1/2 is 0 where D is 0 and NaN
where D is negative. Kipf and Welling, https://arxiv.org/abs/1609.02907; gcn_norm and add_remaining_self_loops
of PyTorch Geometric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Floats
from graphscore._edges import Adjacency, Edges, targets
from graphscore._layers._base import Forward, LayerType, MakeProduct
from graphscore._layers._spec import LayerSpec
from graphscore._rows import Row, scale


@dataclass(frozen=True, eq=False)
class GCN:
    """Parameters: weight [out, in], bias [out] or None."""

    weight: Floats
    bias: Floats | None

    @classmethod
    def read(cls, spec: LayerSpec) -> GCN:
        """Read the layer from a model folder."""
        return cls(spec.weight("weight", "out", "in"), spec.optional_weight("bias", "out"))

    @property
    def in_width(self) -> int:
        """Columns of the rows that the layer takes."""
        return int(self.weight.shape[1])

    @property
    def out_width(self) -> int:
        """Columns of the rows that the layer returns."""
        return int(self.weight.shape[0])

    def compile(self, make_product: MakeProduct) -> Forward:
        """Return the layer's function; it multiplies on the narrower side of the weight."""
        product = make_product(self.weight.T)
        bias = None if self.bias is None else Row(self.bias)
        weight_first = self.out_width <= self.in_width

        def forward(rows: Floats, edges: Edges) -> Floats:
            matrix = edges.derive(_normalise)
            result = matrix.propagate(product(rows)) if weight_first else product(matrix.propagate(rows))
            if bias is not None:
                bias.apply(np.add, result)
            return result

        return forward


@dataclass(frozen=True, eq=False)
class _Normalised:
    """D^-1/2 A D^-1/2 as its factors.

    Self loops are a vector of their own and never entries of the sparse matrix: so a graph is summed in the
    same order whether or not other graphs of its batch have self loops or weights.
    """

    adjacency: Adjacency
    loops: Floats | None  # [N]: the weight of each node's self loop; None: all 1
    root: Floats  # [N]: D^-1/2

    def propagate(self, rows: Floats) -> Floats:
        """[N, C] -> [N, C], a new array. The rows are used up."""
        scale(rows, self.root)
        result = self.adjacency @ rows
        if self.loops is not None:
            scale(rows, self.loops)
        result += rows
        scale(result, self.root)
        return result


def _normalise(edges: Edges) -> _Normalised:
    target = targets(edges)
    is_loop = edges.sources == target
    indptr, sources, weights = edges.indptr, edges.sources, edges.weights
    loops: Floats | None = None
    if weights is not None:
        own = np.ones(edges.nodes, np.float32)
        own[target[is_loop]] = weights[is_loop]  # in order, so the last of a node's self loops stays
        loops = own
    if is_loop.any():
        keep = ~is_loop
        sources, target = sources[keep], target[keep]
        weights = None if weights is None else weights[keep]
        indptr = np.zeros(edges.nodes + 1, np.int32)
        np.cumsum(np.bincount(target, minlength=edges.nodes), out=indptr[1:])
    if weights is None or loops is None:
        weights = np.ones(len(sources), np.float32)
        degree = np.diff(indptr).astype(np.float64) + 1.0
    else:
        # bincount adds in float64, and in the order of the edges.
        degree = np.bincount(target, weights, edges.nodes).astype(np.float64, copy=False) + loops
    return _Normalised(Adjacency(weights, sources, indptr), loops, _inverse_root(degree))


def _inverse_root(degree: npt.NDArray[np.float64]) -> Floats:
    """[N] -> [N]: degree^-1/2; 0 where the degree is 0, NaN where it is negative."""
    root = 1.0 / np.sqrt(degree)
    root[degree == 0] = 0.0
    return root.astype(np.float32)


TYPE: Final = LayerType(frozenset({"weight", "bias"}), GCN.read)
