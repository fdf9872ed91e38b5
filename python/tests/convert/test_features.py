"""Features equal chemprop's own to the bit, and those of the example of molecules."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem, RDConfig

from graphscore import convert
from graphscore.convert import _binary
from graphscore.convert._features import Block, Featurizer, featurizer
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
    features.add(molecule)
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


TRICKY = [
    "[2H]C",
    "[D]C([D])C",
    "[T]O",
    "[13CH4]",
    "N->B",
    "N->[B]",
    "Cl[Pt](Cl)([NH3])[NH3]",
    "[NH3]->[Pt]<-[NH3]",
    "[Fe]N(C)(C)C",
    "C*C",
    "*~*",
    "CC~C",
    "CC$CC",
    "[Cu+2].[O-]C",
    "[Na]OC(=O)C",
    "C[Hg]C",
    "C[Si](C)(C)C",
    "C[As](C)C",
    "C[Sn](C)(C)C",
    "C[Te]C",
    "[se]1cccc1",
    "[te]1cccc1",
    "C[Mg]Br",
    "[#26]N",
    "[#7]C",
    "F[P-](F)(F)(F)(F)F",
    "CN(=O)=O",
    "[cH-]1cccc1.[cH-]1cccc1.[Fe+2]",
    "[Al](C)(C)C",
    "[bH]1cccc1",
    "[asH]1cccc1",
    "OCl(=O)(=O)=O",
]


# More than 255 atoms or bonds, a query, a label, a number of a map, groups of stereo: no records of the binary form.
ASKED = [
    "C" * 256,
    "*C",
    "CC~C",
    "[CH3:7]O",
    "C[C@H](O)CC |o1:1|",
    "[13CH4]",
    "OC1" + "C" * 300 + "1",
    "C1CC2" + "C1C1C2C2" * 43 + "C1CC2",  # 178 atoms, 265 bonds
]


def of_rdkit(smiles: list[str]) -> Iterator[tuple[str, Chem.Mol]]:
    parser = Parser(1000)
    for one in smiles:
        molecule = parser.parse(1, one)
        if not isinstance(molecule, Reject):
            yield one, molecule


@pytest.mark.parametrize("kind", convert.FEATURES)
def test_features_of_records_are_those_of_getters(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RDKit's binary form has the same features, of all molecules side by side and of each alone."""
    smiles = [line.split()[0] for line in NCI.read_text(encoding="ascii").splitlines()[::7]]
    smiles += [vector["smiles"] for vector in VECTORS]
    molecules = list(of_rdkit([*smiles, *TRICKY, *ASKED, "C" * 255, "N.B |C:0.0|", "OC |H:0.0|", "C12C3C4C1C5C2C3C45"]))
    side_by_side = featurizer(kind)
    blocks = []
    for one, molecule in molecules:
        alone = featurizer(kind)
        for found in (alone, side_by_side):
            found.add(molecule)
        blocks.append((one, molecule, alone.take()))
    monkeypatch.setattr("graphscore.convert._features.known", lambda: False)
    all_asked = featurizer(kind)
    for one, molecule, mine in blocks:
        asked = featurizer(kind)
        for found in (asked, all_asked):
            found.add(molecule)
        assert same(mine, asked.take()), one
    assert same(side_by_side.take(), all_asked.take())


def same(one: Block, other: Block) -> bool:
    names = [field.name for field in dataclasses.fields(Block)]
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return all(left is right or left.tobytes() == right.tobytes() for left, right in pairs)


def test_the_binary_form_of_this_rdkit_is_known() -> None:
    """Else features are right, and slow: look at what has changed in RDKit's MolPickler.cpp."""
    assert _binary.known()
    for _, molecule in of_rdkit(["CCO", "c1ccc2ccccc2c1", "F/C=C/F", "N[C@@H](C)C(=O)O", "[Na+].[Cl-]"]):
        found = _binary.parts(molecule)
        assert found is not None
        assert all(map(_binary.is_atom, found.atoms))
        assert all(map(_binary.is_bond, found.bonds))


@pytest.mark.parametrize("smiles", ASKED)
def test_what_has_no_record_is_asked_of_getters(smiles: str) -> None:
    ((_, molecule),) = of_rdkit([smiles])
    found = _binary.parts(molecule)
    records = found is not None and all(map(_binary.is_atom, found.atoms)) and all(map(_binary.is_bond, found.bonds))
    assert not records


def test_a_form_of_another_shape_is_not_read() -> None:
    """Whatever a byte of it is, what is read has as many atoms and bonds, or the getters are asked."""
    ((_, molecule),) = of_rdkit(["F/C=C/c1ccc[nH]1"])
    whole: bytes = molecule.ToBinary(_binary._NO_CONFORMERS)

    def read(form: bytes) -> _binary.Parts[bytes] | None:
        one = SimpleNamespace(GetNumAtoms=lambda: 8, GetNumBonds=lambda: 8, ToBinary=lambda _: form)
        return _binary.parts(cast("Chem.Mol", one))

    assert read(whole) is not None
    assert all(read(whole[:end]) is None for end in range(20, len(whole)))
    assert read(whole + b"\x16") is None
    for place, value in product(range(20, len(whole)), (0x00, 0x10, 0x16, 0x7F, 0xFF)):
        found = read(whole[:place] + bytes([value]) + whole[place + 1 :])
        assert found is None or (len(found.atoms), len(found.bonds)) == (8, 8)


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
