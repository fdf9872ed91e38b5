"""Sections on other machines: what one, two and all cores do, and where more workers would stop scaling."""

from __future__ import annotations

import json
import os
import re

from suite.limits import go_test
from suite.machine import ROOT
from suite.processes import CommandError, execute
from suite.results import Row, Section
from suite.sides import BINARY, Run, Setting, recorded, side

MOST_ROUNDS = 3
_SIMULATED = re.compile(r"^(\d+) +(\d+) +(\d+) +([\d.]+) +(\d+) +[\d.]+$", re.MULTILINE)
_MEASURED = re.compile(r"^BenchmarkWorkers/(\d+)\S*\s+\d+\s(.*)$", re.MULTILINE)
_METRIC = re.compile(r"([\d.e+-]+) (channel-waits|lock-waits|us)/request")
_NAMES = {
    "us": ("time of a request that takes no time", "us"),
    "channel-waits": ("waits on channels a request", ""),
    "lock-waits": ("waits on locks a request", ""),
}


def cores(setting: Setting) -> Section:
    """The molecules on one core, on two and on all, in turns, with default settings."""
    allowed = sorted(os.sched_getaffinity(0))
    counts = sorted({1, min(2, len(allowed)), len(allowed)})
    runs: dict[int, list[Run]] = {count: [] for count in counts}
    for _ in range(setting.fewer(MOST_ROUNDS)):
        for count, found in runs.items():
            found.append(pinned(setting, set(allowed[:count])))
    rows = []
    for count, found in runs.items():
        name = "1 core" if count == 1 else f"{count} cores"
        name += " (all)" if count == len(allowed) else ""
        rows.append(Row(f"molecules on {name}", [run.graphs / run.seconds for run in found], "graphs/s"))
        if count > 1:
            each = [one.seconds / many.seconds for one, many in zip(runs[1], found, strict=True)]
            rows.append(Row(f"molecules on {name}: speed / speed on 1 core", each))
    sides = [side(f"molecules, {count} of {len(allowed)} cores", "graphscore", found) for count, found in runs.items()]
    return Section("cores", "One, two and all cores", rows, sides)


def pinned(setting: Setting, on: set[int]) -> Run:
    """A run that may use those cores alone."""
    command = [str(BINARY), "run", "--input", str(setting.molecules()), "--model", str(setting.model())]
    done = execute([*command, "--output", str(setting.output()), "--json", "--quiet"], cores=on)
    return recorded(done, json.loads(done.outputs[0]))


def workers(setting: Setting) -> Section:
    """Workers of known cost that take no CPU, on a simulated clock, and what their requests cost the pipeline."""
    test = str(go_test(setting, "pipeline"))
    folder = ROOT / "pipeline"
    done = execute([test, "-test.run=^TestWorkers$", "-test.v", "-table"], folder=folder)
    rows = []
    for number, shards, mib, busy, goroutines in _SIMULATED.findall(done.outputs[0]):
        name = f"{number} simulated workers ({shards} shards at once, {mib} MiB in flight)"
        rows.append(Row(f"{name}: share of time busy", [float(busy)], ""))
        rows.append(Row(f"{name}: goroutines at once", [float(goroutines)], ""))
    done = execute(
        [test, "-test.run=^$", "-test.bench=^BenchmarkWorkers$", "-test.benchtime=3x"], folder=folder, timeout=120
    )
    for number, metrics in _MEASURED.findall(done.outputs[0]):
        for value, unit in _METRIC.findall(metrics):
            what, of = _NAMES[unit]
            rows.append(Row(f"{number} workers: {what}", [float(value)], of))
    if not rows:
        raise CommandError(f"no workers in {done.outputs[0]!r}")
    return Section("workers", "Where more workers would stop scaling", rows)
