"""Weighted sums over runs of rows, in the order of the rows: what every convolution adds up over the edges of a node.

Context: float32 loses a digit of a sum with each ten times as many rows; at 10^5 edges a node's sum is wrong in its
fourth digit. Decision: a run of more than LONG rows is added in float64, where products of two float32 numbers are
exact, and rounded once; all others are added in float32, as they fit the caches twice as well and are nearly all there
are. Price: sums over long runs take a few times as long. Which of the two it is, and the order, follow from the run
alone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Doubles, Floats, Indices
from graphscore._sparse import csr_matvec, csr_matvecs

LONG: Final = 256
"""Rows that are added in float32 at most."""

_SLAB: Final = 1 << 15
"""Values that are converted to float64 at once, about: 256 KiB."""


_NONE: Final = np.empty(0, np.intp)


def long_runs(starts: Indices) -> npt.NDArray[np.intp]:
    """Return the runs of more than LONG rows, ascending."""
    counts = starts[1:] - starts[:-1]
    return np.flatnonzero(counts > LONG) if counts.max(initial=0) > LONG else _NONE


def weighted_sums(starts: Indices, places: Indices, weights: Floats, rows: Floats) -> Floats:
    """Sum weights[m] * rows[places[m]] over each run, in float32: [M, C] -> [S, C], a new array; 0 over a run of none.

    Args:
        starts: run s is m from starts[s] to before starts[s + 1], [S + 1], from 0.
        places: [E], each below M: nothing checks them again.
        weights: [E].
        rows: [M, C], row-major.
    """
    result = np.zeros((len(starts) - 1, rows.shape[1]), np.float32)
    _add(starts, places, weights, rows, result)
    return result


def weighted_doubles(
    runs: npt.NDArray[np.intp],
    starts: Indices,
    places: Indices,
    weights: Floats,
    rows: Floats,
    *,
    factors: Floats | None = None,
) -> Doubles:
    """Sum weights[m] * factors[places[m]] * rows[places[m]] over some of the runs, in float64: -> [len(runs), C].

    Args:
        runs: which of the runs, ascending.
        starts: [S + 1].
        places: [E].
        weights: [E].
        rows: [M, C], row-major; all as `weighted_sums` takes them.
        factors: [M]; None: all 1.
    """
    first = starts[runs].astype(np.int64)
    ends = np.zeros(len(runs) + 1, np.int64)
    np.cumsum(starts[runs + 1] - first, out=ends[1:])
    result = np.zeros((len(runs), rows.shape[1]), np.float64)
    size = max(1, _SLAB // rows.shape[1])
    every = np.arange(size, dtype=np.int32)
    for begin in range(0, int(ends[-1]), size):
        end = min(begin + size, int(ends[-1]))
        low, high = int(np.searchsorted(ends, begin, side="right")) - 1, int(np.searchsorted(ends, end, side="left"))
        inner = np.clip(ends[low : high + 1], begin, end)
        # Entry m of all these runs, one after the other, is entry m - ends[run] of its run.
        entries = np.arange(begin, end) + np.repeat(first[low:high] - ends[low:high], np.diff(inner))
        taken = places[entries]
        doubles = weights[entries].astype(np.float64)
        if factors is not None:
            doubles *= factors[taken]
        values = np.take(rows, taken, axis=0).astype(np.float64)
        _add((inner - begin).astype(np.int32), every[: end - begin], doubles, values, result[low:high])
    return result


def plain_sums(starts: Indices, rows: Doubles) -> Doubles:
    """Sum the rows of each run, in float64: [M, C] -> [S, C]; 0 over a run of none."""
    result = np.zeros((len(starts) - 1, rows.shape[1]), np.float64)
    _add(starts, np.arange(len(rows), dtype=np.int32), np.ones(len(rows), np.float64), rows, result)
    return result


def _add(
    starts: Indices, places: Indices, weights: npt.NDArray[Any], rows: npt.NDArray[Any], result: npt.NDArray[Any]
) -> None:
    """Add the sums to a result of the same type, [S, C]."""
    others, columns = rows.shape
    flat = rows.reshape(-1), result.reshape(-1, copy=False)
    if columns == 1:
        csr_matvec(len(result), others, starts, places, weights, *flat)
    else:
        csr_matvecs(len(result), others, columns, starts, places, weights, *flat)
