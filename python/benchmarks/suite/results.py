"""What was measured, and what was to be reached."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

_TINY: Final = 0.01
_DECIMALS: Final = (10, 100)
"""Below each of these a number gets one more decimal."""


@dataclass(frozen=True)
class Row:
    """One number with its spread over the rounds, and its target."""

    what: str
    values: list[float] = field(default_factory=list)
    """One a round; empty: not measured, note says why."""
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def target(self) -> str:
        """The target in words, empty where there is none."""
        if self.at_least is not None and self.at_most is not None:
            return f"{number(self.at_least)} to {number(self.at_most)} {self.unit}".strip()
        if self.at_least is not None:
            return f">= {number(self.at_least)} {self.unit}".strip()
        if self.at_most is not None:
            return f"<= {number(self.at_most)} {self.unit}".strip()
        return ""

    @property
    def measured(self) -> str:
        """Median and spread, or why there is none."""
        if not self.values:
            return "not measured"
        text = f"{number(self.median)} {self.unit}".strip()
        if len(self.values) > 1:
            text += f" ({number(min(self.values))} to {number(max(self.values))})"
        return text

    @property
    def reached(self) -> str:
        """Yes, no, or nothing where there is no target; no number, no yes."""
        if not self.target:
            return ""
        if not self.values:
            return "not measured"
        below = self.at_least is not None and self.median < self.at_least
        above = self.at_most is not None and self.median > self.at_most
        return "no" if below or above else "yes"


@dataclass(frozen=True)
class Side:
    """The runs of one side on one workload."""

    workload: str
    name: str
    graphs: int
    seconds: list[float]
    """Without start-up, one a round."""
    startup_seconds: list[float]
    cpu_seconds: list[float]
    """Of all processes, start-up included."""
    peak_bytes: int = 0
    """From a run of its own; 0: not measured."""
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage of graphscore, medians."""

    @property
    def rates(self) -> list[float]:
        """Graphs per second, start-up left out."""
        return [self.graphs / s for s in self.seconds]


@dataclass(frozen=True)
class Section:
    """What was measured together."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    commit: str = ""
    date: str = ""
    took_seconds: float = 0

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @staticmethod
    def of(record: dict[str, Any]) -> Section:
        """Read a record back."""
        rows = [Row(**row) for row in record["rows"]]
        sides = [Side(**side) for side in record["sides"]]
        return Section(**{**record, "rows": rows, "sides": sides})


def number(value: float) -> str:
    """Three digits or more, no exponent unless the value is tiny."""
    if value and abs(value) < _TINY:
        return f"{value:.1e}"
    decimals = sum(abs(value) < limit for limit in _DECIMALS)
    return f"{value:,.{decimals}f}"


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Ratios of pairs."""
    return [a / b for a, b in zip(above, below, strict=True)]
