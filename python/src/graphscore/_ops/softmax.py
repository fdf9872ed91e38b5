"""Softmax over the columns of each row: torch.nn.Softmax(dim=1) and LogSoftmax(dim=1).

    softmax: exp(x) / sum(exp(x));  log_softmax: x - log(sum(exp(x)))

[., C] -> [., C], of any kind. The sum is in the order of the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from graphscore import _activations
from graphscore._activations import Activation
from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step


def _reader(name: str, function: Activation) -> Callable[[StepSpec], Step]:
    def read(spec: StepSpec) -> Step:
        value = spec.value(0)

        def compile_(compiler: Compiler) -> Function:
            tested = compiler.tested(name, function)

            def run(values: Sequence[Floats], _: Graphs) -> Floats:
                return tested(values[0])

            return run

        return Step(value.kind, value.width, compile_, consumes=True)

    return read


SOFTMAX: Final = Operation(_reader("softmax", _activations.softmax))
LOG_SOFTMAX: Final = Operation(_reader("log_softmax", _activations.log_softmax))
