"""Columns side by side, some of them, the largest or smallest of several values, and constants.

    concatenate: [., C1], [., C2], ... -> [., C1 + C2 + ...];  torch.cat(..., dim=-1), JumpingKnowledge("cat")
    slice:       [., C] -> [., stop - start], the columns from start to before stop
    take:        [., C] -> [., len(columns)], the columns with these numbers, in their order; x[:, columns]
    maximum:     [., C], [., C], ... -> [., C], the largest of each element; JumpingKnowledge("max")
    minimum:     the smallest of each element
    constant:    rows of the first input -> [., width], each `value`

All are for values of any kind, and one kind a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Step

_MANY: Final = 2**16


def _read_concatenate(spec: StepSpec) -> Step:
    kind = spec.value(0).kind
    width = sum(spec.value(place, kind).width for place in range(len(spec.inputs)))

    def run(values: Sequence[Floats], _: Graphs) -> Floats:
        return np.concatenate(values, axis=1)

    return Step(kind, width, _always(run))


def _read_slice(spec: StepSpec) -> Step:
    value = spec.value(0)
    start = spec.count("start", default=0, minimum=0)
    stop = spec.count("stop", default=value.width)
    if not start < stop <= value.width:
        raise spec.error(f"start {start} and stop {stop} are no columns: {value.said}")

    def run(values: Sequence[Floats], _: Graphs) -> Floats:
        return values[0][:, start:stop].copy()

    return Step(value.kind, stop - start, _always(run))


def _read_take(spec: StepSpec) -> Step:
    value = spec.value(0)
    columns = np.array(spec.counts("columns", value.width))

    def run(values: Sequence[Floats], _: Graphs) -> Floats:
        return np.take(values[0], columns, axis=1)

    return Step(value.kind, len(columns), _always(run))


def _reader_of_extreme(function: np.ufunc) -> Callable[[StepSpec], Step]:
    def read(spec: StepSpec) -> Step:
        value = spec.same()

        def run(values: Sequence[Floats], _: Graphs) -> Floats:
            result = values[0]
            for other in values[1:]:
                function(result, other, out=result)
            result += np.float32(0)  # which of two zeros is the larger one depends on the place
            return result

        return Step(value.kind, value.width, _always(run), consumes=True)

    return read


def _read_constant(spec: StepSpec) -> Step:
    width, number = spec.count("width", default=1), np.float32(spec.number("value"))

    def run(values: Sequence[Floats], _: Graphs) -> Floats:
        return np.full((len(values[0]), width), number, np.float32)

    return Step(spec.value(0).kind, width, _always(run))


def _always(run: Function) -> Callable[[Compiler], Function]:
    return lambda _: run


CONCATENATE: Final = Operation(_read_concatenate, inputs=(1, _MANY))
SLICE: Final = Operation(_read_slice, frozenset({"start", "stop"}))
TAKE: Final = Operation(_read_take, frozenset({"columns"}))
MAXIMUM: Final = Operation(_reader_of_extreme(np.maximum), inputs=(1, _MANY))
MINIMUM: Final = Operation(_reader_of_extreme(np.minimum), inputs=(1, _MANY))
CONSTANT: Final = Operation(_read_constant, frozenset({"width", "value"}))
