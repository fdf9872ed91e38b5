"""CHEMPROP.md: its commands run, and it names every argument."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import graphscore
from chemprop_cases import FILES, array, molecules
from graphscore._cli import main

PAGE = (Path(__file__).parent.parent / "CHEMPROP.md").read_text()
TRAINED = {"model_0": "two_tasks_unscaled", "model_1": "member_1", "model_2": "member_2"}


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are those that a training run would have left; cmd/internal/e2e scores such a folder with a run."""
    for folder, case in TRAINED.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "best.pt").write_bytes(FILES[f"{case}.pt"])
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for line in re.findall(r"(?m)^python -m graphscore (.*)$", PAGE)]
    assert [command[:2] for command in commands] == [["export", "chemprop"]] * 2
    batch = None
    for command, members in zip(commands, (["model_0"], list(TRAINED)), strict=True):
        assert main(command) == 0
        model = graphscore.load_model("solubility")
        batch = batch or molecules(model.inputs)
        mean = graphscore.Engine(model).score(batch).values[:, :2]
        wanted = sum(array(TRAINED[member]) for member in members) / len(members)
        assert abs(mean - wanted).max() < 1e-5
    assert re.search(r"(?m)^graphscore run --input \w+ --model solubility --output \w+$", PAGE)


def test_every_argument_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "chemprop", "--help"])
    flags = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
    assert flags == set(re.findall(r"(?m)^\| `(--[a-z]+)", PAGE))
