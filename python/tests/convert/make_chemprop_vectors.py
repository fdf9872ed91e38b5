"""Make chemprop_vectors.json: molecules as chemprop's own featurizer has them.

    python3 -m venv /tmp/chemprop && /tmp/chemprop/bin/pip install chemprop==2.3.1
    /tmp/chemprop/bin/python python/tests/convert/make_chemprop_vectors.py

Of an atom's 72 features and a bond's 14 only those that are not zero are kept: a place for a one, the mass as a float.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
from chemprop.utils import make_mol

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the file."""
    featurize = SimpleMoleculeMolGraphFeaturizer()
    vectors = []
    for smiles in (HERE / "molecules.txt").read_text(encoding="utf-8").splitlines():
        graph = featurize(make_mol(smiles))
        atoms = np.asarray(graph.V, np.float32)
        bonds = np.asarray(graph.E, np.float32)
        vectors.append(
            {
                "smiles": smiles,
                "atoms": [np.flatnonzero(row[:71]).tolist() for row in atoms],
                "masses": [float(row[71]) for row in atoms],
                "edge_index": np.asarray(graph.edge_index).tolist(),
                "edges": [np.flatnonzero(row).tolist() for row in bonds],
            }
        )
        assert set(np.unique(atoms[:, :71])) <= {0.0, 1.0}
        assert set(np.unique(bonds)) <= {0.0, 1.0}
    text = ",\n".join(json.dumps(vector, separators=(",", ":")) for vector in vectors)
    (HERE / "chemprop_vectors.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
