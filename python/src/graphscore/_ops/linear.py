"""A linear map of each row: torch.nn.Linear and torch_geometric.nn.Linear.

    y = x W^T + b

[., in] -> [., out], of any kind; weight [out, in], bias [out].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._aggregate import linear
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Finishing, Operation, Step, unfinished
from graphscore._products import Finish


def read(spec: StepSpec) -> Step:
    """Read the step."""
    kind = spec.value(0).kind
    weight, bias = spec.weight("weight", "out", "in"), spec.optional_weight("bias", "out")

    def compile_(compiler: Compiler) -> Finishing:
        map_ = linear(compiler, weight, bias)

        def run(values: Sequence[Floats], _: Graphs, finish: Finish | None) -> Floats:
            return map_(values[0], finish)

        return run

    return Step(kind, len(weight), unfinished(compile_), finishing=compile_)


OPERATION: Final = Operation(read, frozenset({"weight", "bias"}))
