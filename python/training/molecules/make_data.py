"""Make the data of the molecules example from the NCI molecules in RDKit's wheel.

Every molecule of ``Data/NCI/first_5K.smi`` that RDKit can parse and whose
Gasteiger charges are all finite becomes one row of a Parquet file in the
``rows`` layout:

=============  ==================  ==================================================
column         type                meaning
=============  ==================  ==================================================
``graph_id``   string              the molecule's name in the source, unique: ``"1"``
``node_feat``  list<list<float>>   ``[atoms x 16]``, see ``FEATURES``
``edge_index`` list<list<int64>>   ``[2 x edges]``, sources and targets; a bond is two edges
``num_nodes``  int64               heavy atoms
``charge``     list<float>         ``[atoms]``, Gasteiger partial charge in units of e
``smiles``     string              canonical SMILES (of the molecule, not the atom order)
=============  ==================  ==================================================

The first four are what graphscore reads; ``charge`` is what the model learns.
Molecules held back from training are a file of their own. The side is chosen by
a hash of the canonical SMILES, so that a molecule listed twice is on one side.

The same versions of RDKit and pyarrow write the same bytes; ``--check`` shows it.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem, RDConfig, rdBase
from rdkit.Chem import rdPartialCharges

ELEMENTS = ("C", "N", "O", "S", "P", "F", "Cl", "Br", "I")
FEATURES = (
    *(f"is_{element}" for element in ELEMENTS),
    "is_other_element",
    "degree / 4",
    "hydrogens / 4",
    "formal_charge",
    "is_aromatic",
    "is_in_ring",
    "is_sp2",
)
MOLECULES = 4806
TRAIN_FILES = 3
HELD_BACK_FILE = "held-back.parquet"
HELD_BACK_ONE_IN = 5
CHARGE_DECIMALS = 5  # beyond them the last bit of a platform's libm would show
ROW_GROUP_ROWS = 512

SCHEMA = pa.schema(
    [
        ("graph_id", pa.string()),
        ("node_feat", pa.list_(pa.list_(pa.float32()))),
        ("edge_index", pa.list_(pa.list_(pa.int64()))),
        ("num_nodes", pa.int64()),
        ("charge", pa.list_(pa.float32())),
        ("smiles", pa.string()),
    ]
)

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_OUT = REPOSITORY / "jobs" / "examples" / "molecules" / "data"


@dataclass(frozen=True)
class Molecule:
    """One row of the data; the fields are its columns."""

    graph_id: str
    node_feat: list[list[float]]
    edge_index: list[list[int]]
    num_nodes: int
    charge: list[float]
    smiles: str


def atom_features(atom: Chem.Atom) -> list[float]:
    """Return the 16 numbers of ``FEATURES`` for a heavy atom."""
    symbol = atom.GetSymbol()
    element = ELEMENTS.index(symbol) if symbol in ELEMENTS else len(ELEMENTS)
    one_hot = [0.0] * (len(ELEMENTS) + 1)
    one_hot[element] = 1.0
    return [
        *one_hot,
        atom.GetDegree() / 4,
        atom.GetTotalNumHs() / 4,
        float(atom.GetFormalCharge()),
        float(atom.GetIsAromatic()),
        float(atom.IsInRing()),
        float(atom.GetHybridization() == Chem.HybridizationType.SP2),
    ]


def bond_edges(mol: Chem.Mol) -> list[list[int]]:
    """Return ``[2 x edges]``: every bond from begin to end, then every bond back."""
    begins = [bond.GetBeginAtomIdx() for bond in mol.GetBonds()]
    ends = [bond.GetEndAtomIdx() for bond in mol.GetBonds()]
    return [begins + ends, ends + begins]


def gasteiger_charges(mol: Chem.Mol) -> list[float]:
    """Return each atom's Gasteiger charge, rounded; NaN or inf where it has none."""
    rdPartialCharges.ComputeGasteigerCharges(mol)
    charges = (atom.GetDoubleProp("_GasteigerCharge") for atom in mol.GetAtoms())
    return [round(charge, CHARGE_DECIMALS) for charge in charges]


def parse(smiles: str) -> Chem.Mol | None:
    """Return the molecule, or None where RDKit cannot read the SMILES."""
    return Chem.MolFromSmiles(smiles)


def read_molecules(source: Path) -> Iterator[Molecule]:
    """Yield the usable molecules of a SMILES file, in its order."""
    for line in source.read_text(encoding="ascii").splitlines():
        smiles, name = line.split()
        mol = parse(smiles)
        if mol is None or mol.GetNumAtoms() == 0:
            continue
        charge = gasteiger_charges(mol)
        if not all(math.isfinite(value) for value in charge):
            continue
        yield Molecule(
            graph_id=name,
            node_feat=[atom_features(atom) for atom in mol.GetAtoms()],
            edge_index=bond_edges(mol),
            num_nodes=mol.GetNumAtoms(),
            charge=charge,
            smiles=Chem.MolToSmiles(mol),
        )


def is_held_back(molecule: Molecule) -> bool:
    """Return whether a molecule is kept from training: one canonical SMILES, one side."""
    digest = hashlib.sha256(molecule.smiles.encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") % HELD_BACK_ONE_IN == 0


def to_table(molecules: Sequence[Molecule]) -> pa.Table:
    """Return the molecules as a table of ``SCHEMA``, in order."""
    columns = [[getattr(m, name) for m in molecules] for name in SCHEMA.names]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def build_tables(source: Path) -> dict[str, pa.Table]:
    """Return the table of each file by its name.

    Raises:
        ValueError: when the source does not have the molecules that are expected.
    """
    molecules = list(read_molecules(source))
    unique = len({molecule.graph_id for molecule in molecules})
    if (len(molecules), unique) != (MOLECULES, MOLECULES):
        raise ValueError(
            f"{source}: {len(molecules)} usable molecules with {unique} names, "
            f"want {MOLECULES} of each: is it another version of RDKit?"
        )
    train = [m for m in molecules if not is_held_back(m)]
    rows = math.ceil(len(train) / TRAIN_FILES)
    tables = {f"train-{i:05d}.parquet": to_table(train[i * rows : (i + 1) * rows]) for i in range(TRAIN_FILES)}
    tables[HELD_BACK_FILE] = to_table([m for m in molecules if is_held_back(m)])
    return tables


def write_tables(tables: dict[str, pa.Table], out: Path) -> None:
    """Write each table to its file in ``out``, which is made if it does not exist."""
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(
            table,
            out / name,
            compression="zstd",
            compression_level=9,
            row_group_size=ROW_GROUP_ROWS,
        )


def check_tables(tables: dict[str, pa.Table], committed: Path) -> list[str]:
    """Return a sentence for each file in ``committed`` that would not be written so."""
    with tempfile.TemporaryDirectory() as fresh:
        write_tables(tables, Path(fresh))
        findings = []
        for name, table in tables.items():
            there = committed / name
            if not there.is_file():
                findings.append(f"{there}: not there")
            elif not filecmp.cmp(Path(fresh) / name, there, shallow=False):
                same_rows = pq.read_table(there).equals(table)
                findings.append(f"{there}: other {'bytes, same rows' if same_rows else 'rows'}")
    return findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with ``--check`` compare them; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the data of the molecules example.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of the files")
    parser.add_argument("--check", action="store_true", help="compare with --out, write nothing")
    options = parser.parse_args(arguments)

    rdBase.DisableLog("rdApp.*")
    tables = build_tables(Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi")
    if options.check:
        findings = check_tables(tables, options.out)
        print("\n".join(findings) or f"{options.out}: the same bytes")
        return 1 if findings else 0

    write_tables(tables, options.out)
    for name, table in tables.items():
        size = (options.out / name).stat().st_size
        print(f"{options.out / name}: {table.num_rows} molecules, {size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
