"""Measure graphscore: ``make bench``, and with the rivals as they were given ``make bench-full``.

Every section is saved in .cache/bench/results.json as soon as it is measured, and replaces what stood under its name;
``--page`` writes .github/BENCHMARKS.md out of all that stand there. A section that cannot be measured says why.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from suite import (
    admet,
    chemistry,
    commands,
    conversion,
    layers,
    limits,
    machine,
    operations,
    page,
    plot,
    rivals,
    scale,
    shards,
    slurm,
    speed,
    terminal,
    workers,
)
from suite.machine import ROOT
from suite.processes import CommandError, adopt_orphans
from suite.results import Row, Section
from suite.sides import Setting
from suite.workloads import WORKLOADS

PAGE = ROOT / ".github" / "BENCHMARKS.md"
PLOT = ROOT / ".github" / "benchmarks.svg"
RESULTS = ROOT / ".cache" / "bench" / "results.json"

Measure = Callable[[Setting], Section]


def rival_section(rival: rivals.Rival) -> Measure:
    """The section of a rival."""
    return lambda setting: rivals.against(setting, rival)


def layer_section(layer: layers.Layer) -> Measure:
    """The section of a layer of PyTorch Geometric."""
    return lambda setting: layers.against(setting, layer)


def workload_section(name: str) -> Measure:
    """The section of a workload."""
    if name == "skewed":
        return speed.skewed
    return lambda setting: speed.compare(setting, WORKLOADS[name])


SECTIONS: dict[str, Measure] = {
    **{name: workload_section(name) for name in WORKLOADS},
    "limit": limits.limit,
    "worker": limits.worker,
    "read": limits.reading,
    "write": limits.writing,
    "stored": operations.stored,
    "operations": operations.each_operation,
    "levels": operations.levels,
    "cores": workers.cores,
    "workers": workers.workers,
    "startup": speed.startup,
    "memory": speed.memory,
    "linear": speed.linear,
    "estimate": commands.estimate,
    "plan": commands.plan,
    "check": commands.check,
    "backfill": commands.backfill,
    "two-nodes": shards.two_nodes,
    "slurm-nodes": slurm.two_nodes,
    "many-files": scale.many_files,
    "many-groups": scale.many_groups,
    "chem-convert": conversion.alone,
}
RIVAL_SECTIONS: dict[str, Measure] = {
    **{f"rival-{r.name}": rival_section(r) for r in (*rivals.RIVALS, rivals.OLD_WAY)},
    **{f"layer-{layer.kind}": layer_section(layer) for layer in layers.LAYERS},
    "layer-memory": layers.memory,
    "chem-admet": admet.admet,
    "chem-admet-haswell": admet.haswell,
    "chem-products": chemistry.products,
    "chem-predict": conversion.predict,
    "chem-features": conversion.features,
}


def load() -> dict[str, Section]:
    """What was measured before."""
    if not RESULTS.exists():
        return {}
    return {name: Section.of(record) for name, record in json.loads(RESULTS.read_text())["sections"].items()}


def save(sections: dict[str, Section]) -> None:
    """Write what is measured so far, in the order of this file."""
    order = [name for name in (*RIVAL_SECTIONS, *SECTIONS) if name in sections]
    content = {"machine": machine.facts(), "sections": {name: sections[name].record() for name in order}}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.rename(RESULTS)


def measured(name: str, measure: Measure, setting: Setting) -> Section:
    """A section with commit, date and time, or with the reason why there is none."""
    begun = time.monotonic()
    try:
        section = measure(setting)
    except (CommandError, OSError, subprocess.SubprocessError, ValueError, LookupError, ArithmeticError) as error:
        row = Row(f"{name}: all of it", note=str(error) or type(error).__name__)
        section = Section(name, name, [row])
    return replace(
        section,
        name=name,
        commit=machine.commit(),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        took_seconds=time.monotonic() - begun,
    )


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ", ".join((*RIVAL_SECTIONS, *SECTIONS))
    parser.add_argument("--only", metavar="NAME,...", help=f"measure these sections, as layer-*: {names}")
    parser.add_argument("--full", action="store_true", help="measure the rivals too; installs them where they are not")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of each side (default 5; less where one is slow)")
    parser.add_argument("--scale", type=float, default=1, help="share of the graphs, for a quick try (default 1)")
    parser.add_argument("--page", action="store_true", help="write .github/BENCHMARKS.md of all results that stand")
    parser.add_argument("--keep", action="store_true", help="keep inputs and outputs in .cache/bench/work")
    args = parser.parse_args()
    known = SECTIONS | RIVAL_SECTIONS
    chosen = [*SECTIONS, *(RIVAL_SECTIONS if args.full else ())]
    if args.only is not None:
        chosen = []
        for pattern in filter(None, args.only.split(",")):
            found = fnmatch.filter(known, pattern)
            if not found:
                parser.error(f"--only: there is no section {pattern!r}; there are {names}")
            chosen += [name for name in found if name not in chosen]
    args.sections = {name: known[name] for name in chosen}
    return args


def main() -> None:
    """Run the benchmark."""
    args = arguments()
    adopt_orphans()
    work = RESULTS.parent / "work"
    if not args.keep:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    setting = Setting(work, args.rounds, args.scale)
    sections = load()
    for name, measure in args.sections.items():
        sections[name] = measured(name, measure, setting)
        if args.scale == 1:
            save(sections)
        print(terminal.show(sections[name]), end="\n\n", flush=True)
    if args.page:
        ordered = [sections[name] for name in (*RIVAL_SECTIONS, *SECTIONS) if name in sections]
        page.write(PAGE, PLOT, ordered, machine.facts(), "make bench-full")
        plot.draw(PLOT, ordered)
        print(f"wrote {PAGE.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")
    if not args.keep:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
