"""The command as a process: its terminal, its lock, and what is left where something kills it."""

from __future__ import annotations

import builtins
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from graphscore import _cli, convert

MOLECULES = ("CCO", "c1ccccc1C(=O)O", "C1CC", "C[C@H](N)C(=O)O", "[Na+].[Cl-]", "N", "CC(=O)Oc1ccccc1C(=O)O")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def source(rows: int) -> None:
    lines = (f"{MOLECULES[row % len(MOLECULES)]},{row}" for row in range(rows))
    Path("a.csv").write_text("smiles,id\n" + "\n".join(lines) + "\n")


def command(out: str, processes: int, part_rows: int) -> list[str]:
    flags = ["--out", out, "--features", "chemprop-v2", "--processes", str(processes), "--part-rows", str(part_rows)]
    return [sys.executable, "-m", "graphscore", "convert", "smiles", "a.csv", *flags]


def begun(out: str, processes: int, parts: int) -> subprocess.Popen[str]:
    """Start a conversion and return it once it has written some parts."""
    child = subprocess.Popen(command(out, processes, 5), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while len(list(Path(out).glob("*.parquet"))) < parts:
        assert child.poll() is None, child.communicate()
        time.sleep(0.002)
    return child


def files(out: str) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(Path(out).rglob("*")) if path.is_file()}


def run(arguments: Sequence[str]) -> int:
    return _cli.main(arguments[3:])


def test_a_terminal_shows_rows_percent_and_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, whose stderr is a terminal: a line is due after each chunk."""
    monkeypatch.setattr("graphscore.convert._progress._EVERY", 0.0)
    source(40)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert run(command("out", 1, 10)) == 3
        terminal.flush()
        shown = os.read(master, 1 << 16).decode()
    os.close(master)
    lines = [line for line in shown.split("\r\x1b[K") if line]
    assert re.fullmatch(r"\d+ rows, \d+ %, \d+ s(, about 0:00:\d\d left)?", lines[0])
    assert re.fullmatch(r"40 rows, 100 %, \d+ s, about 0:00:00 left", lines[-1])
    assert shown.endswith("\r\x1b[K")


def test_no_terminal_shows_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    source(40)
    assert run(command("out", 1, 10)) == 3
    assert capsys.readouterr().err == ""


def test_an_output_that_another_conversion_writes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    source(10)
    Path("out").mkdir()
    with Path("out/_lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(command("out", 1, 10)) == 75
    assert capsys.readouterr().err == "graphscore: --out out: another conversion is writing to it; try again later\n"
    assert run(command("out", 1, 10)) == 3


def test_a_process_that_is_killed_is_one_sentence_and_the_rest_resumes() -> None:
    source(600)
    child = begun("out", 2, 1)
    with child:
        workers = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        spawned = [worker for worker in workers if b"spawn_main" in Path(f"/proc/{worker}/cmdline").read_bytes()]
        os.kill(int(spawned[0]), signal.SIGKILL)
        said = child.communicate()[1]
    assert child.returncode == 71
    assert re.fullmatch(
        r"graphscore: a process was killed while it converted (a\.csv lines \d+-\d+( or )?)+: was there enough "
        r"memory\? Use fewer --processes; the parts that were made stay\n",
        said,
    )
    assert not Path("out/_SUCCESS").exists()
    assert run(command("out", 1, 5)) == 3
    assert run(command("whole", 1, 5)) == 3
    assert files("out") == files("whole")


def test_a_conversion_that_is_killed_resumes_to_the_same_bytes() -> None:
    source(600)
    with begun("out", 2, 3) as child:
        child.kill()
        child.communicate()
    assert Path("out/_temporary").exists()
    kept = {name: Path("out", name).stat().st_ino for name in files("out") if name.endswith(".parquet")}
    done = subprocess.run(command("out", 3, 5), capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "parts were there already" in done.stdout
    assert {name: Path("out", name).stat().st_ino for name in kept} == kept
    assert run(command("whole", 1, 5)) == 3
    assert files("out") == files("whole")


def test_without_rdkit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    imported = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "graphscore.convert" and "_run" in (rest[2] or ()):
            raise ImportError("No module named 'rdkit'")
        return imported(name, *rest)

    monkeypatch.delattr(convert, "_run", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    source(1)
    assert run(command("out", 1, 5)) == 69
    assert "needs RDKit and pyarrow (No module named 'rdkit'); install them with pip install" in capsys.readouterr().err
