"""How many molecules a second `convert smiles` makes graphs of.

    python python/benchmarks/smiles.py [--molecules N] [--processes N]

The molecules have 24 to 32 heavy atoms, about 28: those of jobs/examples/admet and of RDKit's NCI file, over and over.
Start-up is left out. Where chemprop is installed its featurizer, parsing included, is measured in turns on one core.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from rdkit import Chem, RDConfig, rdBase

from graphscore import convert

SMALLEST, LARGEST = 24, 32
WARM_UP = 64


def library() -> list[str]:
    """Return drug-like molecules."""
    drugs = Path(__file__).resolve().parents[2] / "jobs" / "examples" / "admet" / "data" / "drugs.csv"
    found = [line.rpartition(",")[2] for line in drugs.read_text(encoding="utf-8").splitlines()[1:]]
    nci = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
    found += [line.split()[0] for line in nci.read_text(encoding="ascii").splitlines()]
    with rdBase.BlockLogs():
        return [smiles for smiles in found if SMALLEST <= atoms(smiles) <= LARGEST]


def atoms(smiles: str) -> int:
    """Return the atoms of a molecule, 0 where RDKit does not parse it."""
    molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles)
    return 0 if molecule is None else int(molecule.GetNumAtoms())


def seconds(smiles: list[str], processes: int) -> float:
    """Return how long a conversion takes."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "library.smi"
        source.write_text("\n".join(smiles) + "\n", encoding="ascii")
        begin = time.perf_counter()
        convert.smiles([source], Path(folder) / "out", convert.Settings(features="chemprop-v2"), processes=processes)
        return time.perf_counter() - begin


def chemprop_seconds(smiles: list[str]) -> float | None:
    """Return how long chemprop's featurizer takes; None where chemprop is not installed."""
    try:
        from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer  # noqa: PLC0415
        from chemprop.utils import make_mol  # noqa: PLC0415
    except ImportError:
        return None
    featurize = SimpleMoleculeMolGraphFeaturizer()
    begin = time.process_time()
    for one in smiles:
        featurize(make_mol(one))
    return time.process_time() - begin


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--molecules", type=int, default=65_536)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    smiles = list(islice(cycle(library()), options.molecules))
    start = seconds(smiles[:WARM_UP], options.processes)
    spent = seconds(smiles, options.processes) - start
    print(f"{options.processes} processes: {len(smiles) / spent:,.0f} molecules/s, start-up {start:.1f} s left out")
    few = smiles[: len(smiles) // 8]
    begin = time.process_time()
    seconds(few, 1)
    ours = time.process_time() - begin
    print(f"CPU time: {1e6 * ours / len(few):.0f} us a molecule, Parquet included")
    if (theirs := chemprop_seconds(few)) is not None:
        print(f"chemprop: {1e6 * theirs / len(few):.0f} us, features only: {theirs / ours:.2f} times ours")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
