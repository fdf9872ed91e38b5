"""This tree against an older commit: both in turns on the same molecules, and whether they write the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from suite.machine import ROOT
from suite.processes import CommandError, Finished, execute
from suite.results import Row, Section, Side, ratios
from suite.sides import Setting
from suite.workloads import WORKLOADS, shape

CHECKOUTS = ROOT / ".cache" / "against"
BUILD_SECONDS = 1800
MOST_NAMED = 3
# What make passes on to a make that it starts, and what leads workers to other packages than those of their checkout.
_NOT_PASSED = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "GRAPHSCORE_PYTHON", "PYTHONPATH")
_VERSIONS = """
import importlib.metadata, json, platform
found = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
print(json.dumps({"Python": platform.python_version(), **found}))
"""


@dataclass(frozen=True)
class Build:
    """A checkout with bin/graphscore and python/.venv, which the program finds by where it lies."""

    name: str
    folder: Path

    @property
    def binary(self) -> Path:
        """The program."""
        return self.folder / "bin" / "graphscore"

    def run(self, source: Path, model: Path, out: Path) -> Finished:
        """Score with default settings into a folder, which is emptied before."""
        shutil.rmtree(out, ignore_errors=True)
        options = ["--input", str(source), "--model", str(model), "--output", str(out)]
        return execute([str(self.binary), "run", *options, "--quiet"])

    def versions(self) -> dict[str, str]:
        """Python, its packages and Go."""
        python = str(self.folder / "python" / ".venv" / "bin" / "python")
        found: dict[str, str] = json.loads(execute([python, "-c", _VERSIONS]).outputs[0])
        return {**found, "Go": execute(["go", "version", str(self.binary)]).outputs[0].split()[-1]}


def forget_environment() -> None:
    """Drop the variables which would lead a checkout to what is not its own."""
    for name in _NOT_PASSED:
        os.environ.pop(name, None)


def resolve(commit: str, repository: Path = ROOT) -> str:
    """Return the hash of a commit. Raises CommandError where git does not know it."""
    command = ["git", "rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{commit!r} is no commit that git has here: name one as in BASE=HEAD~5")
    return done.stdout.strip()


def checkout(commit: str, below: Path = CHECKOUTS, repository: Path = ROOT) -> Path:
    """Return a folder with the files of a commit, written when it is first asked for. Nothing in .git knows of it."""
    folder = below / commit[:12]
    if not folder.exists():
        making = below / f"{commit[:12]}.making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", commit], cwd=repository, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
            files.extractall(making)
        making.rename(folder)
    return folder


def build(name: str, folder: Path) -> Build:
    """Build a checkout by its own Makefile, with the packages that it asks for. Raises CommandError with the output."""
    execute(["make", "--silent", "build"], folder=folder, timeout=BUILD_SECONDS)
    return Build(name, folder)


def differing(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """What both have in other versions, as `numpy 2.3.1, here 2.4.0`."""
    shared = sorted(mine.keys() & theirs.keys())
    return [f"{name} {theirs[name]}, here {mine[name]}" for name in shared if mine[name] != theirs[name]]


def digests(out: Path) -> dict[str, str]:
    """The SHA-256 of each part and quarantine file of an output, by name."""
    return {str(f.relative_to(out)): hashlib.sha256(f.read_bytes()).hexdigest() for f in out.rglob("*.parquet")}


def unequal(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """The names of files that only one side has, or that have other bytes."""
    return sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))


def in_turns(rounds: int, first: Callable[[], Finished], second: Callable[[], Finished]) -> list[list[Finished]]:
    """Run both so many times, each as the first of a pair in every other round."""
    runs: list[list[Finished]] = [[], []]
    for number in range(rounds):
        for one in (0, 1) if number % 2 == 0 else (1, 0):
            runs[one].append((first, second)[one]())
    return runs


def rows(what: str, graphs: int, base: str, runs: Sequence[Sequence[Finished]]) -> list[Row]:
    """Ratios of time and CPU time, above 1 where this tree is slower, and what it spends more on a graph."""
    mine, theirs = runs
    cpu = [[run.cpu_seconds for run in side] for side in (mine, theirs)]
    more = [(a - b) / graphs * 1e6 for a, b in zip(*cpu, strict=True)]
    return [
        Row(f"{what}: time, this tree / {base}", ratios([r.seconds for r in mine], [r.seconds for r in theirs])),
        Row(f"{what}: CPU time, this tree / {base}", ratios(*cpu)),
        Row(f"{what}: CPU time of a graph, this tree less {base}", more, "us"),
    ]


def verdict(what: str, names: Sequence[str]) -> Row:
    """The row on whether both wrote the same bytes; names are the files in which they differ."""
    note = ""
    if names:
        note = f"NOT THE SAME BYTES: {', '.join(names[:MOST_NAMED])}{', ...' if len(names) > MOST_NAMED else ''}"
    return Row(f"{what}: files with other bytes", [len(names)], "", at_most=0, note=note)


def compare(setting: Setting, base: Build, widths: Sequence[int], share: float) -> tuple[Section, list[str]]:
    """This tree and another build on a share of the molecules, and the files in which their bytes differ."""
    workload, what = WORKLOADS["molecules"], shape(widths)
    source = setting.input(workload, graphs=setting.graphs(int(workload.graphs * share)))
    graphs = sum(pq.read_metadata(file).num_rows for file in source.glob("*.parquet"))
    sides = [Build("this tree", ROOT), base]
    outs = [setting.work / "mine", setting.work / "theirs"]

    def run(i: int) -> Finished:
        return sides[i].run(source, setting.model(widths), outs[i])

    for i in (0, 1):
        run(i)  # neither is the first to read the input
    differ = unequal(*map(digests, outs))
    runs = in_turns(setting.rounds, partial(run, 0), partial(run, 1))
    measured = [
        Side(f"molecules, {what}", one.name, graphs, [r.seconds for r in of], [], [r.cpu_seconds for r in of])
        for one, of in zip(sides, runs, strict=True)
    ]
    title = f"{what}: this tree against {base.name}, {graphs:,} molecules"
    return Section(what, title, [*rows(what, graphs, base.name, runs), verdict(what, differ)], measured), differ
