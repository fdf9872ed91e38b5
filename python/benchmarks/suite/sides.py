"""Runs of graphscore and of rivals, and pairs of them taken in turn."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rival import output_names, part_name

from suite.machine import ROOT
from suite.processes import CommandError, Finished, execute
from suite.results import Side
from suite.workloads import WORKLOADS, Workload, shape, write_model

BINARY = ROOT / "bin" / "graphscore"
STAGES = ("read", "pack", "transport", "model", "write")
HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """One run of one side."""

    graphs: int
    seconds: float  # without start-up
    startup_seconds: float
    cpu_seconds: float  # of all processes, start-up included
    peak_bytes: int  # 0 where it was not measured
    stages: dict[str, float]


Runner = Callable[[bool], Run]
"""Runs a side once; True: look at its memory."""


@dataclass(frozen=True)
class Setting:
    """What the sections share: where to work, how often, and how large."""

    work: Path
    rounds: int
    scale: float
    """Of the number of graphs: 1, or less for a quick try."""

    def graphs(self, number: int) -> int:
        """So many graphs, scaled."""
        return max(1, round(number * self.scale))

    def fewer(self, most: int) -> int:
        """Rounds of what takes long."""
        return min(self.rounds, most)

    def input(self, workload: Workload, graphs: int = 0) -> Path:
        """The folder of a workload, written when it is first asked for."""
        graphs = graphs or self.graphs(workload.graphs)
        folder = self.work / f"{workload.name}-{graphs}"
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            workload.write(making, graphs)
            making.rename(folder)
        return folder

    def molecules(self) -> Path:
        """The molecules."""
        return self.input(WORKLOADS["molecules"])

    def model(self, widths: Sequence[int] = (16, 32, 1)) -> Path:
        """The folder of a model."""
        folder = self.work / f"model-{shape(widths)}"
        if not folder.exists():
            write_model(folder, widths)
        return folder

    def output(self, name: str = "ours") -> Path:
        """A folder that does not exist."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder


def graphscore(
    source: Path,
    model: Path,
    out: Path,
    *options: str,
    watch: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Run:
    """Score with graphscore and its default settings, and further environment variables."""
    command = [str(BINARY), "run", "--input", str(source), "--model", str(model), "--output", str(out)]
    done = execute([*command, "--json", "--quiet", *options], watch=watch, extra=extra)
    return recorded(done, json.loads(done.outputs[0]))


def recorded(done: Finished, record: dict[str, Any]) -> Run:
    """A run as its record has it."""
    stages = {name: record["stages"][f"{name}_seconds"] for name in STAGES}
    return Run(
        graphs=record["counts"]["scored"],
        seconds=record["seconds"] - record["startup_seconds"],
        startup_seconds=record["startup_seconds"],
        cpu_seconds=done.cpu_seconds,
        peak_bytes=done.peak_bytes,
        stages=stages,
    )


def ours(setting: Setting, source: Path, widths: Sequence[int]) -> Runner:
    """Graphscore on an input."""
    model = setting.model(widths)
    return lambda watch: graphscore(source, model, setting.output(), watch=watch)


def careful(setting: Setting, source: Path, widths: Sequence[int], batch: int) -> Runner:
    """The careful script on an input."""

    def run(watch: bool) -> Run:
        arguments = [str(source), str(setting.output("theirs")), ",".join(map(str, widths)), str(batch)]
        done = execute([sys.executable, str(HERE / "rival.py"), *arguments], watch=watch)
        result = json.loads(done.outputs[0])
        seconds = result["seconds"]
        return Run(result["graphs"], seconds, done.seconds - seconds, done.cpu_seconds, done.peak_bytes, {})

    return run


def side(workload: str, name: str, runs: Sequence[Run], peak_bytes: int = 0) -> Side:
    """Put runs together."""
    stages = {stage: statistics.median(r.stages[stage] for r in runs) for stage in runs[0].stages}
    return Side(
        workload=workload,
        name=name,
        graphs=runs[0].graphs,
        seconds=[r.seconds for r in runs],
        startup_seconds=[r.startup_seconds for r in runs],
        cpu_seconds=[r.cpu_seconds for r in runs],
        peak_bytes=peak_bytes,
        stages=stages,
    )


def pairs(rounds: int, first: Runner, second: Runner, *, touched: bool = False) -> tuple[list[Run], list[Run]]:
    """Run both in turns. The second runs once before, so that neither is the first to touch the files; they may be."""
    if not touched:
        second(False)
    left, right = [], []
    for _ in range(rounds):
        left.append(first(False))
        right.append(second(False))
    return left, right


def largest_difference(mine: Path, theirs: Path, outputs: int) -> float:
    """Return the largest difference of two outputs relative to max(1, |score|). Ids and order must be the same."""
    worst = 0.0
    for file in sorted(theirs.glob("*.parquet")):
        a, b = pq.read_table(mine / part_name(file)), pq.read_table(file)
        if not (a["graph_id"].equals(b["graph_id"]) and a["node_id"].equals(b["node_id"])):
            raise CommandError(f"{file.name}: graphs or nodes differ")
        for name in output_names(outputs):
            x, y = a[name].to_numpy(), b[name].to_numpy()
            worst = max(worst, float(np.max(np.abs(x - y) / np.maximum(1, np.abs(y)))))
    return worst
