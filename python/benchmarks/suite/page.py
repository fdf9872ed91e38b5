"""The results as a page for people: `.github/BENCHMARKS.md`, with a plot."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from suite.results import Row, Section, Side, number
from suite.rivals import AGAINST
from suite.speed import stage_shares

BEGIN, END = "<!-- by hand: begin -->", "<!-- by hand: end -->"
MEGA = 1e6


def write(page: Path, plot: Path, sections: Sequence[Section], facts: dict[str, str], command: str) -> None:
    """Write the page. What stands between the marks by hand stays."""
    lines = [
        "# Benchmarks",
        "",
        f"Made by `{command}`; do not edit, except between the marks below. Ratios are medians over rounds in which",
        "both sides take turns on the same files, with the smallest and the largest in parentheses. Start-up is left",
        "out on both sides unless a row says otherwise. Memory is the peak of the sum of PSS (shared pages counted",
        "once) of all processes, in a run of its own. Absolute figures swing from day to day on a shared machine;",
        "compare only within this page.",
        "",
        f"![speed of graphscore as a multiple of each rival]({plot.name})",
        "",
        *machine(sections, facts),
        "## What was to be reached",
        "",
        *targets(sections),
        "## What was not reached, and what limits it",
        "",
        BEGIN,
        by_hand(page),
        END,
        "",
        "## Workloads and rivals",
        "",
        *sides(sections),
        "## Stages",
        "",
        "Each stage's share of the time that all spend, added up over what works side by side; `graphscore run",
        "--stages` tells busy and waiting time of one run.",
        "",
        *shares(sections),
        "## Other figures",
        "",
        *others(sections),
    ]
    page.write_text("\n".join(lines).rstrip() + "\n")


def by_hand(page: Path) -> str:
    """What stands between the marks, or a line to begin with."""
    if page.exists():
        _, begin, rest = page.read_text().partition(BEGIN)
        text, end, _ = rest.partition(END)
        if begin and end:
            return text.strip("\n")
    return "(to be filled in by hand, from profiles)"


def machine(sections: Sequence[Section], facts: dict[str, str]) -> list[str]:
    """Machine facts, commits and dates."""
    commits = sorted({s.commit for s in sections})
    dates = sorted(s.date for s in sections)
    lines = ["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in facts.items())]
    titles = [s.title.removeprefix(AGAINST).partition(": ")[0] for s in sections if s.title.startswith(AGAINST)]
    against = [title for title in dict.fromkeys(titles) if "(" in title]
    lines += [f"| rivals | {'; '.join(against)} |"] if against else []
    lines.append(f"| commit | {', '.join(commits)} |")
    lines.append(f"| measured | {dates[0]} to {dates[-1]}, {sum(s.took_seconds for s in sections) / 60:.0f} minutes |")
    last = max(sections, key=lambda s: s.date).commit
    for commit in commits:
        if commit != last:
            names = ", ".join(s.name for s in sections if s.commit == commit)
            lines.append(f"| at {commit} only | {names} |")
    return [*lines, ""]


def targets(sections: Sequence[Section]) -> list[str]:
    """The table of what was to be reached."""
    lines = ["| what | target | measured | reached |", "| --- | --- | --- | --- |"]
    rows = [row for section in sections for row in section.rows if row.target or not row.values]
    lines += [f"| {row.what} | {row.target} | {row.measured}{noted(row)} | {row.reached} |" for row in rows]
    return [*lines, ""]


def others(sections: Sequence[Section]) -> list[str]:
    """Numbers without a target."""
    lines = ["| what | measured |", "| --- | --- |"]
    rows = [row for section in sections for row in section.rows if row.values and not row.target]
    lines += [f"| {row.what} | {row.measured}{noted(row)} |" for row in rows]
    return [*lines, ""]


def noted(row: Row) -> str:
    """The note of a row, in one line that cannot end a cell."""
    return ": " + " ".join(row.note.replace("|", "/").split())[:300] if row.note else ""


def sides(sections: Sequence[Section]) -> list[str]:
    """Speed, start-up, CPU and memory of every side."""
    lines = [
        "| workload | side | graphs/s | start-up s | CPU s, start-up in | memory MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for section in sections:
        for side in section.sides:
            cells = [side.workload, side.name, rates(side), middle(side.startup_seconds)]
            cells += [middle(side.cpu_seconds)]
            cells += [f"{side.peak_bytes / MEGA:,.0f}" if side.peak_bytes else ""]
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def shares(sections: Sequence[Section]) -> list[str]:
    """Stages of graphscore on each workload, once."""
    lines = ["| workload | stages |", "| --- | --- |"]
    seen = set()
    for section in sections:
        for side in section.sides:
            if side.stages and side.workload not in seen:
                seen.add(side.workload)
                lines.append(f"| {side.workload} | {stage_shares(side)} |")
    return [*lines, ""]


def rates(side: Side) -> str:
    """Graphs per second with their spread."""
    each = side.rates
    if len(each) == 1:
        return number(each[0])
    return f"{number(statistics.median(each))} ({number(min(each))} to {number(max(each))})"


def middle(values: Sequence[float]) -> str:
    """The median, nothing where there is none."""
    return number(statistics.median(values)) if values else ""
