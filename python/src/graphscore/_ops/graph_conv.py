"""Graph convolution of higher-order networks: torch_geometric.nn.GraphConv.

    H'[i] = W_rel aggr(w[j, i] H[j] over the edges j -> i) + b + W_root H[i]

aggr is sum (the default), mean or max; over no edges it is 0. Without `edge_weight`, w is 1. The mean divides by
the number of edges, not by their weights. Morris et al., https://arxiv.org/abs/1810.02244.

[N, in] -> [N, out]; weight_rel [out, in], bias_rel [out], weight_root [out, in].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._aggregate import AGGREGATIONS, aggregation, propagation
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._rows import Row


def read(spec: StepSpec) -> Step:
    """Read the step."""
    spec.value(0, "node")
    weight, bias = spec.weight("weight_rel", "out", "in"), spec.optional_weight("bias_rel", "out")
    root = spec.weight("weight_root", "out", "in")
    aggr = AGGREGATIONS[spec.choice("aggr", AGGREGATIONS, default="sum")]
    edge_weights = spec.edge_weights()
    out_width, in_width = weight.shape

    def compile_(compiler: Compiler) -> Function:
        aggregated, own = aggregation(compiler, aggr, weight), compiler.product(root.T)
        row = None if bias is None else Row(bias)

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            rows = values[0]
            result = aggregated(rows, graphs, edge_weights.of(values, graphs))
            if row is not None:
                row.apply(np.add, result)
            result += own(rows)
            return result

        return run

    return Step("node", out_width, compile_, edge_width=propagation(aggr, in_width))


OPERATION: Final = Operation(read, frozenset({"weight_rel", "bias_rel", "weight_root", "aggr", "edge_weight"}))
