"""graphscore against the rival on the same files, in one run: ``make bench``.

Both take turns; the figures are medians and their ratio. Start-up is left out on both sides: the rival counts from
after its imports, graphscore's comes from its run record. Memory is the peak of the sum of PSS over all processes of a
side, from runs of its own, because looking costs time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from workload import write_giants, write_graphs, write_model

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "bin" / "graphscore"
RIVAL = Path(__file__).resolve().parent / "rival.py"
STAGES = ("read", "pack", "transport", "model", "write")
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """One run of one side."""

    graphs: int
    seconds: float  # without start-up
    startup_seconds: float
    cpu_seconds: float  # of all processes, start-up included
    peak_bytes: int  # 0 where it was not looked at
    stages: dict[str, float]

    @property
    def rate(self) -> float:
        """Graphs per second, start-up left out."""
        return self.graphs / self.seconds


def environment() -> dict[str, str]:
    """Give the rival one BLAS thread, as graphscore's workers have."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def pss(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 when it has gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) << 10


def cpu_seconds() -> float:
    """Return the CPU time of all children that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def execute(command: list[str], *, watch: bool) -> tuple[str, float, int]:
    """Run a command, return its standard output, and CPU seconds and peak PSS of its process family."""
    before = cpu_seconds()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    peak = 0
    done = threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(SAMPLE_SECONDS):
            try:
                peak = max(peak, sum(map(pss, family(process.pid))))
            except OSError:
                continue

    watcher = threading.Thread(target=look)
    if watch:
        watcher.start()
    out, err = process.communicate()
    done.set()
    if watch:
        watcher.join()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} exited with {process.returncode}:\n{err}")
    return out, cpu_seconds() - before, peak


def run_graphscore(graphs: Path, model: Path, out: Path, *, watch: bool) -> Run:
    """Score with graphscore and its default settings."""
    shutil.rmtree(out, ignore_errors=True)
    command = [str(BINARY), "run", "--input", str(graphs), "--model", str(model), "--output", str(out), "--json"]
    text, cpu, peak = execute([*command, "--quiet"], watch=watch)
    record: dict[str, Any] = json.loads(text)
    return Run(
        graphs=record["counts"]["scored"],
        seconds=record["seconds"] - record["startup_seconds"],
        startup_seconds=record["startup_seconds"],
        cpu_seconds=cpu,
        peak_bytes=peak,
        stages={stage: record["stages"][f"{stage}_seconds"] for stage in STAGES},
    )


def run_rival(graphs: Path, out: Path, *, watch: bool) -> Run:
    """Score with the rival."""
    shutil.rmtree(out, ignore_errors=True)
    begun = time.monotonic()
    text, cpu, peak = execute([sys.executable, str(RIVAL), str(graphs), str(out)], watch=watch)
    whole = time.monotonic() - begun
    result = json.loads(text)
    return Run(result["graphs"], result["seconds"], whole - result["seconds"], cpu, peak, {})


def largest_difference(ours: Path, theirs: Path) -> float:
    """Return the largest difference of two outputs relative to max(1, |score|). Ids and order must be the same."""
    worst = 0.0
    for file in sorted(theirs.glob("*.parquet")):
        a, b = pq.read_table(ours / file.name), pq.read_table(file)
        if not (a["graph_id"].equals(b["graph_id"]) and a["node_id"].equals(b["node_id"])):
            sys.exit(f"{file.name}: graphs or nodes differ")
        x, y = a["score"].to_numpy(), b["score"].to_numpy()
        worst = max(worst, float(np.max(np.abs(x - y) / np.maximum(1, np.abs(y)))))
    return worst


def spread(values: list[float]) -> str:
    """Format a median with the smallest and the largest value."""
    return f"{statistics.median(values):>10,.0f}  ({min(values):,.0f} to {max(values):,.0f})"


def compare_speed(work: Path, graphs: int, rounds: int) -> None:
    """Print graphs per second of both sides and their ratio, and graphscore's stages."""
    source, model = work / "graphs", work / "model"
    write_graphs(source, graphs, files=8)
    write_model(model)
    run_rival(source, work / "theirs", watch=False)  # once, so that neither side is the first to touch the files
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run_graphscore(source, model, work / "ours", watch=False))
        theirs.append(run_rival(source, work / "theirs", watch=False))
    print(f"{graphs:,} graphs, GCN 16-32-1, {os.cpu_count()} CPUs, {rounds} rounds in turns, start-up left out")
    print(f"  graphscore  {spread([r.rate for r in ours])} graphs/s")
    print(f"  rival       {spread([r.rate for r in theirs])} graphs/s")
    ratios = [a.rate / b.rate for a, b in zip(ours, theirs, strict=True)]
    print(f"  ratio       {statistics.median(ratios):>10.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")
    startups = [r.startup_seconds for r in ours]
    print(f"  start-up    {statistics.median(startups):>10.2f}  ({min(startups):.2f} to {max(startups):.2f}) s")
    for side, runs in (("graphscore", ours), ("rival", theirs)):
        print(f"  CPU         {statistics.median(r.cpu_seconds for r in runs):>10.2f}  s of {side}, start-up included")
    print(f"  largest difference of scores {largest_difference(work / 'ours', work / 'theirs'):.1e}")
    total = {stage: statistics.median(r.stages[stage] for r in ours) for stage in STAGES}
    whole = sum(total.values())
    # Calls wait for a worker while it scores others: that wait is transport's.
    print("  stages      " + ", ".join(f"{stage} {100 * seconds / whole:.0f} %" for stage, seconds in total.items()))


def compare_memory(work: Path, graphs: int) -> None:
    """Print the peak memory of graphscore, and at ten times the graphs, and of the rival."""
    source, large, model = work / "graphs", work / "large", work / "model"
    write_graphs(large, 10 * graphs, files=8)
    mega = 1 << 20
    small = run_graphscore(source, model, work / "ours", watch=True).peak_bytes / mega
    big = run_graphscore(large, model, work / "ours", watch=True).peak_bytes / mega
    theirs = run_rival(source, work / "theirs", watch=True).peak_bytes / mega
    print("peak memory, PSS of all processes")
    print(f"  graphscore  {small:>10,.0f}  MiB; {big:,.0f} MiB at {10 * graphs:,} graphs, ratio {big / small:.2f}")
    print(f"  rival       {theirs:>10,.0f}  MiB")


def estimated(graphs: Path, model: Path, out: Path) -> dict[str, Any]:
    """Return what ``plan --calibrate`` says of a run into a folder that is not there."""
    shutil.rmtree(out, ignore_errors=True)
    command = [str(BINARY), "plan", "--input", str(graphs), "--model", str(model), "--output", str(out)]
    text, _, _ = execute([*command, "--calibrate", "--format", "json", "--quiet"], watch=False)
    report: dict[str, Any] = json.loads(text)["calibration"]
    return report


def compare_estimate(work: Path, rounds: int) -> None:
    """Print estimates of ``plan --calibrate`` as ratios to the runs that follow them: within 1.5, either way."""
    even, skewed, model, out = work / "graphs", work / "skewed", work / "model", work / "ours"
    shutil.copytree(even, skewed)
    write_giants(skewed / "giants.parquet")
    print("estimate of plan --calibrate / run (within 0.67 to 1.50)")
    for name, source in (("molecules", even), ("and 3 giants", skewed)):
        seconds, sizes = [], []
        for _ in range(rounds):
            said = estimated(source, model, out)
            run = run_graphscore(source, model, out, watch=False)
            size = sum(part.stat().st_size for part in out.glob("*.parquet"))
            seconds.append(said["seconds"]["likely"] / (run.seconds + run.startup_seconds))
            sizes.append(said["output_bytes"]["likely"] / size)
        for what, ratios in (("time", seconds), ("output", sizes)):
            middle = statistics.median(ratios)
            print(f"  {name:<12}{middle:>9.2f}  ({min(ratios):.2f} to {max(ratios):.2f}) of {what}")


def measure_plan(work: Path, files: int) -> None:
    """Print time and memory of ``plan`` over many small files."""
    source, many = work / "graphs", work / "many"
    small = pq.read_table(min(source.glob("*.parquet"))).slice(0, 20)
    for k in range(files):
        folder = many / f"{k // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        if k == 0:
            pq.write_table(small, many / "000" / "0.parquet", compression="zstd")
        else:
            shutil.copyfile(many / "000" / "0.parquet", folder / f"{k}.parquet")
    command = [str(BINARY), "plan", "--input", str(many), "--model", str(work / "model"), "--quiet"]
    command += ["--output", str(work / "ours")]
    begun = time.monotonic()
    execute(command, watch=False)
    seconds = time.monotonic() - begun
    _, _, peak = execute(command, watch=True)
    print(f"plan over {files:,} files\n  graphscore  {seconds:>10.1f}  s, {peak / (1 << 20):,.0f} MiB")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "bench")
    parser.add_argument("--no-memory", action="store_true", help="leave out the runs with ten times the graphs")
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    compare_speed(args.work, args.graphs, args.rounds)
    compare_estimate(args.work, args.rounds)
    measure_plan(args.work, 10_000)
    if not args.no_memory:
        compare_memory(args.work, args.graphs)
    shutil.rmtree(args.work)


if __name__ == "__main__":
    main()
