"""Make predictions.parquet: what admet-ai 2.0.1 itself predicts, with PyTorch.

    python3 -m venv /tmp/admet && /tmp/admet/bin/pip install admet-ai==2.0.1 pyarrow
    /tmp/admet/bin/python python/tests/admet/make_predictions.py

The molecules are those of the example, every twenty-fifth of the NCI molecules in RDKit's wheel, and a few that are
unlike drugs: one atom, salts, metals, isotopes.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from admet_ai import ADMETModel
from rdkit import Chem, RDConfig

HERE = Path(__file__).resolve().parent
DRUGS = HERE.parents[2] / "jobs" / "examples" / "admet" / "data" / "drugs.csv"
EVERY = 25
ODD = (
    "C",
    "[Na+].[Cl-]",
    "[Fe+3]",
    "O=C([O-])c1ccccc1.[K+]",
    "N[Pt](N)(Cl)Cl",
    "C[Hg]Cl",
    "[2H]C([2H])([2H])O",
    "[13CH3]C(=O)O",
    "[H][H]",
    "*c1ccccc1",
    "F/C=C/F",
    "CC(=O)O.CCN",
)


def molecules() -> list[str]:
    """Return the SMILES, all of which RDKit parses."""
    with DRUGS.open(encoding="utf-8") as file:
        found = [row["smiles"] for row in csv.DictReader(file)]
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text(encoding="ascii").splitlines()
    found += [smiles for line in lines[::EVERY] if Chem.MolFromSmiles(smiles := line.split()[0]) is not None]
    return list(dict.fromkeys([*found, *ODD]))


def main() -> None:
    """Write the file."""
    smiles = molecules()
    predicted = ADMETModel(include_physchem=False, drugbank_path=None, num_workers=0).predict(smiles)
    table = pa.table(
        {"smiles": smiles, **{name: pa.array(predicted[name].to_numpy(), pa.float32()) for name in predicted.columns}}
    )
    pq.write_table(table, HERE / "predictions.parquet", compression="zstd", compression_level=19)
    print(f"{table.num_rows} molecules, {table.num_columns - 1} properties")


if __name__ == "__main__":
    main()
