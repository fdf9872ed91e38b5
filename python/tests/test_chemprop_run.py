"""A training run of chemprop 2.3.1, as it left it, and what `chemprop predict` makes of a file: data/chemprop_run.zip.

    chemprop train -i train.csv -s smiles --target-columns y --batch-norm --aggregation sum --message-hidden-dim 16 \
        --ffn-hidden-dim 12 --epochs 2 --warmup-epochs 1 --batch-size 3 --accelerator cpu -o run
    chemprop predict -i molecules.csv -s smiles --model-paths run/model_0/best.pt -o predicted.csv

train.csv has the first 60 molecules of jobs/examples/admet/data/drugs.csv with random numbers y; molecules.csv has id
and smiles of salts, metals, isotopes, radicals, wildcards, dative bonds, single atoms, and 30 drugs.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import graphscore
from graphscore._cli import main

DATA = Path(__file__).parent / "data" / "chemprop_run.zip"
NOT_PARSED = (("ring", "C1CC"), ("none", ""), ("valence", "C(C)(C)(C)(C)C"), ("reaction", "CCO>>CC=O"))
"""Of these rows `chemprop predict` ends with an error, and predicts no other."""


@pytest.mark.parametrize(("file", "output"), [("best.pt", "y"), ("last.ckpt", "score")])
def test_a_file_of_molecules_has_the_scores_of_chemprop_predict(file: str, output: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA) as archive:
        archive.extract(file, tmp_path)
        rows = list(csv.DictReader(io.StringIO(archive.read("predicted.csv").decode())))
    molecules = tmp_path / "molecules.csv"
    with molecules.open("w", newline="") as to:
        table = csv.writer(to)
        table.writerow(["id", "smiles"])
        table.writerows([*((row["id"], row["smiles"]) for row in rows), *NOT_PARSED])
    assert main(["export", "chemprop", str(tmp_path / file), "--out", str(tmp_path / "model")]) == 0
    graphs = tmp_path / "graphs"
    flags = ["--out", str(graphs), "--features", "chemprop-v2", "--processes", "1", "--part-rows", "20"]
    assert main(["convert", "smiles", str(molecules), *flags]) == 3
    assert sum(len(path.read_text().splitlines()) for path in (graphs / "_rejects").iterdir()) == len(NOT_PARSED)
    scored = graphscore.load(tmp_path / "model").score(pq.read_table(graphs))
    assert scored.rejected.num_rows == 0
    got = dict(zip(scored.scores["graph_id"].to_pylist(), scored.scores[output].to_pylist(), strict=True))
    assert list(got) == [row["id"] for row in rows]
    wanted = np.array([float(row["y"]) for row in rows])
    difference = np.abs(np.array(list(got.values())) - wanted) / np.maximum(1, np.abs(wanted))
    assert difference.max() < 1e-4
