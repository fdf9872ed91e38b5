"""Sections on speed, memory and growth: graphscore against the careful script, and against itself."""

from __future__ import annotations

import statistics

from suite.machine import cores
from suite.results import Row, Section, Side, ratios
from suite.sides import Run, Setting, careful, graphscore, largest_difference, ours, pairs, side
from suite.workloads import WORKLOADS, Workload

MEGA = 1e6

# What is asked of a workload: at least so many times the speed of the careful script.
AT_LEAST = {"giant": 3}


def compare(setting: Setting, workload: Workload) -> Section:
    """Graphscore and the careful script on one workload, and the memory of both."""
    source = setting.input(workload)
    mine = ours(setting, source, workload.widths)
    theirs = careful(setting, source, workload.widths, workload.batch)
    left, right = pairs(setting.rounds, mine, theirs)
    difference = largest_difference(setting.work / "ours", setting.work / "theirs", workload.widths[-1])
    rows = [
        Row(
            f"{workload.title}: pyarrow + SciPy script / graphscore, time",
            ratios([r.seconds for r in right], [r.seconds for r in left]),
            at_least=AT_LEAST.get(workload.name),
        ),
        Row(f"{workload.title}: largest difference of scores", [difference], unit=""),
    ]
    sides = [
        side(workload.title, "graphscore", left, mine(True).peak_bytes),
        side(workload.title, "pyarrow + SciPy", right, theirs(True).peak_bytes),
    ]
    return Section(workload.name, f"{workload.title}: {left[0].graphs:,} graphs, {workload.shape}", rows, sides)


def skewed(setting: Setting) -> Section:
    """How busy a file of a few giants among many small graphs keeps the cores."""
    workload = WORKLOADS["skewed"]
    section = compare(setting, workload)
    begin = startup_cpu(setting, workload.widths)
    mine = section.sides[0]
    busy = [(cpu - begin) / (s * cores()) for cpu, s in zip(mine.cpu_seconds, mine.seconds, strict=True)]
    row = Row("giants among small graphs: share of the cores that is busy", busy, unit="", at_least=0.9)
    return Section(section.name, section.title, [row, *section.rows], section.sides)


def startup_cpu(setting: Setting, widths: tuple[int, ...] = (16, 32, 1)) -> float:
    """CPU seconds of a run of a few graphs: what starting and ending cost."""
    few = setting.input(WORKLOADS["molecules"], graphs=8)
    runs = [graphscore(few, setting.model(widths), setting.output()) for _ in range(3)]
    return statistics.median(r.cpu_seconds for r in runs)


def memory(setting: Setting) -> Section:
    """Peak memory, and at ten times the graphs."""
    few, many = tenfold(setting, watch=True, rounds=setting.fewer(3))
    small, large = ([r.peak_bytes / MEGA for r in runs] for runs in (few, many))
    rows = [
        Row(f"peak memory (PSS) at {few[0].graphs:,} graphs", small, "MB", at_most=250),
        Row(f"peak memory at {many[0].graphs:,} graphs / at {few[0].graphs:,}", ratios(large, small), at_most=1.05),
    ]
    return Section("memory", "Memory of all processes", rows)


def linear(setting: Setting) -> Section:
    """CPU seconds at ten times the graphs, start-up left out."""
    rounds = setting.fewer(3)
    begin = startup_cpu(setting)
    few, many = tenfold(setting, watch=False, rounds=rounds)
    small, large = ([r.cpu_seconds - begin for r in runs] for runs in (few, many))
    grown = [r.seconds for r in many]
    rows = [
        Row(
            f"CPU seconds at {many[0].graphs:,} graphs / at {few[0].graphs:,}",
            ratios(large, small),
            at_least=9.5,
            at_most=10.5,
        ),
        Row("time at ten times the graphs", ratios(grown, [r.seconds for r in few])),
    ]
    sides = [side(f"molecules x {k}", "graphscore", runs) for k, runs in ((1, few), (10, many))]
    return Section("linear", "Growth with the input, start-up left out", rows, sides)


def tenfold(setting: Setting, *, watch: bool, rounds: int) -> tuple[list[Run], list[Run]]:
    """Runs on the molecules, and on ten times as many, in turns."""
    workload = WORKLOADS["molecules"]
    few = setting.molecules()
    many = setting.input(workload, graphs=10 * setting.graphs(workload.graphs))
    model = setting.model()
    small, large = [], []
    for _ in range(rounds):
        small.append(graphscore(few, model, setting.output(), watch=watch))
        large.append(graphscore(many, model, setting.output(), watch=watch))
    return small, large


def startup(setting: Setting) -> Section:
    """Seconds from the start of the process to the first request."""
    few = setting.input(WORKLOADS["molecules"], graphs=8)
    runs = [graphscore(few, setting.model(), setting.output()) for _ in range(max(3, setting.rounds))]
    row = Row("start to first request", [r.startup_seconds for r in runs], "s", at_most=1)
    return Section("startup", "Start-up", [row])


def stage_shares(one: Side) -> str:
    """Which stage took what share of the time of all, in words."""
    whole = sum(one.stages.values())
    return ", ".join(f"{name} {100 * s / whole:.0f} %" for name, s in one.stages.items()) if whole else ""
