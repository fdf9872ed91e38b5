"""CHEMPROP.md: its commands run, and it names every argument."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import graphscore
from chemprop_cases import FILES, array, molecules
from graphscore._cli import main

PAGE = (Path(__file__).parent.parent / "CHEMPROP.md").read_text()
TRAINED = {"model_0": "two_tasks_unscaled", "model_1": "member_1", "model_2": "member_2"}


def commands(*begin: str) -> list[list[str]]:
    """Return the commands of the page that begin so, without `python -m graphscore`."""
    found = [shlex.split(line) for line in re.findall(r"(?m)^python -m graphscore (.*)$", PAGE)]
    return [command for command in found if tuple(command[: len(begin)]) == begin]


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are those that a training run would have left; cmd/internal/e2e scores such a folder with a run."""
    for folder, case in TRAINED.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "best.pt").write_bytes(FILES[f"{case}.pt"])
    monkeypatch.chdir(tmp_path)
    exports = commands("export", "chemprop")
    batch = None
    for command, members in zip(exports, (["model_0"], list(TRAINED)), strict=True):
        assert main(command) == 0
        model = graphscore.load_model("solubility")
        batch = batch or molecules(model.inputs)
        mean = graphscore.Engine(model).score(batch).values[:, :2]
        wanted = sum(array(TRAINED[member]) for member in members) / len(members)
        assert abs(mean - wanted).max() < 1e-5
    assert re.search(r"(?m)^graphscore run --input \w+ --model solubility --output \w+$", PAGE)


def test_a_library_is_converted_and_what_it_carries_is_joined_with_the_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores are those that a run would have written: graphscore.load returns the same, to the bit."""
    monkeypatch.chdir(tmp_path)
    Path("model.pt").write_bytes(FILES["two_tasks_unscaled.pt"])
    assert main(["export", "chemprop", "model.pt", "--out", "solubility"]) == 0
    Path("library.csv").write_text("name,smiles,price\nethanol,CCO,3\nring,C1CC,1\nmethane,C,2\n")
    (convert,) = commands("convert", "smiles")
    assert main(convert) == 3
    scores = graphscore.load("solubility").score(pq.read_table("library")).scores
    Path("scores").mkdir()
    pq.write_table(scores.take([1, 0]), "scores/library.parquet")
    found: dict[str, Any] = {}
    (example,) = re.findall(r"(?s)```python\n(.*?)```", PAGE)
    exec(example, found)
    table = found["table"]
    assert table.column_names == [*scores.column_names, "price"]
    assert dict(zip(table["graph_id"].to_pylist(), table["price"].to_pylist(), strict=True)) == {
        "methane": "2",
        "ethanol": "3",
    }


def test_every_argument_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "chemprop", "--help"])
    flags = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
    assert flags == set(re.findall(r"(?m)^\| `(--[a-z]+)", PAGE))
