"""ADMET-AI's ten models against what it predicts itself: predictions.parquet, of make_predictions.py.

`make test-admet` fetches the models first.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
FETCHED = ROOT / ".cache" / "admet"
EXAMPLE = ROOT / "jobs" / "examples" / "admet"
KINDS = {"classification": 31, "regression": 10}
TOLERANCE = 1e-4
LAST_DIGIT = 0.0101  # of a printed number: kernels of other processors may round it to its neighbour
NUMBER = re.compile(r"-?\d+\.\d+")


def command(*arguments: object) -> None:
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("admet")
    smiles = pq.read_table(HERE / "predictions.parquet", columns=["smiles"]).column(0).to_pylist()
    with (folder / "molecules.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "smiles"])
        rows.writerows(enumerate(smiles))
    out = folder / "graphs"
    convert = [sys.executable, "-m", "graphscore", "convert", "smiles", folder / "molecules.csv", "--out", out]
    command(*convert, "--features", "chemprop-v2", "--part-rows", 100)
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_admet_ai(kind: str, graphs: Path, tmp_path: Path) -> None:
    checkpoints = sorted((FETCHED / "models" / f"admet_{kind}").glob("*.pt"))
    assert len(checkpoints) == 5, "make test-admet fetches the checkpoints"
    model, out = tmp_path / "model", tmp_path / "out"
    command(sys.executable, "-m", "graphscore", "export", "chemprop", *checkpoints, "--out", model, "--std")
    job = tmp_path / "job.yaml"
    job.write_text(f"name: admet\ninput: {{path: {graphs}}}\noutput: {{path: {out}}}\nmodel: {{path: {model}}}\n")
    command(ROOT / "bin" / "graphscore", "run", job, "--quiet")
    expected = pq.read_table(HERE / "predictions.parquet")
    scores = pq.read_table(out).to_pydict()
    order = np.argsort([int(name) for name in scores["graph_id"]])
    assert len(order) == expected.num_rows
    names = [name for name in scores if name != "graph_id" and not name.endswith("_std")]
    assert len(names) == KINDS[kind]
    for name in names:
        wanted = expected[name].to_numpy().astype(np.float64)
        got = np.asarray(scores[name], np.float64)[order]
        assert np.max(np.abs(got - wanted) / np.maximum(1, np.abs(wanted))) < TOLERANCE, name
        assert np.all(np.asarray(scores[f"{name}_std"]) >= 0)
    assert set(names) < set(expected.column_names)


def test_readme_has_the_table_of_the_example() -> None:
    """`make admet`, which runs first in CI, leaves the scores. Numbers are compared to their last digit."""
    out = EXAMPLE / "out"
    printed = subprocess.run(
        [sys.executable, str(EXAMPLE / "table.py"), str(out)], capture_output=True, text=True, check=True
    ).stdout
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    shown = "property" + page.split("```\nproperty")[1].split("```")[0]
    ours, theirs = table(printed), table(shown)
    assert printed.splitlines()[0] == shown.splitlines()[0]
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        assert ours[name] == pytest.approx(values, abs=LAST_DIGIT), name


def table(text: str) -> dict[str, list[float]]:
    """Return the numbers of each property: means and standard deviations."""
    return {line.split()[0]: list(map(float, NUMBER.findall(line[30:]))) for line in text.splitlines()[1:] if line}
