"""Sections on ADMET-AI: both its ensembles, in graphscore and in its own package.

Its start takes longer than some hundred molecules, so that it is started once a way, and asked for each round; it
predicts a sample of the molecules that graphscore scores. Speeds are per molecule, without start-up on either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite.chemistry import MOST_ROUNDS, PACKAGES, WARM_UP, Library, both_ensembles, converted, models, python
from suite.results import Row, Section, ratios
from suite.rivals import AGAINST, printed_versions
from suite.sides import HERE, Run, Setting, pairs, side
from suite.waiting import Waiting

MOLECULES = 2_250
ITS_MOLECULES = 375
"""Of these, evenly spaced, are predicted by ADMET-AI."""
HASWELL: Mapping[str, str] = {"OPENBLAS_CORETYPE": "Haswell"}
KINDS = {"predict": "ADMET-AI", "cached": "ADMET-AI's models, features made once before"}
"""What it is asked for, and what that is called."""


@dataclass(frozen=True)
class Way:
    """A way to run ADMET-AI: in how many processes, with how many threads each."""

    processes: int
    threads: int

    @property
    def title(self) -> str:
        """What it is called on the page."""
        return f"{self.processes} x {self.threads} threads"


WAYS = (Way(1, 2), Way(2, 1))


class Rival:
    """ADMET-AI, started and warm, in one of its ways."""

    def __init__(self, setting: Setting, source: Library, way: Way) -> None:
        self.title = way.title
        self._step = max(1, source.molecules // ITS_MOLECULES)
        out = setting.output(f"theirs-{way.processes}")
        self._files = [out / f"{i}.parquet" for i in range(way.processes)]
        script = [python(), str(HERE / "chemprop_rival.py"), "admet", str(source.plain)]
        commands = [
            [*script, str(file), str(way.threads), str(i * self._step), str(way.processes * self._step)]
            for i, file in enumerate(self._files)
        ]
        self._commands = Waiting(commands, {"OMP_NUM_THREADS": str(way.threads)})

    @contextmanager
    def started(self) -> Iterator[Rival]:
        """Start it, and end it."""
        with self._commands:
            yield self

    def run(self, kind: str, *, watch: bool = False) -> Run:
        """Predict once; the CPU time is that of predicting alone."""
        results, peak = self._commands.ask(kind, watch=watch)
        graphs, cpu = (sum(result[key] for result in results) for key in ("graphs", "cpu_seconds"))
        seconds = max(result["seconds"] for result in results)
        return Run(graphs, seconds, self._commands.startup_seconds, cpu, peak, {})

    def difference(self, ours: pa.Table) -> float:
        """Return the largest difference to its predictions, relative to max(1, |prediction|).

        `ours` has the molecules in their order.
        """
        worst = 0.0
        for i, file in enumerate(self._files):
            theirs = pq.read_table(file)
            for name in (name for name in ours.column_names if name in theirs.column_names):
                mine, its = (
                    ours[name].to_numpy()[i * self._step :: len(self._files) * self._step],
                    theirs[name].to_numpy(),
                )
                worst = max(worst, float(np.max(np.abs(mine - its) / np.maximum(1, np.abs(its)))))
        return worst


def admet(setting: Setting) -> Section:
    """Both ensembles against ADMET-AI's own loop, and against a script that makes the features once."""
    return against(setting, {"predict": 3.5, "cached": None}, "admet", {})


def haswell(setting: Setting) -> Section:
    """The first of these with the kernels of AVX2."""
    return against(setting, {"predict": 2.2}, "admet, Haswell", HASWELL)


def against(setting: Setting, targets: Mapping[str, float | None], workload: str, extra: Mapping[str, str]) -> Section:
    """Graphscore with both ensembles and ADMET-AI in pairs, on converted molecules; a target for each kind of it."""
    source, few = converted(setting, setting.graphs(MOLECULES)), converted(setting, WARM_UP)
    mine = both_ensembles(setting, source, extra)
    peak = mine(True).peak_bytes
    start = both_ensembles(setting, few, extra)(False)
    suffix = f", {extra['OPENBLAS_CORETYPE']}" if extra else ""
    rows, sides = [], []
    with ExitStack() as stack:
        rivals = [stack.enter_context(Rival(setting, source, way).started()) for way in WAYS]
        for kind in targets:
            tried = {rival: rival.run(kind, watch=True) for rival in rivals}
            rival = min(tried, key=lambda one: tried[one].seconds)
            left, right = pairs(setting.fewer(MOST_ROUNDS), mine, partial(asked, rival, kind), touched=True)
            name, both = KINDS[kind], f"both ensembles{suffix}"
            rows += [
                Row(f"{name}, {both}: graphscore's speed / its", speeds(left, right), at_least=targets.get(kind)),
                Row(f"{name}, {both}: CPU time of a molecule, its / graphscore's", cpu_ratios(left, right, start)),
                Row(f"{name}{suffix}: largest difference of predictions", [rival.difference(scores(setting))], ""),
            ]
            sides += [
                side(workload, "graphscore", left, peak),
                side(workload, f"{name}, {rival.title}", right, tried[rival].peak_bytes),
            ]
    versions = printed_versions(python(), [package.partition("==")[0] for package in PACKAGES[:2]])
    return Section("chem-admet", f"{AGAINST}ADMET-AI ({versions})", rows, sides)


def asked(rival: Rival, kind: str, watch: bool) -> Run:
    """ADMET-AI as a side of pairs."""
    return rival.run(kind, watch=watch)


def speeds(left: Sequence[Run], right: Sequence[Run]) -> list[float]:
    """How many times more molecules a second the left side predicts, one a round."""
    return ratios([its.seconds / its.graphs for its in right], [mine.seconds / mine.graphs for mine in left])


def cpu_ratios(left: Sequence[Run], right: Sequence[Run], start: Run) -> list[float]:
    """The CPU time of a molecule of the right side by that of the left; `start` is a short run of the left side."""
    mine = [(run.cpu_seconds - start.cpu_seconds) / (run.graphs - start.graphs) for run in left]
    return ratios([run.cpu_seconds / run.graphs for run in right], mine)


def scores(setting: Setting) -> pa.Table:
    """All properties that graphscore predicted last, in the order of the molecules."""
    found: dict[str, pa.ChunkedArray] = {}
    for model in models():
        table = pq.read_table(setting.work / f"ours-{model.name}")
        table = table.take(np.argsort([int(name[1:]) for name in table["graph_id"].to_pylist()]))
        found |= {name: table[name] for name in table.column_names}
    return pa.table(found)
