"""Sections on chemistry: ADMET-AI's models, one model of chemprop, and the conversion of SMILES."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq

from suite.machine import ROOT
from suite.processes import CommandError, Finished, execute
from suite.results import Row, Section, ratios
from suite.rivals import installed
from suite.sides import HERE, Run, Setting, graphscore, pairs, side

PYTHON = "CHEMPROP_PYTHON"
"""Names an interpreter that has the packages of the rivals and pyarrow; without it, they are installed."""
PACKAGES = ("admet-ai==2.0.1", "chemprop==2.3.1", "pyarrow")
PROCESSES = 2
ADMET, ENSEMBLES = ROOT / ".cache" / "admet", ("classification", "regression")
PRODUCTS_MOLECULES, PREDICTED_MOLECULES, CONVERTED_MOLECULES = 6_000, 50_000, 65_536
WARM_UP = 64
"""Molecules of a conversion whose time is that of starting."""
GROWTH = 4
MOST_ROUNDS = 3


def python() -> str:
    """The interpreter of the rivals, once their packages are there."""
    return os.environ.get(PYTHON) or installed("chemistry", PACKAGES)


@dataclass(frozen=True)
class Library:
    """Drug-like molecules, as text for both sides and as graphs for ours."""

    named: Path  # SMILES and name a line
    plain: Path  # SMILES a line
    graphs: Path
    molecules: int


def library(setting: Setting, molecules: int) -> Library:
    """Write so many molecules, once."""
    from smiles import library as drug_like  # noqa: PLC0415 needs RDKit

    folder = setting.work / f"library-{molecules}"
    found = Library(folder / "named.smi", folder / "plain.txt", folder / "graphs", molecules)
    if not folder.exists():
        folder.mkdir(parents=True)
        smiles = drug_like(molecules)
        found.plain.write_text("".join(f"{one}\n" for one in smiles), encoding="ascii")
        found.named.write_text("".join(f"{one} m{i}\n" for i, one in enumerate(smiles)), encoding="ascii")
    return found


def converted(setting: Setting, molecules: int) -> Library:
    """Write so many molecules and their graphs, once."""
    found = library(setting, molecules)
    if not (found.graphs / "_SUCCESS").exists():
        convert(found.named, found.graphs)
    return found


def convert(source: Path, out: Path, *, processes: int = PROCESSES, watch: bool = False) -> Finished:
    """Convert a file with the command."""
    command = [sys.executable, "-m", "graphscore", "convert", "smiles", str(source), "--out", str(out)]
    options = ["--features", "chemprop-v2", "--processes", str(processes)]
    return execute([*command, *options], watch=watch)


@cache
def models() -> tuple[Path, ...]:
    """The folders of ADMET-AI's two ensembles, exported anew."""
    execute([sys.executable, str(ROOT / "jobs" / "examples" / "admet" / "fetch.py"), str(ADMET)])
    return tuple(exported(ADMET / kind, *checkpoints(kind)) for kind in ENSEMBLES)


def checkpoints(kind: str) -> list[Path]:
    """The checkpoints of an ensemble."""
    return sorted((ADMET / "models" / f"admet_{kind}").glob("*.pt"))


def exported(folder: Path, *files: Path) -> Path:
    """Export checkpoints into a folder."""
    command = [sys.executable, "-m", "graphscore", "export", "chemprop", *map(str, files), "--out", str(folder)]
    execute([*command, "--std"] if len(files) > 1 else command)
    return folder


def added_up(runs: list[Run]) -> Run:
    """Several runs over the same graphs, one after the other."""
    stages = {stage: sum(run.stages[stage] for run in runs) for stage in runs[0].stages}
    return Run(
        graphs=runs[0].graphs,
        seconds=sum(run.seconds for run in runs),
        startup_seconds=sum(run.startup_seconds for run in runs),
        cpu_seconds=sum(run.cpu_seconds for run in runs),
        peak_bytes=max(run.peak_bytes for run in runs),
        stages=stages,
    )


def both_ensembles(setting: Setting, source: Library, extra: Mapping[str, str]) -> Callable[[bool], Run]:
    """Graphscore with both ensembles, one after the other."""

    def run(watch: bool) -> Run:
        runs = [
            graphscore(source.graphs, model, setting.output(f"ours-{model.name}"), watch=watch, extra=extra)
            for model in models()
        ]
        if any(one.graphs != source.molecules for one in runs):
            raise CommandError(f"{[one.graphs for one in runs]} of {source.molecules} molecules were scored")
        return added_up(runs)

    return run


def products(setting: Setting) -> Section:
    """Both ensembles against their dense products alone, in as many processes."""
    source = converted(setting, setting.graphs(PRODUCTS_MOLECULES))
    atoms, edges = counted(source)
    per_process = [str(count // PROCESSES) for count in (source.molecules, atoms, edges)]
    operations = 0.0

    def alone(watch: bool) -> Run:
        nonlocal operations
        command = [sys.executable, str(HERE / "chemprop_products.py"), *map(str, models()), *per_process]
        done = execute(*[command] * PROCESSES, watch=watch)
        results = [json.loads(text) for text in done.outputs]
        operations = results[0]["operations"]
        seconds = max(result["seconds"] for result in results)
        return Run(source.molecules, seconds, done.seconds - seconds, done.cpu_seconds, done.peak_bytes, {})

    left, right = pairs(setting.fewer(MOST_ROUNDS), both_ensembles(setting, source, {}), alone)
    each = ratios([one.seconds for one in left], [one.seconds for one in right])
    rows = [
        Row("ADMET, both ensembles: graphscore / its dense products alone, time", each, at_most=1.5),
        Row("ADMET, both ensembles: dense products of a molecule", [operations / 1e6], "MFLOP"),
    ]
    sides = [side("admet", "graphscore", left), side("admet", "dense products alone", right)]
    return Section("chem-products", "ADMET against its dense products alone", rows, sides)


def counted(source: Library) -> tuple[int, int]:
    """Return the atoms of a library, and its edges: two a bond."""
    table = pq.read_table(source.graphs, columns=["num_nodes", "edge_attr"])
    edges = sum(len(chunk.flatten()) for chunk in table["edge_attr"].chunks)
    return int(table["num_nodes"].to_numpy().sum()), edges
