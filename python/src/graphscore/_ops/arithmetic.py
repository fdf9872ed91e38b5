"""Arithmetic, element by element: a + b, a - b, a * b, a / b.

a is the first input. b is the second one, of the same kind and as wide, or either of them 1 wide; or a number,
`value`; or a vector, `tensor` [C]. With `reversed`, a number or vector comes first: b - a, b / a.

[., C], [., C] -> [., C], of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec, Value
from graphscore._ops._step import Compiler, Function, Operation, Rowwise, Step

_PAIR: Final = 2


def _reader(function: np.ufunc, *, ordered: bool) -> Callable[[StepSpec], Step]:
    def read(spec: StepSpec) -> Step:
        value = spec.value(0)
        backwards = ordered and spec.flag("reversed", default=False)
        number = None if spec.get("value") is None else np.float32(spec.number("value"))
        tensor = spec.optional_weight("tensor", "in")
        given = (len(spec.inputs) == _PAIR) + (number is not None) + (tensor is not None)
        if given != 1:
            raise spec.error("there must be one of: a second name in inputs, value, tensor")
        if len(spec.inputs) == _PAIR:
            if backwards:
                raise spec.error("reversed is for a value or a tensor; change the order of inputs")
            return _of_two(function, value, spec.value(1, value.kind), spec)
        return _of_one(function, value, number if tensor is None else tensor, backwards=backwards)

    return read


def _of_two(function: np.ufunc, first: Value, second: Value, spec: StepSpec) -> Step:
    if first.width != second.width and 1 not in (first.width, second.width):
        raise spec.error(f"inputs[1]: {second.said}, but {first.said}; they must be as many, or one of them 1")
    width = max(first.width, second.width)

    def compile_(_: Compiler) -> Function:
        def run(values: Sequence[Floats], _: Graphs) -> Floats:
            if first.width < width:
                return np.asarray(function(values[0], values[1]))
            return np.asarray(function(values[0], values[1], out=values[0]))

        return run

    def rowwise(_: Compiler) -> Rowwise:
        def change(rows: Floats, others: Sequence[Floats]) -> None:
            function(rows, others[0], out=rows)

        return change

    if first.width < width:
        return Step(first.kind, width, compile_)
    return Step(first.kind, width, compile_, rowwise=rowwise, consumes=True)


def _of_one(function: np.ufunc, value: Value, other: object, *, backwards: bool) -> Step:
    def compile_(_: Compiler) -> Function:
        def run(values: Sequence[Floats], _: Graphs) -> Floats:
            pair = (other, values[0]) if backwards else (values[0], other)
            return np.asarray(function(*pair, out=values[0]))

        return run

    return Step(value.kind, value.width, compile_, consumes=True)


_KEYS: Final = frozenset({"value", "tensor"})

ADD: Final = Operation(_reader(np.add, ordered=False), _KEYS, (1, _PAIR))
SUBTRACT: Final = Operation(_reader(np.subtract, ordered=True), _KEYS | {"reversed"}, (1, _PAIR))
MULTIPLY: Final = Operation(_reader(np.multiply, ordered=False), _KEYS, (1, _PAIR))
DIVIDE: Final = Operation(_reader(np.divide, ordered=True), _KEYS | {"reversed"}, (1, _PAIR))
