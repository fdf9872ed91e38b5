"""Elementwise functions, after torch.nn, with the parameters and defaults that they have there.

[., C] -> [., C], of any kind. `function` is one of FUNCTIONS; its parameters are keys of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from graphscore import _activations
from graphscore._activations import Activation
from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Compiler, Function, Operation, Rowwise, Step

_One: TypeAlias = Callable[[Floats], Any]
_Make: TypeAlias = Callable[..., _One]

_ROOT_2: Final = np.float32(math.sqrt(0.5))
_GELU: Final = np.float32(math.sqrt(2 / math.pi))
_SELU_ALPHA: Final = 1.6732632423543772
_SELU_SCALE: Final = np.float32(1.0507009873554805)
_ONE: Final = np.float32(1)
_ZERO: Final = np.float32(0)
_SIXTH: Final = np.float32(1 / 6)


def _sigmoid(x: Floats) -> Floats:
    return _activations.sigmoid(x.copy())


def _softplus(x: Floats) -> Floats:
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, _ZERO) + np.log1p(np.exp(-np.abs(x)))


def _leaky_relu(negative_slope: float) -> _One:
    if negative_slope == 0.01:  # noqa: PLR2004 torch.nn's default
        return _activations.leaky_relu
    if negative_slope == 0:
        return _activations.relu  # infinity times 0 is no number
    slope = np.float32(negative_slope)
    pick = np.maximum if negative_slope <= 1 else np.minimum
    return lambda x: pick(x, x * slope)


def _elu(alpha: float) -> _One:
    if alpha == 1:
        return _activations.elu
    return lambda x: np.where(x > 0, x, np.float32(alpha) * np.expm1(np.minimum(x, _ZERO)))


def _celu(alpha: float) -> _One:
    a = np.float32(alpha)
    return lambda x: np.where(x > 0, x, a * np.expm1(np.minimum(x, _ZERO) / a))


def _gelu_erf() -> _One:
    from scipy.special import erf  # noqa: PLC0415 slow to import, and few models need it

    def gelu(x: Floats) -> Any:
        result = erf(x * _ROOT_2)
        result += _ONE
        result *= x
        result *= np.float32(0.5)
        return result

    return gelu


def _gelu_tanh(x: Floats) -> Any:
    inner = _GELU * (x + np.float32(0.044715) * (x * x * x))
    return np.float32(0.5) * x * (_ONE + np.tanh(inner))


def _softplus_beta(beta: float, threshold: float) -> _One:
    b = np.float32(beta)
    return lambda x: np.where(x * b > np.float32(threshold), x, _softplus(x * b) / b)


def _clip(min_val: float, max_val: float) -> _One:
    low, high = np.float32(min_val), np.float32(max_val)
    return lambda x: np.minimum(np.maximum(x, low), high) + _ZERO


def _hardsigmoid(x: Floats) -> Any:
    return np.minimum(np.maximum(x + np.float32(3), _ZERO), np.float32(6)) * _SIXTH


def _softshrink(lambd: float) -> _One:
    edge = np.float32(lambd)
    return lambda x: np.where(x > edge, x - edge, np.where(x < -edge, x + edge, x * _ZERO))


def _plain(function: _One) -> _Make:
    return lambda: function


FUNCTIONS: Final[Mapping[str, tuple[_Make, Mapping[str, float]]]] = {
    "abs": (_plain(np.abs), {}),
    "celu": (_celu, {"alpha": 1.0}),
    "cos": (_plain(np.cos), {}),
    "elu": (_elu, {"alpha": 1.0}),
    "exp": (_plain(_activations.exp), {}),
    "gelu": (_gelu_erf, {}),
    "gelu_tanh": (_plain(_gelu_tanh), {}),
    "hardshrink": (
        lambda lambd: lambda x: np.where(np.abs(x) <= np.float32(lambd), x * _ZERO, x),
        {"lambd": 0.5},
    ),
    "hardsigmoid": (_plain(_hardsigmoid), {}),
    "hardswish": (_plain(lambda x: x * _hardsigmoid(x)), {}),
    "hardtanh": (_clip, {"min_val": -1.0, "max_val": 1.0}),
    "leaky_relu": (_leaky_relu, {"negative_slope": 0.01}),
    "log": (_plain(np.log), {}),
    "logsigmoid": (_plain(lambda x: -_softplus(-x)), {}),
    "mish": (_plain(lambda x: x * np.tanh(_softplus(x))), {}),
    "reciprocal": (_plain(np.reciprocal), {}),
    "relu": (_plain(_activations.relu), {}),
    "relu6": (_plain(_clip(0.0, 6.0)), {}),
    "selu": (_plain(lambda x: _SELU_SCALE * _elu(_SELU_ALPHA)(x)), {}),
    "sigmoid": (_plain(_activations.sigmoid), {}),
    "silu": (_plain(lambda x: x * _sigmoid(x)), {}),
    "sin": (_plain(np.sin), {}),
    "softplus": (_softplus_beta, {"beta": 1.0, "threshold": 20.0}),
    "softshrink": (_softshrink, {"lambd": 0.5}),
    "softsign": (_plain(lambda x: x / (_ONE + np.abs(x))), {}),
    "sqrt": (_plain(np.sqrt), {}),
    "square": (_plain(np.square), {}),
    "tanh": (_plain(_activations.tanh), {}),
    "tanhshrink": (_plain(lambda x: x - np.tanh(x)), {}),
    "threshold": (
        lambda threshold, value: lambda x: np.where(x <= np.float32(threshold), np.float32(value), x),
        {"threshold": math.nan, "value": math.nan},
    ),
}
"""What `function` may be: how it is made, its parameters and their defaults; NaN: the parameter must be given."""

_IN_PLACE: Final = frozenset({"elu", "exp", "leaky_relu", "relu", "sigmoid", "tanh"})
"""The functions that may write into their argument."""


def read(spec: StepSpec) -> Step:
    """Read the step."""
    value = spec.value(0)
    name = spec.choice("function", FUNCTIONS)
    make, defaults = FUNCTIONS[name]
    known = {"name", "op", "inputs", "function", *defaults}
    spec.check_keys(known, known)
    numbers = {
        key: spec.number(key, default=None if math.isnan(default) else default) for key, default in defaults.items()
    }
    for key in ("alpha", "beta"):
        if numbers.get(key) == 0:
            raise spec.error(f"{key}: expected a number other than 0, got 0")

    def compile_(compiler: Compiler) -> Function:
        function = compiler.tested(_key(name, numbers), _float32(make(**numbers)))

        def run(values: Sequence[Floats], _: Graphs) -> Floats:
            return function(values[0])

        return run

    def rowwise(compiler: Compiler) -> Rowwise:
        function = compiler.tested(_key(name, numbers), _float32(make(**numbers)))

        def change(rows: Floats, _: Sequence[Floats]) -> None:
            result = function(rows)
            if result is not rows:
                rows[:] = result

        return change

    return Step(value.kind, value.width, compile_, rowwise=rowwise, consumes=name in _IN_PLACE)


def plain_function(name: str) -> tuple[str, Activation]:
    """Return a function with its default parameters, and its name for messages."""
    make, defaults = FUNCTIONS[name]
    return _key(name, defaults), _float32(make(**defaults))


def _key(name: str, numbers: Mapping[str, float]) -> str:
    """Return the function for messages, e.g. 'elu(alpha=2)'."""
    return f"{name}({', '.join(f'{key}={number:g}' for key, number in numbers.items())})" if numbers else name


def _float32(function: _One) -> Activation:
    return lambda x: np.asarray(function(x), np.float32)


OPERATION: Final = Operation(
    read, frozenset({"function"}) | {key for _, parameters in FUNCTIONS.values() for key in parameters}
)
