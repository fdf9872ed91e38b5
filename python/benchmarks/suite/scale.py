"""Sections on many parts: what planning, shards, ``finish``, ``status`` and a run with nothing to do cost.

Nobody waits for so many parts to be scored: the real parts of the first input files are copied under the names that all
others have, which are as long. ``finish`` then compares every one of them with the plan, and would refuse a wrong one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite.processes import Finished, execute
from suite.results import Row, Section
from suite.sides import BINARY, Setting
from suite.workloads import Graphs

MEGA = 1e6
PARTS = 100_000
SHARDS = 100
"""As many as there may be nodes."""
FOLDER = 1000
"""Files of a folder."""
LINKS = 50
"""Folders whose files are one file under many names: a file system allows some 65,000."""
WIDTHS = (4, 1)
AT_MOST_SECONDS = 10.0
IDLE_SECONDS = 1.0
AT_MOST_MEGABYTES = 300.0


@dataclass(frozen=True)
class Many:
    """An input of very many parts: files of one part, or of several row groups of which each is one."""

    work: Path
    files: int
    groups: int
    """Row groups of a file, each a part."""

    @property
    def source(self) -> Path:
        """The folder of the input."""
        return self.work / "in"

    @property
    def out(self) -> Path:
        """The folder of the output."""
        return self.work / "out"

    @property
    def job(self) -> Path:
        """The job file."""
        return self.work / "job.yaml"

    @property
    def plan(self) -> Path:
        """The plan file."""
        return self.work / "plan.json"

    def name(self, k: int) -> str:
        """The path of file k below the input, without its ending: as long for every k."""
        return f"{k // FOLDER:04d}/{k:07d}"

    def write(self, model: Path) -> None:
        """Write input and job."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        first = self.work / "first.parquet"
        pq.write_table(tiny(2 * self.groups), first, compression="zstd", row_group_size=2)
        for k in range(self.files):
            file = self.source / f"{self.name(k)}.parquet"
            if k % FOLDER == 0:
                file.parent.mkdir(parents=True)
            if k % (LINKS * FOLDER) == 0:
                written = shutil.copyfile(first, file)
            else:
                file.hardlink_to(written)
        cut = ", shard_bytes: 1" if self.groups > 1 else ""
        self.job.write_text(
            f"name: many\ninput: {{path: '{self.source}'{cut}}}\n"
            f"output: {{path: '{self.out}'}}\nmodel: {{path: '{model}'}}\n"
        )

    def score(self) -> None:
        """Score the first file for real, and copy its parts for all others. The types of ids are those of all files."""
        one = self.work / "one"
        rel = f"{self.name(0)}.parquet"
        (one / rel).parent.mkdir(parents=True)
        shutil.copyfile(self.source / rel, one / rel)
        scored = self.work / "scored"
        execute([*self.command("run", plan=False), "--input", str(one), "--output", str(scored)])
        parts = [(p.relative_to(scored).as_posix(), p.read_bytes()) for p in sorted(scored.glob("*/*.parquet"))]
        old = self.name(0)
        for k in range(self.files):
            if k % FOLDER == 0:
                (self.out / self.name(k)).parent.mkdir(parents=True, exist_ok=True)
            new = self.name(k)
            for name, content in parts:
                (self.out / name.replace(old, new)).write_bytes(content.replace(old.encode(), new.encode()))

    def command(self, name: str, *options: str, plan: bool = True) -> list[str]:
        """A command on the job, with the plan file where it is wanted."""
        fixed = ("--plan", str(self.plan)) if plan else ()
        return [str(BINARY), name, str(self.job), *fixed, *options, "--quiet"]

    def parts(self) -> list[str]:
        """The names of all parts, in the order of the plan."""
        listing = json.loads(self.plan.read_bytes())["plan"]["input"]["files"]
        return [s["part"] for f in listing for s in f["shards"]]


def tiny(graphs: int, nodes: int = 4) -> pa.Table:
    """Rings of a few nodes."""
    r = np.random.default_rng(0)
    ring = np.arange(nodes, dtype=np.int64)
    counts = np.full(graphs, nodes)
    features = r.random((graphs * nodes, WIDTHS[0]), np.float32)
    return Graphs(counts, features, counts, np.tile(ring, graphs), np.tile(np.roll(ring, 1), graphs)).table(0)


def many_files(setting: Setting) -> Section:
    """Very many files of one part each."""
    files = setting.graphs(PARTS)
    return measure(setting, Many(setting.work / "many-files", files, 1), "many-files", f"{files:,} files")


def many_groups(setting: Setting) -> Section:
    """Files of a hundred parts each: what a large input is."""
    files = max(1, setting.graphs(PARTS) // 100)
    title = f"{files:,} files of 100 row groups"
    return measure(setting, Many(setting.work / "many-groups", files, 100), "many-groups", title)


def measure(setting: Setting, many: Many, name: str, title: str) -> Section:
    """The rows of one input."""
    many.write(setting.model(WIDTHS))
    rounds = setting.fewer(3)
    rows = list(timed(f"plan --out, {title}", many.command("plan", "--out", str(many.plan), plan=False), rounds))
    rows.append(Row(f"size of the plan file, {title}", [many.plan.stat().st_size / MEGA], "MB"))
    many.score()
    rows += shards(many, title, rounds)
    rows += timed(f"status, {title}", many.command("status", plan=False), rounds)
    records(many)
    rows += finished(many, title, rounds)
    idle = many.command("run", "--shard", f"1/{SHARDS}")
    rows += timed(f"shard of a finished output, {title}", idle, rounds, IDLE_SECONDS)
    rows += timed(f"run with nothing to do, {title}", many.command("run", plan=False), rounds)
    shutil.rmtree(many.work)
    return Section(name, f"Very many parts: {title}", rows)


def timed(what: str, command: Sequence[str], rounds: int, at_most: float = AT_MOST_SECONDS) -> Iterator[Row]:
    """Seconds and peak memory of a command that may be repeated."""
    yield from rows_of(what, [execute(command, watch=i == 0) for i in range(rounds)], at_most)


def rows_of(what: str, runs: Sequence[Finished], at_most: float = AT_MOST_SECONDS) -> Iterator[Row]:
    """A row for the time, and one for the memory, which was watched in the first run."""
    yield Row(what, [run.seconds for run in runs], "s", at_most=at_most)
    yield Row(f"{what}: peak memory", [runs[0].peak_bytes / MEGA], "MB", at_most=AT_MOST_MEGABYTES)


def shards(many: Many, title: str, rounds: int) -> Iterator[Row]:
    """Shards with the plan file: one whose parts all exist, and one that lacks a part."""
    yield from timed(f"shard with nothing to do, {title}", many.command("run", "--shard", f"1/{SHARDS}"), rounds)
    command = many.command("run", "--shard", f"0/{SHARDS}")
    first = many.out / many.parts()[0]
    runs = []
    for i in range(rounds):
        first.unlink()
        runs.append(execute(command, watch=i == 0))
    yield from rows_of(f"shard with one part to do, {title}", runs)


def records(many: Many) -> None:
    """Leave the records of all shards, as if each had made all its parts, from that of the shard which made one."""
    parts = many.parts()
    folder = many.out / "_runs" / "shards"
    record = json.loads((folder / f"0-of-{SHARDS}.json").read_text())
    attempt = record["attempts"][-1]
    shard = next(s for s in record["shards"] if s["outcome"] == "scored")
    (made,) = attempt["made"]  # all inputs are one file: the fingerprint is that of the others, too
    for i in range(SHARDS):
        own = parts[i::SHARDS]
        record["shard"]["index"] = i
        record["attempts"] = [attempt | {"made": [made | {"part": part} for part in own]}]
        record["shards"] = [shard | {"part": part} for part in own]
        (folder / f"{i}-of-{SHARDS}.json").write_text(json.dumps(record, indent=2))


def finished(many: Many, title: str, rounds: int) -> Iterator[Row]:
    """``finish``, each time with the records of all shards."""
    kept = many.work / "records"
    shutil.copytree(many.out / "_runs" / "shards", kept)
    size = sum(f.stat().st_size for f in kept.iterdir()) / MEGA
    runs = []
    for i in range(rounds):
        shutil.copytree(kept, many.out / "_runs" / "shards", dirs_exist_ok=True)
        (many.out / "_SUCCESS").unlink(missing_ok=True)
        runs.append(execute(many.command("finish"), watch=i == 0))
    joint = max((many.out / "_runs").glob("*.json")).stat().st_size / MEGA
    yield from rows_of(f"finish, {title}", runs)
    yield Row(f"records of {SHARDS} shards, {title}", [size], "MB")
    yield Row(f"record of finish, {title}", [joint], "MB")
