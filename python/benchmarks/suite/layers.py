"""Sections on PyTorch Geometric's layers: each against graphscore with the model that from_pyg exports, in pairs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from suite.machine import ROOT
from suite.processes import execute
from suite.results import Row, Section, ratios
from suite.rivals import AGAINST, installed, printed_versions
from suite.sides import HERE, Run, Setting, graphscore, largest_difference, pairs, side
from suite.speed import MEGA
from suite.workloads import BONDS

PYTHON = "PYG_PYTHON"
"""Names an interpreter that has PyTorch Geometric and pyarrow; without it, one is installed."""
PACKAGES = ("torch", "torch-geometric")
PROCESSES = 2
BATCHES = (250, 1000)
"""Graphs that the rival takes at once: what is faster with a network."""
MOST_ROUNDS = 5
MEMORY_OF = "gine"


@dataclass(frozen=True)
class Layer:
    """A kind of layer, as `layers.py` knows it."""

    kind: str
    title: str
    at_least: float | None = None
    """How many times faster graphscore must be; None: not asked for."""


LAYERS = (
    Layer("gcn", "GCNConv"),
    Layer("sage", "SAGEConv"),
    Layer("gat", "GATConv, 4 heads", 2),
    Layer("gatv2", "GATv2Conv, 4 heads", 2),
    Layer("gin", "GINConv", 1.2),
    Layer("gine", "GINEConv", 2),
    Layer("transformer", "TransformerConv, 4 heads", 2),
    Layer("pna", "PNAConv", 1.2),
)


def python() -> str:
    """The interpreter of the rival, once its packages are there."""
    return os.environ.get(PYTHON) or installed("layers", ("--editable", f"{ROOT / 'python'}[arrow,export]"))


def script(*arguments: str) -> list[str]:
    """The command of a rival, with the exporter of this checkout."""
    return [python(), str(HERE / "layers.py"), *arguments]


def model(setting: Setting, kind: str) -> Path:
    """The folder that from_pyg writes."""
    folder = setting.work / f"model-{kind}"
    if not folder.exists():
        execute(script("export", kind, str(folder)), extra={"PYTHONPATH": str(ROOT / "python" / "src")})
    return folder


def theirs(setting: Setting, kind: str, source: Path, batch: int) -> Callable[[bool], Run]:
    """Processes of PyG with a thread each, side by side, with a share of the files each."""

    def run(watch: bool) -> Run:
        out = setting.output("theirs")
        commands = [
            script("score", kind, str(source), str(out), str(batch), str(i), str(PROCESSES)) for i in range(PROCESSES)
        ]
        done = execute(*commands, watch=watch, extra={"PYTHONPATH": str(ROOT / "python" / "src")})
        results = [json.loads(text) for text in done.outputs]
        seconds = max(result["seconds"] for result in results)
        graphs = sum(result["graphs"] for result in results)
        return Run(graphs, seconds, done.seconds - seconds, done.cpu_seconds, done.peak_bytes, {})

    return run


def against(setting: Setting, layer: Layer) -> Section:
    """Graphscore and PyG with a network of one kind of layer, and the memory of both."""
    source, folder = setting.input(BONDS), model(setting, layer.kind)

    def mine(watch: bool) -> Run:
        return graphscore(source, folder, setting.output(), watch=watch)

    tried = {batch: theirs(setting, layer.kind, source, batch) for batch in BATCHES}
    first = {batch: run(False).seconds for batch, run in tried.items()}
    batch = min(BATCHES, key=lambda size: first[size])
    left, right = pairs(setting.fewer(MOST_ROUNDS), mine, tried[batch], touched=True)
    difference = largest_difference(setting.work / "ours", setting.work / "theirs", 1)
    workload = f"3 x {layer.title}, 64 wide"
    rows = [
        Row(
            f"PyG, {workload}: graphscore's speed / its",
            ratios([r.seconds for r in right], [r.seconds for r in left]),
            at_least=layer.at_least,
        ),
        Row(f"{workload}: largest difference of scores", [difference], unit=""),
    ]
    sides = [
        side(workload, "graphscore", left, mine(True).peak_bytes),
        side(workload, f"PyG, two processes, {batch:,} graphs at once", right, tried[batch](True).peak_bytes),
    ]
    title = f"{AGAINST}PyG, two processes ({printed_versions(python(), PACKAGES)}): {workload}"
    return Section(f"layer-{layer.kind}", title, rows, sides)


def memory(setting: Setting) -> Section:
    """Peak memory with one of the networks, and at ten times the graphs."""
    few = setting.input(BONDS)
    many = setting.input(BONDS, graphs=10 * setting.graphs(BONDS.graphs))
    folder = model(setting, MEMORY_OF)
    small, large = (graphscore(source, folder, setting.output(), watch=True) for source in (few, many))
    rows = [
        Row(f"peak memory (PSS), {MEMORY_OF}, {small.graphs:,} graphs", [small.peak_bytes / MEGA], "MB"),
        Row(
            f"peak memory, {MEMORY_OF}, at {large.graphs:,} graphs / at {small.graphs:,}",
            [large.peak_bytes / small.peak_bytes],
            at_most=1.1,
        ),
    ]
    return Section("layer-memory", f"Memory of all processes, 3 x {MEMORY_OF}, 64 wide", rows)
