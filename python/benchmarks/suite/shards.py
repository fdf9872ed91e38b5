"""The section on two nodes: two shards on a core each against one run on one core, planning and ``finish`` counted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from suite.processes import execute
from suite.results import Row, Section, ratios
from suite.sides import BINARY, Setting
from suite.workloads import WORKLOADS

GRAPHS = 800_000
WIDTHS = (16, 256, 256, 256, 1)
"""Of a model that takes a core some 12,000 graphs a second: more than a minute for all."""
ONE_CORE = {"GOMAXPROCS": "1"}


def two_nodes(setting: Setting) -> Section:
    """Seconds of one run on one core, and of plan, two shards at once and finish on two."""
    source = setting.input(WORKLOADS["molecules"], graphs=setting.graphs(GRAPHS))
    model = setting.model(WIDTHS)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    one, two = [], []
    for _ in range(setting.fewer(1)):
        two.append(as_shards(setting, source, model, [{first}, {second}]))
        out = setting.output("one")
        one.append(execute(command("run", source, model, out, "--workers", "1"), extra=ONE_CORE, cores={first}).seconds)
        same(setting.work / "two", out)
    rows = [
        Row("two nodes of one core: speed / speed of one, plan and finish in", ratios(one, two), at_least=1.8),
        Row("one node of one core", one, "s"),
        Row("two nodes of one core", two, "s"),
    ]
    return Section("two-nodes", f"Two nodes of one core each: {setting.graphs(GRAPHS):,} molecules", rows)


def command(name: str, source: Path, model: Path, out: Path, *options: str) -> list[str]:
    """A command on the input."""
    return [str(BINARY), name, "--input", str(source), "--model", str(model), "--output", str(out), "--quiet", *options]


def as_shards(setting: Setting, source: Path, model: Path, nodes: list[set[int]]) -> float:
    """Seconds of plan, one shard a node and finish, as an array job runs them."""
    out, plan = setting.output("two"), setting.work / "two.json"
    seconds = execute(command("plan", source, model, out, "--out", str(plan)), extra=ONE_CORE, cores=nodes[0]).seconds
    fixed = ("--plan", str(plan))
    shards = []
    for i, cores in enumerate(nodes):
        pinned = ("taskset", "--cpu-list", ",".join(map(str, cores)))
        task = command("run", source, model, out, *fixed, "--workers", "1", "--shard", f"{i}/{len(nodes)}")
        shards.append([*pinned, *task])
    seconds += execute(*shards, extra=ONE_CORE).seconds
    return seconds + execute(command("finish", source, model, out, *fixed), extra=ONE_CORE, cores=nodes[0]).seconds


def same(ours: Path, theirs: Path) -> None:
    """Raise ValueError where two outputs differ in a byte of a part."""
    left, right = ({p.name: p.read_bytes() for p in out.glob("*.parquet")} for out in (ours, theirs))
    if left != right or not left:
        raise ValueError("the parts of two shards differ from those of one run")
    shutil.rmtree(ours)
