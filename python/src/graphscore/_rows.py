"""Arithmetic on rows [N, C], in place, where numpy's own broadcasting is slow.

Context: numpy copies an operand that is broadcast along rows of a few columns into a buffer first, and compares
with one number value by value: each costs more than the sparse product of the same rows.
Decision: operands of one row are laid out once, as often as fills numpy's buffer, and rows are scaled by
SciPy's C loop. Price: 32 KiB or more a bias. Each value has the bits that `rows + bias`, or
`rows * factors[:, None]`, would return.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphscore._arrays import Floats
from graphscore._sparse import csr_scale_rows

_BLOCK: Final = 8192
"""Values. From this many on numpy does not buffer (np.getbufsize())."""


_KEPT: Final = 1 << 14
"""Rows whose places in an array are kept from call to call, for each of a few widths: 64 KiB."""

_INT32: Final = 2**31 - 1


class Row:
    """One row [C] to be added to each of many rows, or compared with them."""

    def __init__(self, row: Floats) -> None:
        self._rows = -(-_BLOCK // len(row))
        self._block = np.tile(row, self._rows)

    def apply(self, function: np.ufunc, rows: Floats) -> None:
        """Replace rows [N, C], which are row-major, by function(rows, row)."""
        whole = len(rows) // self._rows
        blocks = rows[: whole * self._rows].reshape(whole, len(self._block), copy=False)
        function(blocks, self._block, out=blocks)
        rest = rows[whole * self._rows :].reshape(-1, copy=False)
        function(rest, self._block[: len(rest)], out=rest)


def scale(rows: Floats, factors: Floats) -> None:
    """Multiply rows [N, C], which are row-major, with factors [N]."""
    nodes, columns = rows.shape
    values = rows.reshape(-1, copy=False)
    if columns == 1:
        np.multiply(values, factors, out=values)
        return
    # The rows as a sparse matrix without zeros; the loop does not read its column numbers.
    starts = _starts(columns, _KEPT)[: nodes + 1] if nodes <= _KEPT else _starts.__wrapped__(columns, nodes)
    csr_scale_rows(nodes, columns, starts, starts, values, factors)


@lru_cache(maxsize=16)
def _starts(columns: int, rows: int) -> npt.NDArray[Any]:
    """Return where each of some rows begins in an array of so many columns, and its end: [rows + 1]."""
    kind = np.int32 if rows * columns <= _INT32 else np.int64
    return np.arange(0, (rows + 1) * columns, columns, dtype=kind)


def squares(rows: Floats) -> npt.NDArray[np.float64]:
    """Sum the squares of each row, in float64: [N, C] -> [N, 1]."""
    return dots(rows, rows)


def dots(rows: Floats, others: Floats) -> npt.NDArray[np.float64]:
    """Sum the products of two rows each, in float64: [N, C], [N, C] -> [N, 1].

    numpy adds the columns of a row in an order that follows from C alone, where it need not convert them.
    """
    return row_sums(np.multiply(rows, others, dtype=np.float64))


def row_sums(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum each row: [N, C], row-major -> [N, 1]."""
    return np.add.reduce(rows, axis=1, keepdims=True)


def normalize_rows(rows: Floats, least: float) -> Floats:
    """Divide each row by its Euclidean length, or by `least` where it is shorter; in place."""
    lengths = np.sqrt(squares(rows))
    np.divide(rows, np.maximum(lengths, least), out=rows, casting="same_kind")
    return rows
