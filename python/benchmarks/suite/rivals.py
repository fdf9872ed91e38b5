"""Sections on the rivals as they were given: each against graphscore in pairs, on the molecules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from suite.machine import ROOT
from suite.processes import CommandError, Finished, execute
from suite.results import Row, Section, ratios
from suite.sides import HERE, Run, Setting, ours, pairs, side

VENV = ROOT / ".cache" / "rivals-venv"
GIVEN = HERE / "rivals"
WIDTHS = (16, 32, 1)
OLD_WAY_GRAPHS = 8_000
AGAINST = "Molecules against "
COMMON = ("numpy", "scipy", "pyarrow", "pandas")


@dataclass(frozen=True)
class Rival:
    """A script as it was given. What it needs is installed on its own, so that one that cannot be is named."""

    name: str
    title: str
    packages: tuple[str, ...]
    start: Callable[[Setting, Rival, bool], Finished]
    """Runs it once over the molecules; True: look at its memory."""
    passes: Callable[[list[str]], list[float]]
    """Out of what it printed: the seconds of each pass over the input, start-up left out."""
    at_least: tuple[tuple[str, int, float], ...]
    """What to call a pass, which one it is, and how many times faster graphscore must be."""
    most_rounds: int = 3
    whole: float = 0
    """How many times faster graphscore must be with start-up; 0: not asked for."""
    memory: float = 0
    """The share of the rival's memory that graphscore may take; 0: not asked for."""


def python(rival: Rival) -> str:
    """The interpreter of a rival, once its packages are there."""
    return installed(rival.name, rival.packages) if rival.packages else sys.executable


def installed(name: str, packages: Sequence[str]) -> str:
    """The interpreter of the rivals' venv, once packages are there; the name is that of their stamp."""
    interpreter = VENV / "bin" / "python"
    try:
        if not interpreter.exists():
            say(f"making {VENV.relative_to(ROOT)}")
            subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        stamp = VENV / f".{name}"
        if not stamp.exists():
            say(f"installing {' '.join(packages)}")
            subprocess.run([*pip, *packages], check=True, timeout=1800)
            stamp.touch()
    except (subprocess.SubprocessError, OSError) as error:
        raise CommandError(f"its packages cannot be installed: {error}") from error
    return str(interpreter)


def versions(rival: Rival) -> str:
    """The title of a rival with the versions of what is its own."""
    own = [package.partition("[")[0] for package in rival.packages if package not in COMMON]
    return f"{rival.title} ({printed_versions(python(rival), own)})" if own else rival.title


def printed_versions(interpreter: str, packages: Sequence[str]) -> str:
    """Packages of an interpreter with their versions."""
    code = "import sys, importlib.metadata as m; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    return execute([interpreter, "-c", code, *packages]).outputs[0].strip()


def say(what: str) -> None:
    """Tell what takes a while."""
    print(what, file=sys.stderr, flush=True)


def script(name: str, *options: str) -> Callable[[Setting, Rival, bool], Finished]:
    """Start a script as ``NAME IN OUT OPTIONS``."""

    def start(setting: Setting, rival: Rival, watch: bool) -> Finished:
        out = setting.output("theirs")
        arguments = [str(GIVEN / name), str(setting.molecules()), str(out), *options]
        return execute([python(rival), *arguments], watch=watch)

    return start


def two_pyg(setting: Setting, rival: Rival, watch: bool) -> Finished:
    """Start two processes of the PyG script with a thread each, half of the files each."""
    files = sorted(setting.molecules().glob("*.parquet"))
    commands = []
    for i in range(2):
        half = setting.work / f"half-{i}"
        if not half.exists():
            half.mkdir()
            for file in files[i::2]:
                (half / file.name).symlink_to(file)
        out = setting.output(f"theirs-{i}")
        commands.append([python(rival), str(GIVEN / "pygfast.py"), str(half), str(out), "csr", "1000", "1"])
    return execute(*commands, watch=watch)


def old_way(setting: Setting, rival: Rival, watch: bool) -> Finished:
    """Score a few thousand graphs one by one through the plain server."""
    stubs = setting.work / "stubs"
    if not stubs.exists():
        stubs.joinpath("proto").mkdir(parents=True)
        stubs.joinpath("proto", "gcn.proto").write_text((ROOT / "proto" / "gcn" / "gcn.proto").read_text())
        outs = ["--python_out=.", "--grpc_python_out=.", "proto/gcn.proto"]
        execute([python(rival), "-m", "grpc_tools.protoc", "-I", ".", *outs], folder=stubs)
    out, graphs = setting.output("theirs"), setting.graphs(OLD_WAY_GRAPHS)
    arguments = [str(stubs), str(setting.molecules()), str(out), str(graphs)]
    return execute([python(rival), str(HERE / "oldway.py"), *arguments], watch=watch)


def longest(outputs: list[str]) -> list[float]:
    """The longest of the walls that processes side by side printed."""
    return [max(float(w) for text in outputs for w in walls(text))]


def each_pass(outputs: list[str]) -> list[float]:
    """The walls of the passes of one process."""
    return [float(w) for w in walls(outputs[0])]


def walls(text: str) -> list[str]:
    """The seconds that a script printed."""
    found: list[str] = re.findall(r"wall=([\d.]+)", text)
    if not found:
        raise CommandError(f"it printed no time: {text!r}")
    return found


def recorded_seconds(outputs: list[str]) -> list[float]:
    """Seconds without start-up of a run record."""
    record = json.loads(outputs[0])
    return [record["seconds"] - record["startup_seconds"]]


RIVALS = (
    Rival("inproc", "pyarrow + SciPy, one process", (), script("inproc.py"), longest, (("", 0, 4),), 9),
    Rival("inproc2", "pyarrow + SciPy, CSR, two processes", (), script("inproc2.py"), longest, (("", 0, 2),), 9),
    Rival(
        "pyg",
        "PyG, two processes",
        ("torch", "torch-geometric", *COMMON[:3]),
        two_pyg,
        longest,
        (("", 0, 1.9),),
        most_rounds=5,
        whole=3.5,
    ),
    Rival(
        "ray",
        "Ray Data",
        ("ray[data]", *COMMON),
        script("rayd.py"),
        longest,
        (("", 0, 15),),
        memory=1 / 6,
    ),
    Rival(
        "spark",
        "PySpark",
        ("pyspark", *COMMON),
        script("sparkd.py", "2000", "3"),
        each_pass,
        (("cold", 0, 16), ("warm", -1, 3)),
    ),
)
OLD_WAY = Rival("oldway", "one graph a request, the old way", (), old_way, recorded_seconds, (("", 0, 200),))


def against(setting: Setting, rival: Rival) -> Section:
    """Graphscore and a rival in pairs, and the memory of both."""
    rounds = setting.fewer(rival.most_rounds)
    mine = ours(setting, setting.molecules(), WIDTHS)
    graphs = mine(False).graphs if rival is not OLD_WAY else setting.graphs(OLD_WAY_GRAPHS)
    passes: list[list[float]] = []

    def run(watch: bool) -> Run:
        done = rival.start(setting, rival, watch)
        seconds = rival.passes(done.outputs)
        passes.append(seconds)
        return Run(graphs, seconds[0], done.seconds - sum(seconds), done.cpu_seconds, done.peak_bytes, {})

    left, right = pairs(rounds, mine, run)
    measured = passes[-rounds:]
    rows, sides = [], []
    peak, its = mine(True).peak_bytes, run(True).peak_bytes
    for what, which, at_least in rival.at_least:
        title = f"{rival.title}, {what}" if what else rival.title
        speeds = [graphs / seconds[which] for seconds in measured]
        each = ratios([r.graphs / r.seconds for r in left], speeds)
        rows.append(Row(f"{title}: graphscore's speed / its", each, at_least=at_least))
        one = side("molecules", title, right, its)
        seconds = [s[which] for s in measured]
        # The CPU seconds of several passes cannot be told apart.
        sides.append(replace(one, seconds=seconds, cpu_seconds=one.cpu_seconds if len(rival.at_least) == 1 else []))
    if rival.whole:
        wholes = [[r.seconds + r.startup_seconds for r in runs] for runs in (right, left)]
        rows.append(Row(f"{rival.title}, start-up included: the same", ratios(*wholes), at_least=rival.whole))
    if rival.memory:
        rows.append(Row(f"{rival.title}: graphscore's memory / its", [peak / its], at_most=rival.memory))
    title = f"{AGAINST}{versions(rival)}"
    return Section(f"rival-{rival.name}", title, rows, [side("molecules", "graphscore", left, peak), *sides])
