"""Features equal chemprop's own to the bit, and those of the example of molecules."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import RDConfig

from graphscore import convert
from graphscore.convert._features import Featurizer, _chemprop_atom_keys, _chemprop_bond_keys, featurizer
from graphscore.convert._molecules import Parser
from graphscore.convert._settings import Reject
from graphscore.convert._table import table

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[2] / "jobs" / "examples" / "molecules" / "data"
NCI = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
VECTORS = json.loads((HERE / "chemprop_vectors.json").read_text(encoding="utf-8"))


def converted(features: Featurizer, smiles: str) -> dict[str, list[list[float]]]:
    molecule = Parser(10**6).parse(1, smiles)
    assert not isinstance(molecule, Reject)
    features.add(molecule, smiles)
    rows: pa.Table = table(features.take(), ["a"], features.pairs, None)
    row: dict[str, list[list[float]]] = rows.to_pylist()[0]
    return row


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["smiles"] for vector in VECTORS])
def test_chemprop_features(vector: dict[str, list[list[int]]]) -> None:
    row = converted(featurizer("chemprop-v2"), str(vector["smiles"]))
    atoms = np.zeros((len(vector["atoms"]), 72), np.float32)
    for place, ones in enumerate(vector["atoms"]):
        atoms[place, ones] = 1
    atoms[:, 71] = vector["masses"]
    edges = np.zeros((len(vector["edges"]), 14), np.float32)
    for place, ones in enumerate(vector["edges"]):
        edges[place, ones] = 1
    assert np.asarray(row["node_feat"], np.float32).tobytes() == atoms.tobytes()
    assert np.asarray(row["edge_attr"], np.float32).tobytes() == edges.tobytes()
    assert row["edge_index"] == vector["edge_index"]


def test_what_is_not_asked_of_unmarked_smiles_is_none() -> None:
    """Chiral tags and stereo are only asked for where the SMILES has a mark of them."""
    for line in NCI.read_text(encoding="ascii").splitlines()[::7]:
        smiles = line.split()[0]
        molecule = Parser(1000).parse(1, smiles)
        if isinstance(molecule, Reject):
            continue
        atoms, bonds = list(molecule.GetAtoms()), list(molecule.GetBonds())
        assert list(_chemprop_atom_keys(atoms, smiles)) == list(_chemprop_atom_keys(atoms, "@")), smiles
        assert list(_chemprop_bond_keys(bonds, smiles)) == list(_chemprop_bond_keys(bonds, "/")), smiles


def test_molecules_are_those_of_the_example(tmp_path: Path) -> None:
    """Its data has those molecules of this file whose charges are finite."""
    totals = convert.smiles([NCI], tmp_path, convert.Settings(features="molecules"))
    assert (totals.rows, totals.converted, totals.rejected) == (4999, 4991, 8)
    columns = ["graph_id", "node_feat", "edge_index", "num_nodes"]
    made = pq.read_table(tmp_path, columns=columns)
    rows = {row["graph_id"]: row for row in made.to_pylist()}
    for row in pq.read_table(EXAMPLE, columns=columns).to_pylist():
        assert rows[row["graph_id"]] == row


def test_one_atom_has_no_edges() -> None:
    row = converted(featurizer("chemprop-v2"), "C")
    assert row["edge_index"] == [[], []]
    assert row["edge_attr"] == []
    assert len(row["node_feat"]) == 1


def test_a_table_of_rows_that_has_grown_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = [f"[{mass}CH4]" for mass in range(10, 30)]
    wanted = [converted(featurizer("chemprop-v2"), one) for one in smiles]
    monkeypatch.setattr("graphscore.convert._features._MOST_ROWS", 4)
    features = featurizer("chemprop-v2")
    assert [converted(features, one) for one in smiles] == wanted
