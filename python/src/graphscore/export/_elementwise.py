"""Elementwise functions of torch and torch.nn.functional."""

from __future__ import annotations

import math
from typing import Any, Final

import torch

from graphscore.export._arithmetic import binary
from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._shapes import made
from graphscore.export._values import Rows, Value

_RRELU: Final = (1 / 8, 1 / 3)


def activate(m: Mapper, input: Value, function: str, **keys: float) -> Value:
    """Apply an elementwise function."""
    input = made(m, input)  # noqa: A001
    if not isinstance(input, Rows):
        raise m.error(f"{function} of a {type(input).__name__} has no equal among the steps of a model folder")
    return m.rows("activation", input, input.trail, function=function, **keys)


def _plain(function: str) -> Handler:
    def handler(m: Mapper, input: Value, inplace: bool = False) -> Value:
        return activate(m, input, function)

    return handler


def leaky_relu(m: Mapper, input: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """F.leaky_relu."""
    return activate(m, input, "leaky_relu", negative_slope=negative_slope)


def elu(m: Mapper, input: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """F.elu."""
    if alpha == 0:
        return activate(m, input, "relu")
    return activate(m, input, "elu", alpha=alpha)


def celu(m: Mapper, input: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """F.celu."""
    return activate(m, input, "celu", alpha=alpha)


def gelu(m: Mapper, input: Value, approximate: str = "none") -> Value:
    """F.gelu."""
    return activate(m, input, "gelu_tanh" if approximate == "tanh" else "gelu")


def softplus(m: Mapper, input: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """F.softplus."""
    return activate(m, input, "softplus", beta=beta, threshold=threshold)


def hardtanh(m: Mapper, input: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Value:
    """F.hardtanh."""
    return clamp(m, input, min_val, max_val)


def hardshrink(m: Mapper, input: Value, lambd: float = 0.5) -> Value:
    """F.hardshrink."""
    return activate(m, input, "hardshrink", lambd=lambd)


def softshrink(m: Mapper, input: Value, lambd: float = 0.5) -> Value:
    """F.softshrink."""
    return activate(m, input, "softshrink", lambd=lambd)


def threshold(m: Mapper, input: Value, threshold: float, value: float, inplace: bool = False) -> Value:
    """F.threshold."""
    return activate(m, input, "threshold", threshold=threshold, value=value)


def rrelu(
    m: Mapper,
    input: Value,
    lower: float = _RRELU[0],
    upper: float = _RRELU[1],
    training: bool = False,
    inplace: bool = False,
) -> Value:
    """F.rrelu, whose slope in eval mode is the mean of its bounds."""
    if training:
        raise m.error("rrelu with training=True draws random slopes in eval mode too; write training=self.training")
    return activate(m, input, "leaky_relu", negative_slope=(lower + upper) / 2)


def prelu(m: Mapper, input: Value, weight: Value) -> Value:
    """F.prelu: a slope for all columns, or one for each."""
    if weight.numel() > 1 and len(input.trail) != 1:
        raise m.error(f"prelu with {weight.numel()} slopes of {whole(input)} has no equal here")
    return m.rows("prelu", input, input.trail, weight=m.tensor(weight.reshape(-1), "weight", of=weight))


def clamp(m: Mapper, input: Value, min: Any = None, max: Any = None) -> Value:
    """torch.clamp with numbers."""
    low, high = (x if x is None or isinstance(x, (int, float)) else _number(m, x) for x in (min, max))
    low, high = None if low == -math.inf else low, None if high == math.inf else high
    if low is not None and high is not None:
        return activate(m, input, "hardtanh", min_val=float(low), max_val=float(high))
    if low is not None:  # max(x, low) = low + relu(x - low)
        if low == 0:
            return activate(m, input, "relu")
        return activate(m, input, "threshold", threshold=float(low), value=float(low))
    if high is None:
        return input
    turned = activate(m, binary(m, "multiply", input, -1), "threshold", threshold=-float(high), value=-float(high))
    return binary(m, "multiply", turned, -1)


def rsqrt(m: Mapper, input: Value) -> Value:
    """torch.rsqrt."""
    return activate(m, activate(m, input, "sqrt"), "reciprocal")


def log1p(m: Mapper, input: Value) -> Value:
    """torch.log1p, to the absolute error that scores are compared with."""
    return activate(m, binary(m, "add", input, 1), "log")


def expm1(m: Mapper, input: Value) -> Value:
    """torch.expm1, to the absolute error that scores are compared with."""
    return binary(m, "subtract", activate(m, input, "exp"), 1)


def _logarithm(base: float) -> Handler:
    def handler(m: Mapper, input: Value) -> Value:
        return binary(m, "divide", activate(m, input, "log"), math.log(base))

    return handler


def _number(m: Mapper, value: Value) -> float:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value)
    raise m.error("clamp has an equal only with numbers as bounds")


def clamp_max(m: Mapper, input: Value, max: Any) -> Value:
    """torch.clamp_max."""
    return clamp(m, input, None, max)


HANDLERS: Final[dict[str, Handler]] = {
    **{
        name: _plain(name)
        for name in (
            "abs",
            "cos",
            "exp",
            "hardsigmoid",
            "hardswish",
            "log",
            "logsigmoid",
            "mish",
            "reciprocal",
            "relu",
            "relu6",
            "selu",
            "sigmoid",
            "silu",
            "sin",
            "softsign",
            "sqrt",
            "square",
            "tanh",
            "tanhshrink",
        )
    },
    "absolute": _plain("abs"),
    "celu": celu,
    "clamp": clamp,
    "clamp_min": clamp,
    "clamp_max": clamp_max,
    "clip": clamp,
    "elu": elu,
    "expit": _plain("sigmoid"),
    "expm1": expm1,
    "gelu": gelu,
    "hardshrink": hardshrink,
    "hardtanh": hardtanh,
    "leaky_relu": leaky_relu,
    "log10": _logarithm(10),
    "log1p": log1p,
    "log2": _logarithm(2),
    "log_sigmoid": _plain("logsigmoid"),
    "prelu": prelu,
    "rrelu": rrelu,
    "rsqrt": rsqrt,
    "softplus": softplus,
    "softshrink": softshrink,
    "_threshold": threshold,
    "threshold": threshold,
}
"""By the name of the function or method."""
