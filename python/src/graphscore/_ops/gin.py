"""The sum of GIN: torch_geometric.nn.GINConv without its network, which follows as steps of its own.

    H'[i] = (1 + eps) H[i] + aggr(H[j] over the edges j -> i)

aggr is sum (the default), mean or max; over no edges it is 0. Xu et al., https://arxiv.org/abs/1810.00826.

[N, C] -> [N, C].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._aggregate import AGGREGATIONS, aggregate, propagation
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step


def read(spec: StepSpec) -> Step:
    """Read the step."""
    width = spec.value(0, "node").width
    own = np.float32(1 + spec.number("eps", default=0.0))
    aggr = AGGREGATIONS[spec.choice("aggr", AGGREGATIONS, default="sum")]

    def compile_(_: Compiler) -> Function:
        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            result = aggregate(aggr, values[0], graphs)
            result += values[0] if own == 1 else values[0] * own
            return result

        return run

    return Step("node", width, compile_, edge_width=propagation(aggr, width))


OPERATION: Final = Operation(read, frozenset({"eps", "aggr"}))
