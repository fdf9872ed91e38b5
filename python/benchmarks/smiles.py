"""Drug-like molecules for the sections `chem-...`: 24 to 32 heavy atoms, about 28.

Those of jobs/examples/admet and of RDKit's NCI file, over and over.
"""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

from rdkit import Chem, RDConfig, rdBase

SMALLEST, LARGEST = 24, 32


def library(count: int) -> list[str]:
    """Return so many drug-like molecules."""
    drugs = Path(__file__).resolve().parents[2] / "jobs" / "examples" / "admet" / "data" / "drugs.csv"
    found = [line.rpartition(",")[2] for line in drugs.read_text(encoding="utf-8").splitlines()[1:]]
    nci = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
    found += [line.split()[0] for line in nci.read_text(encoding="ascii").splitlines()]
    with rdBase.BlockLogs():
        fitting = [smiles for smiles in found if SMALLEST <= atoms(smiles) <= LARGEST]
    return list(islice(cycle(fitting), count))


def atoms(smiles: str) -> int:
    """Return the atoms of a molecule, 0 where RDKit does not parse it."""
    molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles)
    return 0 if molecule is None else int(molecule.GetNumAtoms())
