"""GraphSAGE: torch_geometric.nn.SAGEConv.

    H'[i] = W_neighbor aggr(H[j] over the edges j -> i) + b + W_root H[i]

aggr is mean, max or sum; over no edges it is 0. With `project_weight`, neighbours are relu(W_project H[j] + b_project);
with `normalize`, each row is divided by its Euclidean length (at least 1e-12). Edge weights are ignored; self loops
and repeated edges count like any other. Hamilton, Ying and Leskovec, https://arxiv.org/abs/1706.02216.

[N, in] -> [N, out]; neighbor [out, in], bias [out], root [out, in], project_weight [in, in], project_bias [in].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._activations import relu
from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._aggregate import AGGREGATIONS, aggregation, linear, propagation
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._rows import Row, normalize_rows


def read(spec: StepSpec) -> Step:
    """Read the step."""
    spec.value(0, "node")
    neighbor = spec.weight("neighbor", "out", "in")
    bias, root = spec.optional_weight("bias", "out"), spec.optional_weight("root", "out", "in")
    aggr = AGGREGATIONS[spec.choice("aggr", AGGREGATIONS, default="mean")]
    normalize = spec.flag("normalize", default=False)
    out_width, in_width = neighbor.shape
    spec.bind("projected", in_width, "neighbor")
    project = spec.optional_weight("project_weight", "projected", "in")
    project_bias = spec.optional_weight("project_bias", "projected")
    if project is None and project_bias is not None:
        raise spec.error("project_bias is there without project_weight")

    def compile_(compiler: Compiler) -> Function:
        aggregated = aggregation(compiler, aggr, neighbor)
        own = None if root is None else compiler.product(root.T)
        row = None if bias is None else Row(bias)
        prepare = None if project is None else linear(compiler, project, project_bias)

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            rows = values[0] if prepare is None else relu(prepare(values[0]))
            result = aggregated(rows, graphs, None)
            if row is not None:
                row.apply(np.add, result)
            if own is not None:
                result += own(values[0])
            return normalize_rows(result, 1e-12) if normalize else result

        return run

    return Step("node", out_width, compile_, edge_width=propagation(aggr, in_width))


OPERATION: Final = Operation(
    read, frozenset({"neighbor", "bias", "root", "aggr", "normalize", "project_weight", "project_bias"})
)
