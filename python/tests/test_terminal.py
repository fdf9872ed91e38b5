"""No text of a file commands a terminal, whichever command repeats it."""

from __future__ import annotations

import io
import json
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
def test_commands(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
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
        ["serve", "--model", folder, "--listen", f"unix:{tmp_path / 's'}"],
        ["serve", "--model", folder, "--listen", f"unix:{tmp_path / 's'}", "--log-format", "text"],
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
