"""Sums, extremes and softmax over runs of rows: the edges of each node, the nodes or edges of each graph.

A run is summed in the order of its rows, whatever stands before or after it: numpy's `add.reduceat` adds in pairs,
in an order that depends on the length, so sums are sparse products of SciPy, whose loops go through a row in order.
Sums that are divided, compared or squared later are float64. Extremes do not depend on the order; a zero among them
is always +0, as which of two zeros is the larger one depends on its place in vector code.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Floats, Indices
from graphscore._sparse import csr_matvec, csr_matvecs, expandptr

Doubles = npt.NDArray[np.float64]

_ROUNDS: Final = 32
"""Rows of a run that are compared for all runs at once. What is longer is compared run by run: few are."""

_TINY: Final = 1e-16
"""Added to the denominators of softmax, as torch_geometric.utils.softmax does."""


class Segments:
    """S runs of M rows, one after the other.

    Args:
        starts: run s is the rows starts[s] .. starts[s + 1], [S + 1], from 0.
    """

    def __init__(self, starts: Indices) -> None:
        self.starts: Final = starts

    @cached_property
    def counts(self) -> Indices:
        """Rows of each run, [S]."""
        return np.diff(self.starts)

    @cached_property
    def owner(self) -> Indices:
        """The run of each row, [M]."""
        result = np.empty(int(self.starts[-1]), np.int32)
        expandptr(len(self.starts) - 1, self.starts, result)
        return result

    @cached_property
    def divisors(self) -> Doubles:
        """Rows of each run, at least 1, [S, 1]."""
        return np.maximum(self.counts, 1).astype(np.float64)[:, None]

    @cached_property
    def floats(self) -> Floats:
        """Rows of each run, at least 1, as float32, [S, 1]."""
        return np.maximum(self.counts, 1).astype(np.float32)[:, None]

    def spread(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Repeat the row of each run for its rows: [S, C] -> [M, C]."""
        return np.take(rows, self.owner, axis=0)

    def total(self, rows: npt.NDArray[Any]) -> Doubles:
        """Sum the rows of each run, in float64: [M, C] -> [S, C]; 0 for a run of none."""
        result = np.zeros((len(self.starts) - 1, rows.shape[1]), np.float64)
        return self._sum(rows.astype(np.float64, copy=False), result)

    def mean(self, rows: npt.NDArray[Any]) -> Doubles:
        """Average the rows of each run, in float64: [M, C] -> [S, C]; 0 for a run of none."""
        result = self.total(rows)
        result /= self.divisors
        return result

    def variance(self, rows: Floats) -> Doubles:
        """Average the squared distances to the mean, in two passes and float64: [M, C] -> [S, C]; 0 for none."""
        away = rows - self.spread(self.mean(rows))
        np.square(away, out=away)
        return self.mean(away)

    def sum(self, rows: Floats) -> Floats:
        """Sum the rows of each run, in float32: [M, C] -> [S, C]; 0 for a run of none."""
        return self._sum(rows, np.zeros((len(self.starts) - 1, rows.shape[1]), np.float32))

    def maximum(self, rows: Floats) -> Floats:
        """Take the largest value of each run, column by column: [M, C] -> [S, C]; 0 for a run of none.

        NaN is larger than everything.
        """
        return self._extreme(np.maximum, rows)

    def minimum(self, rows: Floats) -> Floats:
        """Take the smallest value of each run, column by column: [M, C] -> [S, C]; 0 for a run of none.

        NaN is smaller than everything.
        """
        return self._extreme(np.minimum, rows)

    def softmax(self, rows: Floats) -> Floats:
        """exp(x) / sum(exp(x)) over each run, column by column: [M, C] -> [M, C]; torch_geometric.utils.softmax.

        The rows are used up; `numpy.exp` must be place-invariant, see `Compiler.tested`.
        """
        rows -= self.spread(self.maximum(rows))
        np.exp(rows, out=rows)
        sums = self.total(rows)
        sums += _TINY
        np.divide(rows, self.spread(sums), out=rows, casting="same_kind")
        return rows

    def _sum(self, rows: npt.NDArray[Any], result: npt.NDArray[Any]) -> npt.NDArray[Any]:
        count, columns = rows.shape
        matrix = (self.starts, np.arange(count, dtype=np.int32), np.ones(count, rows.dtype))
        if columns == 1:
            csr_matvec(len(result), count, *matrix, rows.reshape(-1), result.reshape(-1))
        else:
            csr_matvecs(len(result), count, columns, *matrix, rows.reshape(-1), result.reshape(-1))
        return result

    def _extreme(self, larger: np.ufunc, rows: Floats) -> Floats:
        result = np.zeros((len(self.starts) - 1, rows.shape[1]), np.float32)
        runs = np.flatnonzero(self.counts)
        result[runs] = rows[self.starts[runs]]
        for place in range(1, _ROUNDS):
            runs = runs[self.counts[runs] > place]
            if not len(runs):
                break
            result[runs] = larger(result[runs], rows[self.starts[runs] + place])
        for run in runs[self.counts[runs] > _ROUNDS]:
            rest = rows[self.starts[run] + _ROUNDS : self.starts[run + 1]]
            result[run] = larger(result[run], larger.reduce(rest, axis=0))
        result += np.float32(0)
        return result
