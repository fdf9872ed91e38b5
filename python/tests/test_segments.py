"""Sums, extremes and softmax over runs: empty ones, the last one, long ones, and the order of the sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import Array
from graphscore._segments import Segments

COUNTS = [
    [],
    [0],
    [0, 0, 3],
    [3, 0, 0],
    [1, 2, 0, 5],
    [31, 32, 33, 34, 0, 1],
    [200, 0, 7, 33, 32, 0],
]
WIDTHS = [1, 3, 8, 9, 20]


def segments(counts: list[int]) -> Segments:
    return Segments(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))


def one_by_one(rows: Array, counts: list[int], function: Callable[[Array], Any]) -> Array:
    """Apply a function to the rows of each run; 0 for a run of none."""
    stops = np.cumsum(counts).astype(int)
    runs = np.split(rows, stops[:-1]) if counts else []
    results = [function(run) if len(run) else np.zeros(rows.shape[1]) for run in runs]
    return np.array(results).reshape(len(counts), rows.shape[1])


def in_order(rows: Array) -> Array:
    total = np.zeros(rows.shape[1], rows.dtype)
    for row in rows:
        total = total + row
    return total


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_values(counts: list[int], columns: int) -> None:
    rows = np.random.default_rng(1).standard_normal((sum(counts), columns), np.float32)
    runs = segments(counts)
    assert runs.sum(rows).tobytes() == one_by_one(rows, counts, in_order).astype(np.float32).tobytes()
    doubles = rows.astype(np.float64)
    assert runs.total(rows).tobytes() == one_by_one(doubles, counts, in_order).tobytes()
    np.testing.assert_allclose(runs.mean(rows), one_by_one(doubles, counts, lambda r: r.mean(axis=0)), atol=1e-15)
    np.testing.assert_allclose(runs.variance(rows), one_by_one(doubles, counts, lambda r: r.var(axis=0)), atol=1e-14)
    np.testing.assert_array_equal(runs.maximum(rows), one_by_one(rows, counts, lambda r: r.max(axis=0)))
    np.testing.assert_array_equal(runs.minimum(rows), one_by_one(rows, counts, lambda r: r.min(axis=0)))
    assert (
        runs.spread(np.arange(len(counts))[:, None]).ravel().tolist() == np.repeat(range(len(counts)), counts).tolist()
    )


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_softmax(counts: list[int], columns: int) -> None:
    rows = np.random.default_rng(2).standard_normal((sum(counts), columns), np.float32) * np.float32(50)
    runs = segments(counts)
    result = runs.softmax(rows.copy())
    doubles = rows.astype(np.float64)
    doubles -= runs.spread(runs.maximum(rows))
    wanted = np.exp(doubles) / np.maximum(runs.spread(runs.total(np.exp(doubles))), 1e-300)
    np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-7)
    present = np.array(counts, int) > 0
    np.testing.assert_allclose(runs.total(result)[present], 1, rtol=1e-6)


def test_extremes_that_are_not_finite() -> None:
    rows = np.array([[np.nan, 1], [2, -np.inf], [np.inf, -np.inf]], np.float32)
    runs = segments([2, 1])
    np.testing.assert_array_equal(runs.maximum(rows), [[np.nan, 1], [np.inf, -np.inf]])
    np.testing.assert_array_equal(runs.minimum(rows), [[np.nan, -np.inf], [np.inf, -np.inf]])


@settings(max_examples=60)
@given(
    counts=st.lists(st.integers(0, 6) | st.sampled_from([32, 33, 70]), min_size=1, max_size=8),
    columns=st.sampled_from(WIDTHS),
    seed=st.integers(0, 2**32),
)
def test_a_run_does_not_depend_on_those_beside_it(counts: list[int], columns: int, seed: int) -> None:
    """Zeros of both signs too: which of them is the larger one depends on the place in vector code."""
    random = np.random.default_rng(seed)
    rows = random.choice(np.array([0.0, -0.0, 1.5, -2.25, 1e-3], np.float32), (sum(counts), columns))
    functions = (Segments.sum, Segments.total, Segments.mean, Segments.variance, Segments.maximum, Segments.minimum)
    runs, starts = segments(counts), np.concatenate([[0], np.cumsum(counts)])
    for function in functions:
        together = function(runs, rows)
        for place, count in enumerate(counts):
            alone = function(segments([count]), rows[starts[place] : starts[place + 1]])
            assert alone.tobytes() == together[place : place + 1].tobytes()
    weights = runs.softmax(rows.copy())
    for place, count in enumerate(counts):
        part = slice(starts[place], starts[place + 1])
        assert segments([count]).softmax(rows[part].copy()).tobytes() == weights[part].tobytes()
