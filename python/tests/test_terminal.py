"""No text of a file commands a terminal, whichever command repeats it."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import graphscore
from graphs import write_model
from graphscore import _cli
from graphscore._terminal import harmless, line

HOSTILE = ["\x1b[31m", "\a", "\r", "\x7f", "\u009b2J", "\u202e", "\u2066", "\u2028", "\nforged"]


@pytest.mark.parametrize("text", HOSTILE)
def test_json_stays_json(text: str) -> None:
    assert json.loads(harmless(json.dumps([text], ensure_ascii=False))) == [text]
    assert line(text).isascii()
    assert line(text).count("\n") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_commands(text: str, tmp_path: Path, sockets: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = f"a{text}b"
    folder = write_model(tmp_path / name)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {name: 1, "name": name}, ensure_ascii=False))
    with pytest.raises(graphscore.ModelError):
        graphscore.load_model(folder)
    checkpoint = tmp_path / f"{name}.pt"
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr(f"{name}/data.pkl", b"cposix\nsystem\n")
    molecules = tmp_path / f"{name}.csv"
    molecules.write_text(f'"{name}",id\nCCO,1\n')
    for arguments in (
        ["serve", "--model", folder, "--listen", f"unix:{sockets / 's'}"],
        ["serve", "--model", folder, "--listen", f"unix:{sockets / 's'}", "--log-format", "text"],
        ["export", "chemprop", checkpoint, "--out", tmp_path / "model"],
        ["convert", "smiles", molecules, "--out", tmp_path / "out", "--smiles-column", "none"],
        [name],
    ):
        try:
            code = _cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(str(end.code))
        printed = capfd.readouterr()
        said = printed.out + printed.err
        assert code in (64, 65), said
        assert said.isascii()
        assert said == harmless(said)
        assert not any(row.startswith("forged") for row in io.StringIO(said))


def ended(redirections: str, *arguments: str) -> tuple[int, str]:
    """Run a command with streams as a shell sets them; return its code, and what it says where they lead somewhere."""
    command = shlex.join([sys.executable, "-m", "graphscore", *arguments])
    done = subprocess.run(["sh", "-c", f"{command} {redirections}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["convert", "smiles", "--help"]])
def test_streams_that_take_nothing(arguments: list[str]) -> None:
    """A result that nobody gets is an error; one that nobody wants is none."""
    full = "graphscore: standard output cannot be written: No space left on device\n"
    assert ended(">/dev/full", *arguments) == (74, full)
    assert ended(">/dev/full 2>&-", *arguments) == (74, "")
    assert ended(">&-", *arguments) == (0, "")
    assert ended("<&- >&- 2>&-", *arguments) == (0, "")
    assert ended("2>/dev/full", *arguments)[0] == 0
    assert ended("| true", *arguments) == (0, "")


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_errors_that_nobody_sees(redirections: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert ended(redirections, "export", "chemprop", str(tmp_path / "none.pt"), *out) == (65, "")
    convert = ["convert", "smiles", "--features", "molecules", str(tmp_path / "a.csv")]
    assert ended(redirections, *convert, *out) == (66, "")
    assert ended(redirections, "serve", "--model", str(tmp_path / "none")) == (65, "")
    assert ended(redirections, "serve") == (64, "")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A folder whose name is not UTF-8, and a terminal that knows no more than ASCII."""
    (tmp_path / "a.csv").write_text("smiles\nCCO\nC1CC\n")
    out = str(tmp_path) + "/\udcff\u00e4"
    code, said = ended("", "convert", "smiles", "--features", "molecules", str(tmp_path / "a.csv"), "--out", out)
    assert code == 3
    assert "\\udcff" in said
