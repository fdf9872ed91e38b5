"""ReLU with learned slopes: torch.nn.PReLU.

    y = max(x, 0) + weight min(x, 0)

[., C] -> [., C], of any kind; weight [1] or [C].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step
from graphscore._rows import Row


def read(spec: StepSpec) -> Step:
    """Read the step."""
    value = spec.value(0)
    weight = spec.weight("weight", "slopes")
    if len(weight) not in (1, value.width):
        raise spec.error(f"weight has {len(weight)} values, but {value.said}; it must have 1 or as many")

    def compile_(_: Compiler) -> Function:
        slopes = Row(np.broadcast_to(weight, value.width))

        def run(values: Sequence[Floats], _: Graphs) -> Floats:
            below = np.minimum(values[0], np.float32(0))
            slopes.apply(np.multiply, below)
            below += np.maximum(values[0], np.float32(0))
            below += np.float32(0)  # which of two zeros is the larger one depends on the place
            return below

        return run

    return Step(value.kind, value.width, compile_)


OPERATION: Final = Operation(read, frozenset({"weight"}))
