"""Sections on models of graphscore/2: what each operation costs the engine, and what the levels do end to end."""

from __future__ import annotations

import json
import sys

import operations

from suite.processes import execute
from suite.results import Row, Section
from suite.sides import HERE, Setting, graphscore, side
from suite.workloads import BONDS, STORED, WORKLOADS, Workload

MOST_ROUNDS = 3
PREPARED = 2_000
"""Molecules that are written for the engine, which scores some of them again and again."""


def each_operation(setting: Setting) -> Section:
    """CPU time of a graph in a model with each operation, 64 wide, and in the model without."""
    source = setting.input(BONDS, graphs=PREPARED)
    command = [sys.executable, str(HERE / "operations.py"), str(source), str(setting.work)]
    rounds = [json.loads(execute(command).outputs[0]) for _ in range(setting.fewer(MOST_ROUNDS))]
    rows = []
    for name in rounds[0]:
        what = "model without an operation" if name == "none" else f"operation {name}"
        rows.append(Row(f"{what}, 64 wide: CPU time of a graph", [found[name] for found in rounds], "us"))
    return Section("operations", "Operations of models, in the engine", rows)


def levels(setting: Setting) -> Section:
    """Molecules from file to file with a layer of GCN and scores of nodes, edges or graphs."""
    source = setting.molecules()
    sides = []
    for level, network in operations.levels().items():
        model = operations.write(setting.work / f"model-level-{level}", network)
        runs = [graphscore(source, model, setting.output()) for _ in range(setting.fewer(MOST_ROUNDS))]
        peak = graphscore(source, model, setting.output(), watch=True).peak_bytes
        sides.append(side(f"molecules, level {level}", "graphscore", runs, peak))
    rows = [Row(f"{one.workload}: graphscore", one.rates, "graphs/s") for one in sides]
    return Section("levels", "Levels: scores of nodes, edges and graphs", rows, sides)


def stored(setting: Setting) -> Section:
    """Molecules from file to file with other codecs and encodings, in turns with zstd and dictionaries."""
    usual, model = setting.molecules(), setting.model()
    rows, sides = [], []
    for workload in STORED.values():
        source = setting.input(workload)
        pairs = [
            (graphscore(source, model, setting.output()), graphscore(usual, model, setting.output()))
            for _ in range(setting.fewer(MOST_ROUNDS))
        ]
        each = [theirs.seconds / mine.seconds for mine, theirs in pairs]
        rows.append(Row(f"{workload.title}, end to end: speed / speed with zstd and dictionaries", each))
        sides.append(side(titled(workload), "graphscore", [mine for mine, _ in pairs]))
    return Section("stored", "Molecules as they are stored elsewhere, end to end", rows, sides)


def titled(workload: Workload) -> str:
    """What a way to store molecules is called on the page."""
    return f"{WORKLOADS['molecules'].title}, {workload.title}"
