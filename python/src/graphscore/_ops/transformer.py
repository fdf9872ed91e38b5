"""Attention with queries and keys: torch_geometric.nn.TransformerConv.

    H'[i] = sum over the edges j -> i of a[j, i] (V[j] + E[j, i]), for each head;  a = softmax over the edges of i of
    Q[i] . (K[j] + E[j, i]) / sqrt(out);  Q, K, V = H W^T + b of query, key, value;  E = W_edge e[j, i]

The heads stand side by side, or are averaged where `concat` is false. With `root_weight`, S[i] = W_skip H[i] + b_skip
is added; with `beta`, the result is g S + (1 - g) H', g = sigmoid(w_beta . [H', S, H' - S]). Shi et al.,
https://arxiv.org/abs/2009.03509.

[N, in] -> [N, heads * out] or [N, out]; weight_query, weight_key, weight_value [heads * out, in], their biases
[heads * out], weight_edge [heads * out, D], weight_skip [., in], bias_skip [.], weight_beta [1, 3 .].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from graphscore._activations import exp, sigmoid
from graphscore._arrays import Floats
from graphscore._graphs import Adjacency, Graphs
from graphscore._ops._aggregate import linears
from graphscore._ops._attention import by_slices, head_sums, join_heads, plain
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step


def read(spec: StepSpec) -> Step:
    """Read the step."""
    spec.value(0, "node")
    heads, concat = spec.count("heads", default=1), spec.flag("concat", default=True)
    query, key, value = (
        (spec.weight(f"weight_{name}", "rows", "in"), spec.optional_weight(f"bias_{name}", "rows"))
        for name in ("query", "key", "value")
    )
    columns, rest = divmod(len(query[0]), heads)
    if rest:
        raise spec.error(f"weight_query has {len(query[0])} rows, which {heads} heads cannot share")
    edge = spec.optional_value("edge_attr", "edge", "edge_in")
    on_edges = spec.optional_weight("weight_edge", "rows", "edge_in")
    if (edge is None) != (on_edges is None):
        raise spec.error("edge_attr and weight_edge must be there together, or neither of them")
    width = heads * columns if concat else columns
    skip, join = _read_skip(spec, width)
    # q . b is the same for every edge of a node, so the bias of the keys changes no softmax.
    maps = [query, (key[0], None), value, *skip]

    def compile_(compiler: Compiler) -> Function:
        compiler.tested("exp", exp)
        rows_of = linears(compiler, maps)
        of_edges = None if on_edges is None else compiler.product(on_edges.T)
        edge_sum = None if on_edges is None else _edge_sum(compiler, on_edges, heads, concat=concat)
        scale = np.full((heads, columns), 1 / math.sqrt(columns), np.float32)
        sums, finish = head_sums(compiler, scale), join(compiler)

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            edges, (asked, found, sent, *skipped) = graphs.derive(plain), rows_of(values[0])

            def logits(part: slice) -> Floats:
                rows = np.take(found, edges.sources[part], axis=0)
                if of_edges is not None and edge is not None:
                    rows += of_edges(values[edge[0]][part])
                rows *= np.take(asked, edges.targets[part], axis=0)
                return sums(rows)

            weights = edges.softmax(by_slices(edges.count, heads * columns, logits))
            result = edges.total(weights, sent, concat=concat)
            if edge_sum is not None and edge is not None:
                result += edge_sum(weights, values[edge[0]], graphs)
            return finish(result, skipped[0]) if skipped else result

        return run

    return Step("node", width, compile_, edge_width=heads * columns)


def _edge_sum(
    compiler: Compiler, weight: Floats, heads: int, *, concat: bool
) -> Callable[[Floats, Floats, Graphs], Floats]:
    """Return sum a[j, i] W_edge e[j, i]: e is summed first, as it is narrower."""
    products = [compiler.product(part.T) for part in weight.reshape(heads, -1, weight.shape[1])]

    def run(weights: Floats, rows: Floats, graphs: Graphs) -> Floats:
        every = np.arange(graphs.edges, dtype=np.int32)
        parts = [
            product(Adjacency(head, every, graphs.indptr) @ rows)
            for product, head in zip(products, np.ascontiguousarray(weights.T), strict=True)
        ]
        return join_heads(parts, concat=concat)

    return run


def _read_skip(
    spec: StepSpec, width: int
) -> tuple[list[tuple[Floats, Floats | None]], Callable[[Compiler], Callable[[Floats, Floats], Floats]]]:
    """Read what is added at the end: no map or that of S, and what makes a function of the result and S."""
    root, beta = spec.flag("root_weight", default=True), spec.flag("beta", default=False)
    spec.bind("result", width, "heads, concat and weight_query")
    spec.bind("gate", 1, "beta")
    spec.bind("three results", 3 * width, "heads, concat and weight_query")
    weight, bias = spec.optional_weight("weight_skip", "result", "in"), spec.optional_weight("bias_skip", "result")
    gate = spec.optional_weight("weight_beta", "gate", "three results")
    if (weight is not None) != root or (bias is not None and not root):
        raise spec.error("weight_skip must be there where root_weight is true, and only there")
    if (gate is not None) != beta or (beta and not root):
        raise spec.error("weight_beta must be there where beta and root_weight are true, and only there")

    def compile_(compiler: Compiler) -> Callable[[Floats, Floats], Floats]:
        if gate is None:
            return lambda result, skipped: np.add(result, skipped, out=result)
        first, second, third = np.split(gate[0].astype(np.float64), 3)
        of_both = compiler.product(np.concatenate([first + third, second - third]).astype(np.float32)[:, None])
        squash = compiler.tested("sigmoid", sigmoid)

        def mix(result: Floats, skipped: Floats) -> Floats:
            share = squash(of_both(np.concatenate([result, skipped], axis=1)))
            skipped *= share
            result *= np.float32(1) - share
            result += skipped
            return result

        return mix

    return [] if weight is None else [(weight, bias)], compile_


OPERATION: Final = Operation(
    read,
    frozenset({"heads", "concat", "root_weight", "beta", "weight_skip", "bias_skip", "weight_beta", "edge_attr"})
    | {"weight_edge"}
    | {f"{kind}_{name}" for kind in ("weight", "bias") for name in ("query", "key", "value")},
)
