"""Layer normalisation: torch.nn.LayerNorm and torch_geometric.nn.LayerNorm.

    y = (x - mean) / sqrt(var + eps) * weight + bias

In mode `node`, mean and var are those of a row; in mode `graph`, of all values of a graph. Without `batch`, which is
PyG's graph mode where the module is called without a batch vector, the divisor is sqrt(var) + eps.

[., C] -> [., C], of any kind; in mode graph [N, C] or [E, C]; weight and bias [C]. Sums are in float64, var in two
passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Floats
from graphscore._graphs import Graphs, edges_of_graphs, nodes_of_graphs
from graphscore._ops._affine import Affine
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._rows import row_sums

Doubles = npt.NDArray[np.float64]


def read(spec: StepSpec) -> Step:
    """Read the step."""
    graph = spec.choice("mode", ("graph", "node")) == "graph"
    value = spec.value(0, "node", "edge") if graph else spec.value(0)
    affine = Affine(spec.optional_weight("weight", "in"), spec.optional_weight("bias", "in"))
    eps = spec.number("eps", default=1e-5, minimum=0)
    batch = spec.flag("batch", default=True)
    if not batch and not graph:
        raise spec.error("batch is for mode 'graph'")
    segments = nodes_of_graphs if value.kind == "node" else edges_of_graphs

    def of_rows(rows: Doubles) -> Doubles:
        rows -= row_sums(rows) / rows.shape[1]
        rows /= np.sqrt(row_sums(rows * rows) / rows.shape[1] + eps)
        return rows

    def of_graphs(rows: Doubles, graphs: Graphs) -> Doubles:
        runs, columns = graphs.derive(segments), rows.shape[1]
        rows -= runs.spread(row_sums(runs.mean(rows)) / columns)
        variance = row_sums(runs.mean(rows * rows)) / columns
        rows /= runs.spread(np.sqrt(variance + eps) if batch else np.sqrt(variance) + eps)
        return rows

    def compile_(_: Compiler) -> Function:
        finish = affine.compile()

        def run(values: Sequence[Floats], graphs: Graphs) -> Floats:
            rows: npt.NDArray[Any] = values[0].astype(np.float64)
            return finish((of_graphs(rows, graphs) if graph else of_rows(rows)).astype(np.float32))

        return run

    return Step(value.kind, value.width, compile_)


OPERATION: Final = Operation(read, frozenset({"mode", "weight", "bias", "eps", "batch"}))
