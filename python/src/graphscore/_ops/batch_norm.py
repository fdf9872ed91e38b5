"""Batch normalisation as it is after training: torch.nn.BatchNorm1d and torch_geometric.nn.BatchNorm in eval mode.

    y = (x - running_mean) / sqrt(running_var + eps) * weight + bias

[., C] -> [., C], of any kind; every tensor [C], weight and bias optional.
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

_FAR: Final = 8.0
"""Means of up to so many deviations are folded into the bias: the rounding of x * scale is small then."""


def read(spec: StepSpec) -> Step:
    """Read the step."""
    value = spec.value(0)
    mean, variance = spec.weight("running_mean", "in"), spec.weight("running_var", "in")
    weight, bias = spec.optional_weight("weight", "in"), spec.optional_weight("bias", "in")
    eps = spec.number("eps", default=1e-5, minimum=0)
    with np.errstate(all="ignore"):
        scale = (1.0 if weight is None else weight.astype(np.float64)) / np.sqrt(variance.astype(np.float64) + eps)
    if not np.isfinite(scale).all():
        raise spec.error(f"running_var: {float(variance.min()):g} + eps {eps:g} has no inverse square root")
    shift = np.zeros(value.width) if bias is None else bias.astype(np.float64)
    folded = bool((np.abs(mean * scale) <= _FAR).all())

    def compile_(_: Compiler) -> Function:
        away, times = Row(mean), Row(scale.astype(np.float32))
        plus = Row((shift - mean * scale if folded else shift).astype(np.float32))

        def run(values: Sequence[Floats], _: Graphs) -> Floats:
            if not folded:
                away.apply(np.subtract, values[0])
            times.apply(np.multiply, values[0])
            plus.apply(np.add, values[0])
            return values[0]

        return run

    return Step(value.kind, value.width, compile_, consumes=True)


OPERATION: Final = Operation(read, frozenset({"running_mean", "running_var", "weight", "bias", "eps"}))
