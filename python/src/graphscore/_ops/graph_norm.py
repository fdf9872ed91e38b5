"""Normalisation over the nodes of a graph, column by column.

    graph_norm:    weight (x - mean_scale mean) / sqrt(var + eps) + bias, var the mean square of the numerator;
                   torch_geometric.nn.GraphNorm
    instance_norm: (x - mean) / sqrt(var + eps) weight + bias; with running_mean and running_var, those instead of the
                   graph's own; torch_geometric.nn.InstanceNorm
    pair_norm:     scale (x - mean) / sqrt(eps + mean over the nodes of the squared length of the numerator), or, where
                   it scales individually, / (eps + its own length); torch_geometric.nn.PairNorm

[N, C] -> [N, C], or the edges of a graph likewise; every tensor [C]. Sums are in float64, var in two passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Floats
from graphscore._graphs import Graphs, edges_of_graphs, nodes_of_graphs
from graphscore._ops._affine import Affine
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._ops.batch_norm import read as read_batch_norm
from graphscore._rows import row_sums
from graphscore._segments import Segments

Doubles = npt.NDArray[np.float64]
_Normalise = Callable[[Doubles, Segments], Doubles]


def _step(spec: StepSpec, normalise: _Normalise, affine: Affine) -> Step:
    value = spec.value(0, "node", "edge")
    segments = nodes_of_graphs if value.kind == "node" else edges_of_graphs

    def compile_(_: Compiler) -> Function:
        finish = affine.compile()

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            rows = values[0].astype(np.float64)
            return finish(normalise(rows, graphs.derive(segments)).astype(np.float32))

        return run

    return Step(value.kind, value.width, compile_)


def _centred(rows: Doubles, runs: Segments, scale: Floats | None, eps: float) -> Doubles:
    mean = runs.mean(rows)
    rows -= runs.spread(mean if scale is None else mean * scale)
    rows /= runs.spread(np.sqrt(runs.mean(rows * rows) + eps))
    return rows


def _read_graph_norm(spec: StepSpec) -> Step:
    affine = Affine(spec.weight("weight", "in"), spec.weight("bias", "in"))
    scale, eps = spec.weight("mean_scale", "in"), spec.number("eps", default=1e-5, minimum=0)
    return _step(spec, lambda rows, runs: _centred(rows, runs, scale, eps), affine)


def _read_instance_norm(spec: StepSpec) -> Step:
    if spec.get("running_mean") is not None or spec.get("running_var") is not None:
        return read_batch_norm(spec)
    affine = Affine(spec.optional_weight("weight", "in"), spec.optional_weight("bias", "in"))
    eps = spec.number("eps", default=1e-5, minimum=0)
    return _step(spec, lambda rows, runs: _centred(rows, runs, None, eps), affine)


def _read_pair_norm(spec: StepSpec) -> Step:
    scale, eps = spec.number("scale", default=1.0), spec.number("eps", default=1e-5, minimum=0)
    individually = spec.flag("scale_individually", default=False)

    def normalise(rows: Doubles, runs: Segments) -> Doubles:
        rows -= runs.spread(runs.mean(rows))
        lengths = row_sums(rows * rows)
        if individually:
            rows *= scale / (eps + np.sqrt(lengths))
        else:
            rows *= scale / np.sqrt(eps + runs.spread(runs.mean(lengths)))
        return rows

    return _step(spec, normalise, Affine(None, None))


GRAPH_NORM: Final = Operation(_read_graph_norm, frozenset({"weight", "bias", "mean_scale", "eps"}))
INSTANCE_NORM: Final = Operation(
    _read_instance_norm, frozenset({"weight", "bias", "running_mean", "running_var", "eps"})
)
PAIR_NORM: Final = Operation(_read_pair_norm, frozenset({"scale", "scale_individually", "eps"}))
