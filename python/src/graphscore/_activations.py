"""Activations, after the definitions of torch.nn, in place on float32 [N, C] arrays in row-major order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from graphscore._arrays import Floats
from graphscore._rows import Row

Activation: TypeAlias = Callable[[Floats], Floats]
"""Changes its argument and returns it."""

_ZERO: Final = Row(np.zeros(1, np.float32))


def none(x: Floats) -> Floats:
    """Return x."""
    return x


def relu(x: Floats) -> Floats:
    """max(x, 0); torch.nn.ReLU."""
    _ZERO.apply(np.maximum, x.reshape(-1, 1, copy=False))
    return x


def leaky_relu(x: Floats) -> Floats:
    """max(x, 0) + 0.01 min(x, 0); torch.nn.LeakyReLU with its default slope."""
    np.maximum(x, x * np.float32(0.01), out=x)
    return x


def elu(x: Floats) -> Floats:
    """Return x where x > 0, else exp(x) - 1; torch.nn.ELU with alpha 1."""
    below = np.expm1(np.minimum(x, np.float32(0)))
    np.maximum(x, np.float32(0), out=x)
    x += below
    return x


def tanh(x: Floats) -> Floats:
    """Hyperbolic tangent; torch.nn.Tanh."""
    np.tanh(x, out=x)
    return x


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)); torch.nn.Sigmoid."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += np.float32(1)
    np.divide(np.float32(1), x, out=x)
    return x


def exp(x: Floats) -> Floats:
    """Exponential function; torch.exp."""
    np.exp(x, out=x)
    return x


def softmax(x: Floats) -> Floats:
    """exp(x) / sum(exp(x)) over each row; torch.nn.Softmax(dim=1).

    The sum runs over the columns in their order, so that it cannot depend on the number of rows.
    """
    x -= x.max(axis=1, keepdims=True)
    np.exp(x, out=x)
    x /= _total(x)[:, None]
    return x


def log_softmax(x: Floats) -> Floats:
    """X - log(sum(exp(x))) over each row; torch.nn.LogSoftmax(dim=1)."""
    x -= x.max(axis=1, keepdims=True)
    x -= np.log(_total(np.exp(x)))[:, None]
    return x


def _total(x: Floats) -> Floats:
    """Sum each row in the order of its columns, which cannot depend on the number of rows: [N, C] -> [N]."""
    total = x[:, 0].copy()
    for column in range(1, x.shape[1]):
        total += x[:, column]
    return total


ACTIVATIONS: Final[dict[str, Activation]] = {
    "elu": elu,
    "leaky_relu": leaky_relu,
    "none": none,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
}
"""What a layer's `activation` may be."""

OUTPUT_ACTIVATIONS: Final[dict[str, Activation]] = {"none": none, "sigmoid": sigmoid, "softmax": softmax}
"""What a model's `output_activation` may be."""


def place_invariant(activation: Activation) -> bool:
    """Return whether a row's result is the same at every place of an array, to the bit.

    Vector code treats the last few values of an array differently from the others; here each row is once
    at every distance from both ends of an array.
    """
    rows, width = 80, 3
    base = np.random.default_rng(0).standard_normal((rows, width), np.float32) * np.float32(4)
    base[::7, 0], base[3::7, 1] = 0, -0.0
    with np.errstate(all="ignore"):
        wanted = activation(base.copy())
        for cut in range(1, rows):
            head, tail = activation(base[:cut].copy()), activation(base[cut:].copy())
            inner = activation(base.copy()[cut:])  # at another address than that of an array of its own
            if head.tobytes() != wanted[:cut].tobytes() or any(
                found.tobytes() != wanted[cut:].tobytes() for found in (tail, inner)
            ):
                return False
    return True
