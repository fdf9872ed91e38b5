"""Parquet is read by another process: where that one ends, one sentence names the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphscore import convert
from graphscore.convert import _reading

SETTINGS = convert.Settings(features="molecules", part_rows=2)
ABORTS = "import os; os.abort()"
ABORTS_LATER = """
import os
from graphscore.convert._parquet import ParquetSource
chunks = ParquetSource.chunks
def some(source):
    yield next(chunks(source))
    os.abort()
ParquetSource.chunks = some
"""
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def table(folder: Path) -> Path:
    path = folder / "a.parquet"
    pq.write_table(pa.table({"smiles": ["C", "CC", "CCC", "CCCC", "CCCCC"]}), path)
    return path


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        (ABORTS, 65, "cannot be read: pyarrow ended its process on it, by signal 6 (Aborted); is the file whole?"),
        (KILLED, 71, ": the process that reads it was killed: was there enough memory?"),
        ("raise SystemExit(5)", 65, "cannot be read: pyarrow ended its process on it, by exit code 5"),
    ],
)
def test_a_process_that_ends_is_one_sentence(
    program: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path)
    monkeypatch.setattr(_reading, "_BEGIN", program)
    with pytest.raises(convert.ConvertError) as failed:
        convert.smiles([path], tmp_path / "out", SETTINGS)
    assert failed.value.code == code
    assert str(failed.value).startswith(str(path))
    assert said in str(failed.value)


def test_the_rows_before_it_stay_and_the_same_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = table(tmp_path), tmp_path / "out"
    with monkeypatch.context() as patched:
        begin, _, serve = _reading._BEGIN.rpartition("from graphscore")
        patched.setattr(_reading, "_BEGIN", f"{begin}\n{ABORTS_LATER}\nfrom graphscore{serve}")
        with pytest.raises(convert.ConvertError, match="on it after row 2, by signal 6") as failed:
            convert.smiles([path], out, SETTINGS)
    assert failed.value.code == 65
    assert not (out / "_SUCCESS").exists()
    totals = convert.smiles([path], out, SETTINGS)
    assert (totals.rows, totals.converted, totals.skipped_parts) == (5, 5, 1)


def test_one_process_reads_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Counted(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__(command, **options)
            started.append(self)

    first, second = table(tmp_path), tmp_path / "b.parquet"
    second.write_bytes(first.read_bytes())
    monkeypatch.setattr("graphscore.convert._reading.subprocess.Popen", Counted)
    assert convert.smiles([first, second], tmp_path / "out", SETTINGS).converted == 10
    (process,) = started
    assert process.returncode is not None


def test_modules_in_the_current_folder_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path)
    for name in ("json", "pickle", "signal", "subprocess"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    assert convert.smiles([path], tmp_path / "out", SETTINGS).converted == 5
