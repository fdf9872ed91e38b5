"""What is wrong with a table, and with its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


class TableError(ValueError):
    """A table that cannot be scored: a column is missing or of another type. The message says which and what to do."""


class Faults:
    """The first reason against each row of a block.

    Args:
        rows: how many there are.
    """

    def __init__(self, rows: int) -> None:
        self.bad = np.zeros(rows, np.bool_)
        self.found: dict[int, tuple[str, str]] = {}

    def add(self, rows: npt.NDArray[np.bool_] | None, code: str, message: Callable[[int], str]) -> None:
        """Reject rows, given as a mask, that nothing was said of before; None: there are none."""
        if rows is None:
            return
        for row in np.flatnonzero(rows & ~self.bad).tolist():
            self.found[row] = (code, message(row))
            self.bad[row] = True

    def merge(self, later: Faults) -> None:
        """Reject what `later` does, where nothing was said before."""
        for row, fault in later.found.items():
            if not self.bad[row]:
                self.found[row] = fault
                self.bad[row] = True


def first_of_each(places: npt.NDArray[Any], bounds: npt.NDArray[np.int64]) -> dict[int, int]:
    """Return, for each row that one of the ascending places is in, the first of them, counted from the row's own first.

    Row i has the places bounds[i] to before bounds[i + 1].
    """
    rows, first = np.unique(np.searchsorted(bounds, places, side="right") - 1, return_index=True)
    return dict(zip(rows.tolist(), (places[first] - bounds[rows]).tolist(), strict=True))


def mask(rows: int, chosen: dict[int, int]) -> npt.NDArray[np.bool_] | None:
    """Return a mask of chosen rows, None where there are none."""
    if not chosen:
        return None
    result = np.zeros(rows, np.bool_)
    result[list(chosen)] = True
    return result


def number(value: float) -> str:
    """Return a number as the Go side writes it in messages: the shortest text that is the same float64."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    least, most = -4, 6
    digits, _, power = f"{value!r}".partition("e")
    exponent = int(power) if power else _exponent(digits)
    if least <= exponent < most:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=2)


def _exponent(digits: str) -> int:
    whole, _, part = digits.lstrip("-").partition(".")
    if whole != "0":
        return len(whole) - 1
    return -(len(part) - len(part.lstrip("0")) + 1)


def quoted(text: str) -> str:
    """Return a text in double quotes, as the Go side writes it in messages."""
    short = {
        '"': '\\"',
        "\\": "\\\\",
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
    }
    return '"' + "".join(short.get(char) or _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:  # noqa: PLR2004
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
