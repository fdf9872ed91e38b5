"""Sections on single stages: the model alone, reading alone, writing alone."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from suite.machine import ROOT, cores
from suite.processes import CommandError, environment, execute
from suite.results import Row, Section, Side
from suite.sides import HERE, Setting, graphscore, side
from suite.workloads import STORED, WORKLOADS, Workload, shape

# Models of the limit, with the most that end to end may take of it, and their share of the molecules: the widest
# one takes long.
LIMITS: tuple[tuple[tuple[int, ...], float, float], ...] = (
    ((16, 32, 1), 4.4, 1),
    ((16, 64, 64, 1), 1.9, 1),
    ((16, 256, 256, 256, 1), 1.12, 0.2),
)
BATCH = 1000
# What is taken of `engine.py`, with the most that it may be in us.
WORKER: dict[str, float | None] = {
    "socket to socket, shared memory": 1.9,
    "socket to socket, columns in messages": None,
    "bytes to bytes": None,
    "score": None,
}


def limit(setting: Setting) -> Section:
    """End to end against the model alone, on all cores, with its data in memory."""
    rows, sides = [], []
    for widths, at_most, share in LIMITS:
        workload = WORKLOADS["molecules"]
        source = setting.input(workload, graphs=setting.graphs(int(workload.graphs * share)))
        runs, times = [], {kind: list[float]() for kind in ("engine", "plain")}
        for _ in range(setting.fewer(3)):
            runs.append(graphscore(source, setting.model(widths), setting.output()))
            for kind, found in times.items():
                found.append(in_memory(setting, kind, source, widths))
        faster = min(times, key=lambda kind: statistics.median(times[kind]))
        whole = [r.seconds for r in runs]
        each = [a / b for a, b in zip(whole, times[faster], strict=True)]
        rows.append(Row(f"{shape(widths)}: end to end / model alone ({faster})", each, at_most=at_most))
        sides.append(side(f"molecules, {shape(widths)}", "graphscore", runs))
        names = {"engine": "engine in memory", "plain": "SciPy in memory"}
        sides += [
            Side(f"molecules, {shape(widths)}", names[kind], runs[0].graphs, found, [], [])
            for kind, found in times.items()
        ]
    return Section("limit", "Distance from the limit: the model alone on all cores, data in memory", rows, sides)


def in_memory(setting: Setting, kind: str, source: Path, widths: Sequence[int]) -> float:
    """Seconds of scoring what lies in memory, one process a core, all at once."""
    model = setting.model(widths)
    n = cores()
    command = [sys.executable, str(HERE / "limit.py"), kind, str(source), ",".join(map(str, widths)), str(model)]
    running = [
        subprocess.Popen(
            [*command, str(i), str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        for i in range(n)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise CommandError(f"{' '.join(command)} ended before it was ready")
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return max(float(process.communicate(timeout=600)[0]) for process in running)
    finally:
        for process in running:
            process.kill()
            process.wait()


def worker(setting: Setting) -> Section:
    """What a worker spends on a graph, from socket to socket: `engine.py` with a request as runs send it."""
    turns = setting.fewer(3)
    command = [sys.executable, str(HERE / "engine.py"), "--json", "--graphs", "1750", "--turns", str(turns)]
    times = json.loads(execute(command).outputs[0])["us_a_graph"]
    rows = [
        Row(f"worker, {name}, CPU time a graph", times[name], "us", at_most=at_most) for name, at_most in WORKER.items()
    ]
    return Section("worker", "A worker's CPU time, model 16-32-1", rows)


def reading(setting: Setting) -> Section:
    """Reading alone on one core, against pyarrow reading the same columns."""
    rows = read_alone(setting, WORKLOADS["molecules"], "read", at_least=1.3)
    for stored in STORED.values():
        rows += read_alone(setting, stored, f"read {stored.title}", at_least=1)
    return Section("read", "Reading alone, one core", rows)


def read_alone(setting: Setting, workload: Workload, name: str, *, at_least: float) -> list[Row]:
    """The rows of an input that is read alone."""
    source = setting.input(workload)
    first = {min(os.sched_getaffinity(0))}
    test = go_test(setting, "readers")
    mine, theirs = [], []
    for _ in range(setting.rounds):
        done = execute(
            [str(test), "-test.run=^$", "-test.bench=^BenchmarkRead$", "-test.benchtime=2x"],
            extra={"GRAPHSCORE_BENCH_INPUT": str(source), "GOMAXPROCS": "1"},
            cores=first,
            folder=ROOT / "readers",
        )
        mine.append(metric(done.outputs[0], "graphs/s"))
        done = execute([sys.executable, str(HERE / "columns.py"), "read", str(source), str(BATCH)], cores=first)
        theirs.append(float(done.outputs[0]))
    return alone(name, mine, theirs, at_least=at_least)


def writing(setting: Setting) -> Section:
    """Writing alone on one core, against pyarrow writing the same table."""
    graphs = setting.graphs(200_000)
    first = {min(os.sched_getaffinity(0))}
    test = go_test(setting, "writers")
    mine, theirs = [], []
    for _ in range(setting.rounds):
        done = execute(
            [str(test), "-test.run=^$", "-test.bench=^BenchmarkWrite$", "-test.benchtime=2x"],
            extra={"GRAPHSCORE_BENCH_GRAPHS": str(graphs), "GOMAXPROCS": "1", "TMPDIR": str(setting.work)},
            cores=first,
            folder=ROOT / "writers",
        )
        mine.append(metric(done.outputs[0], "graphs/s"))
        target = setting.work / "columns.parquet"
        done = execute([sys.executable, str(HERE / "columns.py"), "write", str(target), str(graphs)], cores=first)
        theirs.append(float(done.outputs[0]))
    return Section("write", "Writing alone, one core", alone("write", mine, theirs, at_least=1))


def alone(name: str, mine: list[float], theirs: list[float], *, at_least: float) -> list[Row]:
    """A stage of graphscore against the same in pyarrow."""
    each = [a / b for a, b in zip(mine, theirs, strict=True)]
    return [
        Row(f"{name} alone, one core: graphscore / pyarrow, speed", each, at_least=at_least),
        Row(f"{name} alone: graphscore", mine, "graphs/s"),
        Row(f"{name} alone: pyarrow", theirs, "graphs/s"),
    ]


def go_test(setting: Setting, package: str) -> Path:
    """Build the test binary of a package."""
    binary = setting.work / f"{package.replace('/', '-')}.test"
    execute(["go", "test", "-c", "-o", str(binary), f"./{package}"], folder=ROOT)
    return binary


def metric(output: str, unit: str) -> float:
    """The value of a metric of a Go benchmark."""
    found = re.search(rf"([\d.e+]+) {re.escape(unit)}", output)
    if not found:
        raise CommandError(f"no {unit} in {output!r}")
    return float(found[1])
