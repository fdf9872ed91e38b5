"""A line on the terminal that says how far a conversion is."""

from __future__ import annotations

import time
from typing import Final, TextIO

_EVERY: Final = 0.5  # seconds


class Progress:
    """Writes one line over and over, where `to` is a terminal.

    Args:
        to: stderr, as a rule.
        inputs: how many inputs there are.
    """

    def __init__(self, to: TextIO, inputs: int) -> None:
        self._to = to
        self._inputs = inputs
        self._shown = to.isatty()
        self._begin = self._last = time.monotonic()
        self._skipped = 0.0

    def skipped(self, done: float) -> None:
        """Note that what was done up to here took no time: an earlier run made it."""
        self._skipped = done

    def update(self, rows: int, finished: int, part: float) -> None:
        """Show the rows so far; `finished` inputs are read, and `part` of the next one."""
        now = time.monotonic()
        if not self._shown or now - self._last < _EVERY:
            return
        self._last = now
        done = (finished + part) / self._inputs
        spent = now - self._begin
        line = f"{rows:,} rows, {100 * done:.0f} %, {spent:.0f} s"
        if done > self._skipped:
            line += f", about {_time(spent * (1 - done) / (done - self._skipped))} left"
        self._to.write(f"\r\x1b[K{line}")
        self._to.flush()

    def close(self) -> None:
        """Remove the line."""
        if self._shown:
            self._to.write("\r\x1b[K")
            self._to.flush()


def _time(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
