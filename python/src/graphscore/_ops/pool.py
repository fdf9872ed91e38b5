"""Readouts: what a graph has of its nodes, or of its edges.

    sum_pool, mean_pool, max_pool, min_pool: torch_geometric.nn.global_add_pool and its kin, and the aggregations
        of these names; over a graph without nodes or edges, 0
    attention_pool: sum of softmax(gate) x over the graph, torch_geometric.nn.aggr.AttentionalAggregation: its two
        networks are steps of their own; the inputs are x [., C] and gate [., 1] or [., C]

[N, C] or [E, C] -> [G, C]. Sums are in the order of the nodes or edges, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._activations import exp
from graphscore._arrays import Floats
from graphscore._batch import Level
from graphscore._graphs import Graphs, edges_of_graphs, nodes_of_graphs
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._segments import Segments


def _segments(kind: Level) -> Callable[[Graphs], Segments]:
    return nodes_of_graphs if kind == "node" else edges_of_graphs


def _reader(pool: Callable[[Segments, Floats], npt.NDArray[Any]]) -> Callable[[StepSpec], Step]:
    def read(spec: StepSpec) -> Step:
        value = spec.value(0, "node", "edge")
        segments = _segments(value.kind)

        def compile_(_: Compiler) -> Function:
            def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
                return pool(graphs.derive(segments), values[0]).astype(np.float32, copy=False)

            return run

        return Step("graph", value.width, compile_)

    return read


def _read_attention(spec: StepSpec) -> Step:
    value = spec.value(0, "node", "edge")
    gate = spec.value(1, value.kind)
    if gate.width not in (1, value.width):
        raise spec.error(f"inputs[1]: {gate.said}, but {value.said}; they must be as many, or 1")
    segments = _segments(value.kind)

    def compile_(compiler: Compiler) -> Function:
        compiler.tested("exp", exp)

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            runs = graphs.derive(segments)
            return runs.total(values[0] * runs.softmax(values[1].copy())).astype(np.float32)

        return run

    return Step("graph", value.width, compile_)


SUM: Final = Operation(_reader(Segments.total))
MEAN: Final = Operation(_reader(Segments.mean))
MAX: Final = Operation(_reader(Segments.maximum))
MIN: Final = Operation(_reader(Segments.minimum))
ATTENTION: Final = Operation(_read_attention, inputs=(2, 2))
