"""Activations: values and place-invariance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphscore import _activations
from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from graphscore._arrays import Floats

EXACT: dict[str, Callable[[Any], Any]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
}
ALL = ACTIVATIONS | OUTPUT_ACTIVATIONS


@pytest.mark.parametrize("name", sorted(ALL))
def test_values(name: str) -> None:
    x = np.linspace(-30, 30, 3 * 101, dtype=np.float32).reshape(-1, 3)
    wanted = EXACT[name](x.astype(np.float64))
    result = ALL[name](x.copy())
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_extremes(name: str) -> None:
    x = np.array([[-3e38, 3e38], [-200, 200], [np.nan, 1]], np.float32)
    result = ALL[name](x.copy())
    assert np.isfinite(result[:2]).all()
    assert np.isnan(result[2, 0])


@pytest.mark.parametrize("name", sorted(ALL))
def test_place_invariant(name: str) -> None:
    assert _activations.place_invariant(ALL[name])


def test_self_test_catches_a_tail() -> None:
    def tail(x: Floats) -> Floats:
        whole = x.size // 8 * 8
        flat = x.reshape(-1)
        flat[whole:] = np.nextafter(flat[whole:], np.float32(9))
        return x

    assert not _activations.place_invariant(tail)
