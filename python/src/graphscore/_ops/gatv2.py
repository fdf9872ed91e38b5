"""Graph attention whose order depends on the target: torch_geometric.nn.GATv2Conv.

    H'[i] = sum over the edges j -> i of a[j, i] L[j], for each head;  a = softmax over the edges of i of
    att . leaky_relu(L[j] + R[i] + W_edge e[j, i]);  L = H W_l^T + b_l, R = H W_r^T + b_r

Without `weight_r`, R is L (share_weights). The heads stand side by side, or are averaged where `concat` is false; then
`residual` H[i] and the bias are added. Self loops are as in `gat`. Brody, Alon and Yahav,
https://arxiv.org/abs/2105.14491.

[N, in] -> [N, heads * out] or [N, out]; weight_l, weight_r [heads * out, in], bias_l, bias_r [heads * out],
att [heads, out], lin_edge [heads * out, D], residual [., in], bias [.].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._activations import exp
from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._aggregate import linears
from graphscore._ops._attention import by_slices, head_sums, leaky_relu, looped, plain, read_fill
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._rows import Row


def read(spec: StepSpec) -> Step:
    """Read the step."""
    spec.value(0, "node")
    heads, concat = spec.count("heads", default=1), spec.flag("concat", default=True)
    spec.bind("heads", heads, "heads")
    att = spec.weight("att", "heads", "out")
    columns = att.shape[1]
    spec.bind("rows", heads * columns, "heads and att")
    left = spec.weight("weight_l", "rows", "in"), spec.optional_weight("bias_l", "rows")
    right = spec.optional_weight("weight_r", "rows", "in"), spec.optional_weight("bias_r", "rows")
    if right[0] is None and right[1] is not None:
        raise spec.error("bias_r is there without weight_r")
    edge = spec.optional_value("edge_attr", "edge", "edge_in")
    lin_edge = spec.optional_weight("lin_edge", "rows", "edge_in")
    if (edge is None) != (lin_edge is None):
        raise spec.error("edge_attr and lin_edge must be there together, or neither of them")
    spec.bind("result", heads * columns if concat else columns, "heads, concat and att")
    bias, residual = spec.optional_weight("bias", "result"), spec.optional_weight("residual", "result", "in")
    slope = np.float32(spec.number("negative_slope", default=0.2))
    fill = read_fill(spec)
    edges_of = looped if spec.flag("add_self_loops", default=True) else plain

    def compile_(compiler: Compiler) -> Function:
        compiler.tested("exp", exp)
        both = linears(compiler, [left] if right[0] is None else [left, (right[0], right[1])])
        of_edges = None if lin_edge is None else compiler.product(lin_edge.T)
        sums = head_sums(compiler, att)
        own = None if residual is None else compiler.product(residual.T)
        row = None if bias is None else Row(bias)

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            edges, (sources, *others) = graphs.derive(edges_of), both(values[0])
            targets = others[0] if others else sources
            attributes = None if edge is None else edges.with_loops(values[edge[0]], fill)

            def logits(part: slice) -> Floats:
                rows = np.take(sources, edges.sources[part], axis=0)
                rows += np.take(targets, edges.targets[part], axis=0)
                if of_edges is not None and attributes is not None:
                    rows += of_edges(attributes[part])
                return sums(leaky_relu(rows, slope))

            weights = edges.softmax(by_slices(edges.count, heads * columns, logits))
            result = edges.total(weights, sources, concat=concat)
            if own is not None:
                result += own(values[0])
            if row is not None:
                row.apply(np.add, result)
            return result

        return run

    return Step("node", heads * columns if concat else columns, compile_, edge_width=heads * columns)


OPERATION: Final = Operation(
    read,
    frozenset({"heads", "concat", "weight_l", "bias_l", "weight_r", "bias_r", "att", "bias", "residual"})
    | {"negative_slope", "edge_attr", "lin_edge", "add_self_loops", "fill_value"},
)
