"""Sections on what an operator's other commands cost: plan, diff, verify, backfill."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from suite.limits import go_test
from suite.machine import ROOT
from suite.processes import execute
from suite.results import Row, Section
from suite.sides import BINARY, Setting, graphscore
from suite.workloads import STORED, WORKLOADS, rings

MEGA = 1e6
PLANNED_FILES = 10_000
DATES = 365


def estimated(graphs: Path, model: Path, out: Path) -> dict[str, Any]:
    """Return what ``plan --calibrate`` estimates for a run into a folder that does not exist."""
    command = [str(BINARY), "plan", "--input", str(graphs), "--model", str(model), "--output", str(out)]
    done = execute([*command, "--calibrate", "--format", "json", "--quiet"])
    report: dict[str, Any] = json.loads(done.outputs[0])["calibration"]
    return report


def estimate(setting: Setting) -> Section:
    """Estimates of ``plan --calibrate`` as ratios to the runs that follow them: within 1.5, either way."""
    even, giants = setting.molecules(), setting.work / "and-giants"
    if not giants.exists():
        shutil.copytree(even, giants)
        pq.write_table(rings(3), giants / "giants.parquet", compression="zstd")
    rows = []
    for name, source in (("molecules", even), ("and 3 giants", giants)):
        seconds, sizes = [], []
        for _ in range(setting.fewer(3)):
            out = setting.output()
            forecast = estimated(source, setting.model(), out)
            run = graphscore(source, setting.model(), out)
            size = sum(part.stat().st_size for part in out.glob("*.parquet"))
            seconds.append(forecast["seconds"]["likely"] / (run.seconds + run.startup_seconds))
            sizes.append(forecast["output_bytes"]["likely"] / size)
        for what, each in (("time", seconds), ("output", sizes)):
            row = Row(f"plan --calibrate, {name}: {what}, estimated / real", each, at_least=1 / 1.5, at_most=1.5)
            rows.append(row)
    return Section("estimate", "Estimates of plan --calibrate", rows + held(setting))


def held(setting: Setting) -> list[Row]:
    """How many ranges of ``plan --calibrate`` hold the run that follows, over all workloads."""
    inside: dict[str, list[float]] = {"time": [], "output": [], "memory": []}
    for workload in (*WORKLOADS.values(), *STORED.values()):
        source, model, out = setting.input(workload), setting.model(workload.widths), setting.output()
        forecast = estimated(source, model, out)
        run = graphscore(source, model, out)
        record = json.loads(max((out / "_runs").glob("*.json")).read_text())
        real = {
            "time": run.seconds + run.startup_seconds,
            "output": float(sum(part.stat().st_size for part in out.rglob("*.parquet"))),
            "memory": float(sum(record["peak_memory"].values())),
        }
        for what, key in (("time", "seconds"), ("output", "output_bytes"), ("memory", "memory_bytes")):
            found = forecast[key]["low"] <= real[what] <= forecast[key]["high"]
            inside[what].append(float(found))
            if not found:
                print(f"{workload.title}: {what} is {real[what]:.4g}, not in {forecast[key]}", file=sys.stderr)
    return [
        Row(
            f"plan --calibrate: share of {len(each)} workloads whose {what} lies in its range",
            [statistics.mean(each)],
            unit="",
            at_least=0.9,
        )
        for what, each in inside.items()
    ]


def plan(setting: Setting) -> Section:
    """Time and memory of ``plan`` over many small files."""
    many = setting.work / "many"
    files = setting.graphs(PLANNED_FILES)
    if not many.exists():
        small = pq.read_table(min(setting.molecules().glob("*.parquet"))).slice(0, 20)
        pq.write_table(small, setting.work / "small.parquet", compression="zstd")
        for k in range(files):
            folder = many / f"{k // 1000:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(setting.work / "small.parquet", folder / f"{k}.parquet")
    command = [str(BINARY), "plan", "--input", str(many), "--model", str(setting.model()), "--quiet"]
    command += ["--output", str(setting.output())]
    execute(command)
    seconds = [execute(command).seconds for _ in range(setting.fewer(3))]
    peak = execute(command, watch=True).peak_bytes / MEGA
    rows = [
        Row(f"plan over {files:,} files", seconds, "s", at_most=10),
        Row(f"plan over {files:,} files, peak memory", [peak], "MB", at_most=200),
    ]
    return Section("plan", "plan over many files", rows)


def check(setting: Setting) -> Section:
    """``diff`` and ``verify`` against the run that wrote, and against the writer alone (in Go benchmarks)."""
    source, model = setting.molecules(), setting.model()
    old, new = setting.output("ours"), setting.output("again")
    graphscore(source, model, old)
    to_run: dict[str, list[float]] = {"diff": [], "verify": []}
    for _ in range(setting.fewer(3)):
        shutil.rmtree(new, ignore_errors=True)
        run = graphscore(source, model, new)
        took = execute([str(BINARY), "diff", str(old), str(new), "--quiet"]).seconds
        to_run["diff"].append(run.seconds / took)
        took = execute([str(BINARY), "verify", str(new), "--input", str(source), "--quiet"]).seconds
        to_run["verify"].append(run.seconds / took)
    rows = [Row(f"{name}: speed / speed of the run that wrote", each, at_least=0.5) for name, each in to_run.items()]
    for name, benchmark in (("diff", "BenchmarkCompare/equal"), ("verify", "BenchmarkRun/alone")):
        test = go_test(setting, f"pipeline/{name}")
        command = [str(test), "-test.run=^$", f"-test.bench=^{benchmark}$", "-test.benchtime=2x"]
        each = []
        for _ in range(setting.fewer(3)):
            done = execute(command, folder=ROOT / "pipeline" / name, extra={"TMPDIR": str(setting.work)})
            each += [float(v) for v in re.findall(r"([\d.]+) speed", done.outputs[0])]
        rows.append(Row(f"{name}: speed / speed of the writer alone", each, at_least=0.5))
    return Section("check", "diff and verify", rows)


def backfill(setting: Setting) -> Section:
    """A backfill of a year of small dates against one run of the same files."""
    folder, model = setting.work / "dates", setting.model()
    first = date(2025, 1, 1)
    dates = [first + timedelta(days=k) for k in range(max(2, setting.graphs(DATES)))]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    small = pq.read_table(min(setting.molecules().glob("*.parquet"))).slice(0, 20)
    pq.write_table(small, folder / "small.parquet", compression="zstd")
    for day in dates:
        place = folder / "in" / f"dt={day}"
        place.mkdir(parents=True)
        shutil.copyfile(folder / "small.parquet", place / "graphs.parquet")
    job = folder / "job.yaml"
    job.write_text(
        "name: dates\ninput: {path: 'in/dt={date}'}\noutput: {path: 'out/dt={date}'}\n"
        f"model: {{path: '{model}'}}\ntimezone: UTC\n"
    )
    over = dates[-1] + timedelta(days=1)
    each, times = [], []
    for _ in range(setting.fewer(3)):
        shutil.rmtree(folder / "out", ignore_errors=True)
        begun = time.monotonic()
        execute([str(BINARY), "backfill", str(job), "--since", str(first), "--until", str(over), "--quiet"])
        dated = time.monotonic() - begun
        one = graphscore(folder / "in", model, setting.output())
        each.append((dated - one.seconds - one.startup_seconds) / len(dates) * 1e3)
        times.append(dated / (one.seconds + one.startup_seconds))
    rows = [
        Row(f"backfill of {len(dates)} small dates: beyond the scoring, a date", each, "ms", at_most=50),
        Row("backfill / one run of the same files, time", times),
    ]
    return Section("backfill", f"A backfill of {len(dates)} dates, {statistics.median(times):.1f} x one run", rows)
