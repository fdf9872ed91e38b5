"""GraphSAGE with mean aggregation and a root weight: torch_geometric.nn.SAGEConv with its defaults.

    H'[i] = W_neighbor mean(H[j] over the edges j -> i) + b + W_root H[i]

The mean over no edges is 0. Edge weights are ignored; self loops and repeated edges count like any other.
Hamilton, Ying and Leskovec, https://arxiv.org/abs/1706.02216.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._edges import Adjacency, Edges, unweighted
from graphscore._layers._base import Forward, LayerType, MakeProduct
from graphscore._layers._spec import LayerSpec
from graphscore._rows import Row


@dataclass(frozen=True, eq=False)
class SAGE:
    """Parameters: neighbor [out, in], bias [out] or None, root [out, in] or None."""

    neighbor: Floats
    bias: Floats | None
    root: Floats | None

    @classmethod
    def read(cls, spec: LayerSpec) -> SAGE:
        """Read the layer from a model folder."""
        return cls(
            spec.weight("neighbor", "out", "in"),
            spec.optional_weight("bias", "out"),
            spec.optional_weight("root", "out", "in"),
        )

    @property
    def in_width(self) -> int:
        """Columns of the rows that the layer takes."""
        return int(self.neighbor.shape[1])

    @property
    def out_width(self) -> int:
        """Columns of the rows that the layer returns."""
        return int(self.neighbor.shape[0])

    def compile(self, make_product: MakeProduct) -> Forward:
        """Return the layer's function; it multiplies on the narrower side of the weight."""
        neighbor = make_product(self.neighbor.T)
        root = None if self.root is None else make_product(self.root.T)
        bias = None if self.bias is None else Row(self.bias)
        weight_first = self.out_width <= self.in_width

        def forward(rows: Floats, edges: Edges) -> Floats:
            mean = edges.derive(_mean)
            result = mean.propagate(neighbor(rows)) if weight_first else neighbor(mean.propagate(rows))
            if bias is not None:
                bias.apply(np.add, result)
            if root is not None:
                result += root(rows)
            return result

        return forward


@dataclass(frozen=True, eq=False)
class _Mean:
    adjacency: Adjacency
    degree: Floats  # [N, 1]: edges that point to each node, at least 1

    def propagate(self, rows: Floats) -> Floats:
        """[N, C] -> [N, C], a new array."""
        result = self.adjacency @ rows
        result /= self.degree
        return result


def _mean(edges: Edges) -> _Mean:
    degree = np.maximum(np.diff(edges.indptr), 1).astype(np.float32)
    return _Mean(unweighted(edges), degree[:, None])


TYPE: Final = LayerType(frozenset({"neighbor", "bias", "root"}), SAGE.read)
