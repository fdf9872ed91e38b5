"""The sum of GIN with edge features: torch_geometric.nn.GINEConv without its network, which follows as steps.

    H'[i] = (1 + eps) H[i] + aggr(relu(H[j] + e[j, i]) over the edges j -> i),  e = edge_attr W^T + b

Without `weight`, e is edge_attr itself, as wide as H. aggr is sum (the default), mean or max; over no edges it is 0.
Hu et al., https://arxiv.org/abs/1905.12265.

[N, C] -> [N, C]; edge_attr [E, D], weight [C, D], bias [C].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._activations import relu
from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._aggregate import AGGREGATIONS, by_blocks, linear, reduce
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._segments import Segments


def read(spec: StepSpec) -> Step:
    """Read the step."""
    width = spec.value(0, "node").width
    place, edge = spec.value_of("edge_attr", "edge", "edge_in")
    own = np.float32(1 + spec.number("eps", default=0.0))
    aggr = AGGREGATIONS[spec.choice("aggr", AGGREGATIONS, default="sum")]
    weight, bias = spec.optional_weight("weight", "in", "edge_in"), spec.optional_weight("bias", "in")
    if weight is None:
        if bias is not None:
            raise spec.error("bias is there without weight")
        if edge.width != width:
            raise spec.error(f"edge_attr: {edge.said}, but {spec.inputs[0].said}; without weight they must be as many")

    def compile_(compiler: Compiler) -> Function:
        prepare = None if weight is None else linear(compiler, weight, bias)

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            rows = values[0]

            def block(part: slice, runs: Segments) -> Floats:
                messages = np.take(rows, graphs.sources[part], axis=0)
                messages += values[place][part] if prepare is None else prepare(values[place][part])
                return reduce(aggr, relu(messages), runs)

            result = by_blocks(graphs, width, block)
            result += rows if own == 1 else rows * own
            return result

        return run

    return Step("node", width, compile_, edge_width=width)


OPERATION: Final = Operation(read, frozenset({"edge_attr", "eps", "aggr", "weight", "bias"}))
