"""Graph attention: torch_geometric.nn.GATConv.

    H'[i] = sum over the edges j -> i of a[j, i] W H[j], for each head;  a = softmax over the edges of i of
    leaky_relu(att_src . W H[j] + att_dst . W H[i] + att_edge . W_edge e[j, i])

The heads stand side by side, or are averaged where `concat` is false; then `residual` H[i] and the bias are added. With
`add_self_loops`, existing self loops are left out and each node has one, the last of its edges, whose features are the
mean of those of its other edges (`fill_value`: mean, add, max, min, or a number). Velickovic et al.,
https://arxiv.org/abs/1710.10903.

[N, in] -> [N, heads * out] or [N, out]; weight [heads * out, in], att_src, att_dst, att_edge [heads, out], lin_edge
[heads * out, D], residual [., in], bias [.].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._activations import exp
from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._attention import folded, leaky_relu, looped, plain, read_fill
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._rows import Row


def read(spec: StepSpec) -> Step:
    """Read the step."""
    spec.value(0, "node")
    heads, concat = spec.count("heads", default=1), spec.flag("concat", default=True)
    spec.bind("heads", heads, "heads")
    source, target = spec.weight("att_src", "heads", "out"), spec.weight("att_dst", "heads", "out")
    columns = source.shape[1]
    spec.bind("rows", heads * columns, "heads and att_src")
    weight = spec.weight("weight", "rows", "in")
    edge = spec.optional_value("edge_attr", "edge", "edge_in")
    lin_edge = spec.optional_weight("lin_edge", "rows", "edge_in")
    att_edge = spec.optional_weight("att_edge", "heads", "out")
    if not (edge is None) == (lin_edge is None) == (att_edge is None):
        raise spec.error("edge_attr, lin_edge and att_edge must be there together, or none of them")
    spec.bind("result", heads * columns if concat else columns, "heads, concat and att_src")
    bias, residual = spec.optional_weight("bias", "result"), spec.optional_weight("residual", "result", "in")
    slope = np.float32(spec.number("negative_slope", default=0.2))
    fill = read_fill(spec)
    edges_of = looped if spec.flag("add_self_loops", default=True) else plain

    # att . W x is (att W) . x: one row of a matrix for each head.
    ends = folded(source, weight).T, folded(target, weight).T
    on_edges = None if lin_edge is None or att_edge is None else folded(att_edge, lin_edge)

    def compile_(compiler: Compiler) -> Function:
        compiler.tested("exp", exp)
        product, of_ends = compiler.product(weight.T), compiler.products(ends)
        of_edges = None if on_edges is None else compiler.product(on_edges.T)
        own = None if residual is None else compiler.product(residual.T)
        row = None if bias is None else Row(bias)

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            edges, (source_part, target_part) = graphs.derive(edges_of), of_ends(values[0])
            logits = np.take(source_part, edges.sources, axis=0)
            logits += np.take(target_part, edges.targets, axis=0)
            if of_edges is not None and edge is not None:
                logits += of_edges(edges.with_loops(values[edge[0]], fill))
            logits = edges.softmax(leaky_relu(logits, slope))
            result = edges.total(logits, product(values[0]), concat=concat)
            if own is not None:
                result += own(values[0])
            if row is not None:
                row.apply(np.add, result)
            return result

        return run

    return Step("node", heads * columns if concat else columns, compile_, edge_width=4 * heads)


OPERATION: Final = Operation(
    read,
    frozenset({"heads", "concat", "weight", "att_src", "att_dst", "bias", "residual", "negative_slope"})
    | {"edge_attr", "lin_edge", "att_edge", "add_self_loops", "fill_value"},
)
