"""Messages along directed edges: the parts of chemprop's BondMessagePassing and AtomMessagePassing.

    edge_linear:      y[v -> w] = W [x[v], e[v -> w]] + b; what depends on x[v] alone is computed once a node
    directed_message: m[v -> w] = sum of h[u -> v] over the edges u -> v, less h[w -> v]
    reverse:          h[w -> v], the value of the reverse of each edge v -> w
    paired:           the values as they are, of graphs in which every edge has a reverse
    sum_edges:        sum of h[u -> v] over the edges u -> v; 0 for a node without any

Yang et al., https://arxiv.org/abs/1904.01561. The reverse is found by the ends of an edge: the k-th edge from w to v is
that of the k-th edge from v to w. Graphs with an edge that has none, or one with other features, are not scored by
models with directed_message, reverse or paired (edge_without_reverse).

edge_linear: [N, C], edge_attr [E, D] -> [E, out]; weight [out, C + D], bias [out]
directed_message, reverse, paired: [E, C] -> [E, C]
sum_edges: [E, C] -> [N, C]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats, Indices
from graphscore._graphs import Graphs, edges_of_nodes, reverses
from graphscore._ops._aggregate import linear
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Finishing, Function, Operation, Step, unfinished
from graphscore._products import Finish
from graphscore._sparse import csr_matvecs


def _read_linear(spec: StepSpec) -> Step:
    width = spec.value(0, "node").width
    place, edge = spec.value_of("edge_attr", "edge")
    spec.bind("both", width + edge.width, "inputs[0] and edge_attr")
    weight, bias = spec.weight("weight", "out", "both"), spec.optional_weight("bias", "out")

    def compile_(compiler: Compiler) -> Finishing:
        of_nodes = linear(compiler, np.ascontiguousarray(weight[:, :width]), bias)
        of_edges = compiler.product(np.ascontiguousarray(weight[:, width:]).T)

        def run(values: Sequence[Floats], graphs: Graphs, finish: Finish | None) -> Floats:
            nodes = of_nodes(values[0])

            def add(rows: Floats, where: slice) -> None:
                np.add(rows, np.take(nodes, graphs.sources[where], axis=0), out=rows)
                if finish is not None:
                    finish(rows, where)

            return of_edges(values[place], add)

        return run

    return Step("edge", len(weight), unfinished(compile_), finishing=compile_, edge_width=len(weight))


def _read_message(spec: StepSpec) -> Step:
    width = spec.value(0, "edge").width

    def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
        result = np.take(graphs.derive(edges_of_nodes).sum(values[0]), graphs.sources, axis=0)
        _add_rows(result, values[0], graphs.derive(reverses), -1)
        return result

    return Step("edge", width, _always(run), paired=True)


def _read_reverse(spec: StepSpec) -> Step:
    width = spec.value(0, "edge").width

    def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
        return np.take(values[0], graphs.derive(reverses), axis=0)

    return Step("edge", width, _always(run), paired=True)


def _read_paired(spec: StepSpec) -> Step:
    width = spec.value(0, "edge").width
    return Step("edge", width, _always(lambda values, _: values[0]), consumes=True, paired=True)


def _read_sum(spec: StepSpec) -> Step:
    width = spec.value(0, "edge").width

    def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
        return graphs.derive(edges_of_nodes).sum(values[0])

    return Step("node", width, _always(run))


def _always(run: Function) -> Callable[[Compiler], Function]:
    return lambda _: run


def _add_rows(result: Floats, rows: Floats, index: Indices, factor: int) -> None:
    """Add factor * rows[index] to the result: [M, C], [E, C], in one pass over both."""
    count, columns = result.shape
    matrix = (np.arange(count + 1, dtype=np.int32), index, np.full(count, factor, np.float32))
    csr_matvecs(count, len(rows), columns, *matrix, rows.reshape(-1), result.reshape(-1))


EDGE_LINEAR: Final = Operation(_read_linear, frozenset({"edge_attr", "weight", "bias"}))
DIRECTED_MESSAGE: Final = Operation(_read_message)
REVERSE: Final = Operation(_read_reverse)
PAIRED: Final = Operation(_read_paired)
SUM_EDGES: Final = Operation(_read_sum)
