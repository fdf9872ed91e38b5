"""The results as text of 80 columns."""

from __future__ import annotations

import statistics
import textwrap

from suite.results import Row, Section, number
from suite.speed import stage_shares

WIDTH = 80


def show(section: Section) -> str:
    """A section as text."""
    lines = [section.title]
    several = len({side.workload for side in section.sides}) > 1
    workload = ""
    for side in section.sides:
        if several and side.workload != workload:
            workload = side.workload
            lines.append(f" {workload}")
        rate = f"{number(statistics.median(side.rates))} graphs/s"
        cpu = f"{statistics.median(side.cpu_seconds):.2f} s CPU" if side.cpu_seconds else ""
        peak = f"{side.peak_bytes / 1e6:,.0f} MB" if side.peak_bytes else ""
        startup = f"start-up {statistics.median(side.startup_seconds):.2f} s" if side.startup_seconds else ""
        lines.append(f"  {side.name[:22]:<22}{rate:>18}{startup:>17}{cpu:>12}{peak:>9}".rstrip())
        shares = stage_shares(side)
        if shares:
            lines += textwrap.wrap(shares, WIDTH, initial_indent="    ", subsequent_indent="    ")
    for row in section.rows:
        lines += line(row)
    lines.append(f"  ({section.took_seconds:.0f} s)")
    return "\n".join(lines)


def line(row: Row) -> list[str]:
    """A row: what, measured, target, reached."""
    right = f"{row.measured}; {row.target}: {row.reached}" if row.target else row.measured
    left = textwrap.wrap(row.what, WIDTH - 4, initial_indent="  ", subsequent_indent="    ")
    if len(left[-1]) + len(right) + 2 > WIDTH:
        left.append("")
    left[-1] = f"{left[-1]}{right:>{WIDTH - len(left[-1])}}"
    if row.note:
        left += textwrap.wrap(" ".join(row.note.split())[:600], WIDTH, initial_indent="    ", subsequent_indent="    ")
    return left
