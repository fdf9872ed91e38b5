"""Sections on the conversion of SMILES: with one model of chemprop behind it, alone, and beside chemprop's features."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from suite.chemistry import (
    CONVERTED_MOLECULES,
    GROWTH,
    MOST_ROUNDS,
    PACKAGES,
    PREDICTED_MOLECULES,
    WARM_UP,
    Library,
    checkpoints,
    convert,
    exported,
    library,
    models,
    python,
)
from suite.processes import execute
from suite.results import Row, Section, Side, ratios
from suite.rivals import AGAINST, printed_versions
from suite.sides import HERE, Run, Setting, graphscore, pairs, side
from suite.speed import MEGA

KIND = "regression"
WORKERS = (0, 2)
"""What --num-workers of `chemprop predict` is tried with."""
TRIED_SHARE = 0.1
CONVERSIONS = 1
"""Rounds of the larger conversion, which takes more than a minute, as does the one whose memory is looked at."""


def predict(setting: Setting) -> Section:
    """Convert and score with one model, start-up included, against `chemprop predict`."""
    models()  # fetches the checkpoints
    checkpoint = checkpoints(KIND)[0]
    model = exported(setting.work / "one-model", checkpoint)
    source = library(setting, setting.graphs(PREDICTED_MOLECULES))
    few = library(setting, setting.graphs(round(PREDICTED_MOLECULES * TRIED_SHARE)))

    def mine(watch: bool) -> Run:
        shutil.rmtree(source.graphs, ignore_errors=True)
        made = convert(source.named, source.graphs, watch=watch)
        run = graphscore(source.graphs, model, setting.output(), watch=watch)
        return whole(run.graphs, made.seconds + run.seconds + run.startup_seconds, made.cpu_seconds + run.cpu_seconds)

    seconds = {workers: chemprop(setting, few, checkpoint, workers)(False).seconds for workers in WORKERS}
    workers = min(WORKERS, key=seconds.__getitem__)
    its = chemprop(setting, source, checkpoint, workers)
    left, right = pairs(setting.fewer(MOST_ROUNDS), mine, its, touched=True)
    each = ratios([run.seconds for run in right], [run.seconds for run in left])
    what = "chemprop predict, one model, conversion and start-up included: graphscore's speed / its"
    sides = [
        side("SMILES, one model", "convert smiles, then graphscore", left),
        side("SMILES, one model", f"chemprop predict, --num-workers {workers}", right),
    ]
    title = f"{AGAINST}chemprop predict ({printed_versions(python(), ['chemprop', 'torch'])})"
    return Section("chem-predict", title, [Row(what, each, at_least=2)], sides)


def whole(graphs: int, seconds: float, cpu_seconds: float, peak_bytes: int = 0) -> Run:
    """A run whose start-up is part of its seconds."""
    return Run(graphs, seconds, 0, cpu_seconds, peak_bytes, {})


def chemprop(setting: Setting, source: Library, checkpoint: Path, workers: int) -> Callable[[bool], Run]:
    """`chemprop predict` on the CPU; it predicts from a CSV file."""

    def run(watch: bool) -> Run:
        table = source.plain.with_suffix(".csv")
        table.write_text("smiles\n" + source.plain.read_text(encoding="ascii"), encoding="ascii")
        out = setting.output("theirs") / "predictions.csv"
        out.parent.mkdir()
        command = [str(Path(python()).with_name("chemprop")), "predict", "--accelerator", "cpu", "--devices", "1"]
        command += ["--test-path", str(table), "--model-paths", str(checkpoint), "--output", str(out)]
        done = execute([*command, "--num-workers", str(workers)], watch=watch, folder=out.parent)
        return whole(source.molecules, done.seconds, done.cpu_seconds, done.peak_bytes)

    return run


def alone(setting: Setting) -> Section:
    """How many molecules are converted a second, and time and memory with more of them."""
    few, source = (library(setting, setting.graphs(CONVERTED_MOLECULES) * times) for times in (1, GROWTH))
    small = [conversion(setting, few) for _ in range(setting.fewer(CONVERSIONS))]
    large = [conversion(setting, source) for _ in small]
    peaks = [conversion(setting, one, watch=True).peak_bytes for one in (few, source)]
    growth = ratios([run.cpu_seconds for run in large], [run.cpu_seconds * GROWTH for run in small])
    rows = [
        Row("convert smiles, two processes", [run.graphs / run.seconds for run in large], "molecules/s", at_least=3500),
        Row(f"convert smiles: CPU seconds a molecule at {GROWTH} times the molecules / at once", growth, at_most=1.05),
        Row(f"convert smiles, peak memory at {source.molecules:,}", [peaks[1] / MEGA], "MB"),
        Row(
            f"convert smiles: peak memory at {source.molecules:,} molecules / at {few.molecules:,}",
            [peaks[1] / peaks[0]],
            at_most=1.1,
        ),
    ]
    sides = [
        side(f"{one.molecules:,} SMILES", "convert smiles", runs, peak)
        for one, runs, peak in zip((few, source), (small, large), peaks, strict=True)
    ]
    return Section("chem-convert", "Conversion of SMILES", rows, sides)


def conversion(setting: Setting, source: Library, *, processes: int = 2, watch: bool = False) -> Run:
    """Convert a library; what the first molecules take is left out, as start-up."""
    first = library(setting, WARM_UP)
    start = convert(first.named, setting.output("started"), processes=processes)
    done = convert(source.named, setting.output("converted"), processes=processes, watch=watch)
    cpu = done.cpu_seconds - start.cpu_seconds
    return Run(source.molecules, done.seconds - start.seconds, start.seconds, cpu, done.peak_bytes, {})


def features(setting: Setting) -> Section:
    """The CPU time of a molecule beside that of chemprop's featurizer, on one core."""
    source = library(setting, setting.graphs(CONVERTED_MOLECULES // 8))
    command = [python(), str(HERE / "chemprop_rival.py"), "features", str(source.plain)]
    ours, theirs = [], []
    for _ in range(setting.fewer(MOST_ROUNDS)):
        ours.append(conversion(setting, source, processes=1))
        theirs.append(json.loads(execute(command).outputs[0])["cpu_seconds"])
    each = ratios(theirs, [run.cpu_seconds for run in ours])
    rows = [
        Row("chemprop's featurizer / convert smiles, Parquet included, CPU time", each, at_least=1.4),
        Row("convert smiles, CPU time of a molecule", [1e6 * run.cpu_seconds / run.graphs for run in ours], "us"),
        Row("chemprop's featurizer, CPU time of a molecule", [1e6 * cpu / source.molecules for cpu in theirs], "us"),
    ]
    theirs_side = Side("SMILES, one core", "chemprop's featurizer", source.molecules, theirs, [], theirs)
    title = f"Conversion beside chemprop's featurizer ({printed_versions(python(), [PACKAGES[1].partition('==')[0]])})"
    return Section("chem-features", title, rows, [side("SMILES, one core", "convert smiles", ours), theirs_side])
