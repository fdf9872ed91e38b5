"""Sums, extremes and softmax over runs of rows: the edges of each node, the nodes or edges of each graph.

A run is summed in the order of its rows, whatever stands before or after it: numpy's `add.reduceat` adds in pairs,
in an order that depends on the length, so sums are sparse products of SciPy, whose loops go through a row in order
(`_sums`).
Sums that are divided, compared or squared later are float64. Extremes do not depend on the order; a zero among them
is always +0, as which of two zeros is the larger one depends on its place in vector code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Doubles, Floats, Indices
from graphscore._sparse import expandptr
from graphscore._sums import long_runs, plain_sums, weighted_doubles, weighted_sums

_ROUNDS: Final = 32
"""Rows of a run that are taken for all runs at once. What is longer is taken run by run: few are."""

_NARROW: Final = 8
"""Columns up to which sums are faster in rounds than as sparse products."""

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
        doubles = rows.astype(np.float64, copy=False)
        if rows.shape[1] <= _NARROW and not self._rounds.long:
            return self._by_rounds(np.add, doubles)
        return plain_sums(self.starts, doubles)

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
        """Sum the rows of each run, long ones in float64 (`_sums`): [M, C] -> [S, C]; 0 for a run of none."""
        count = len(rows)
        entries = self.starts, np.arange(count, dtype=np.int32), np.ones(count, np.float32)
        result = weighted_sums(*entries, rows)
        long = long_runs(self.starts)
        if len(long):
            result[long] = weighted_doubles(long, *entries, rows)
        return result

    def maximum(self, rows: Floats) -> Floats:
        """Take the largest value of each run, column by column: [M, C] -> [S, C]; 0 for a run of none.

        NaN is larger than everything.
        """
        return self._by_rounds(np.maximum, rows)

    def minimum(self, rows: Floats) -> Floats:
        """Take the smallest value of each run, column by column: [M, C] -> [S, C]; 0 for a run of none.

        NaN is smaller than everything.
        """
        return self._by_rounds(np.minimum, rows)

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

    def _by_rounds(self, function: np.ufunc, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Combine the rows of each run: [M, C] -> [S, C]; 0 for a run of none. Runs that are not long: in their order.

        First the second row of every run that has one, then the third, and so on: longer runs come first, so that
        those with a further row are always the first ones.
        """
        rounds = self._rounds
        result = np.zeros((len(self.starts) - 1, rows.shape[1]), rows.dtype)
        for place, taken in enumerate(rounds.rows):
            part = np.take(rows, taken, axis=0)
            if place:
                function(result[: len(taken)], part, out=result[: len(taken)])
            else:
                result[: len(taken)] = part
        for at, run in enumerate(rounds.order[: rounds.long]):
            rest = rows[self.starts[run] + _ROUNDS : self.starts[run + 1]]
            result[at] = function(result[at], function.reduce(rest, axis=0))
        result += result.dtype.type(0)  # -0 becomes 0
        return np.take(result, rounds.places, axis=0)

    @cached_property
    def _rounds(self) -> _Rounds:
        counts = np.minimum(self.counts, _ROUNDS + 1)
        # Sorting bytes takes as many steps as there are runs.
        order = np.argsort((_ROUNDS + 1 - counts).astype(np.uint8), kind="stable")
        places = np.empty(len(order), np.intp)
        places[order] = np.arange(len(order))
        starts, sizes = self.starts[:-1][order].astype(np.intp), counts[order]
        rows = []
        for place in range(min(_ROUNDS, int(sizes[0]) if len(sizes) else 0)):
            active = int(np.searchsorted(-sizes, -place, side="left"))
            rows.append(starts[:active] + place)
        return _Rounds(order, places, tuple(rows), int((counts > _ROUNDS).sum()))


@dataclass(frozen=True, eq=False)
class _Rounds:
    order: npt.NDArray[np.intp]  # the runs, longer ones first; those above _ROUNDS count as equally long
    places: npt.NDArray[np.intp]  # where each run is in that order
    rows: tuple[npt.NDArray[np.intp], ...]  # the first row of each run, the second row of each that has one, ...
    long: int  # how many runs have more than _ROUNDS rows
