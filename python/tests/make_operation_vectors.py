"""Makes tests/data/operation_vectors.json: what PyTorch Geometric computes, in float64, for each operation.

    python3 -m venv /tmp/venv-pyg && /tmp/venv-pyg/bin/pip install torch torch-geometric
    /tmp/venv-pyg/bin/python tests/make_operation_vectors.py    # writes the file
    .venv/bin/pytest tests/pyg                                  # recomputes it and compares

A case is a model of graphscore/2, its tensors, and the scores of each of GRAPHS. Parameters are multiples of 1/64
and features of 1/16: float32 values in a few digits, from which every reader starts. The cases are in operation_cases/.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from operation_cases import layers, rows
from operation_cases.case import graphs

VECTORS = Path(__file__).parent / "data" / "operation_vectors.json"


def cases() -> list[dict[str, Any]]:
    """Return every case."""
    every = [
        *layers.convolutions(),
        *layers.isomorphism(),
        *layers.attention(),
        *layers.principal(),
        *rows.norms(),
        *rows.activations(),
        *rows.rows(),
        *rows.readouts(),
    ]
    return [case.compute() for case in every]


def document() -> dict[str, Any]:
    """Return the content of the file."""
    return {"graphs": graphs(), "cases": cases()}


if __name__ == "__main__":
    made = document()
    lines = ",\n".join(json.dumps(one, allow_nan=False) for one in made["cases"])
    VECTORS.write_text(f'{{"graphs": {json.dumps(made["graphs"])},\n"cases": [\n{lines}\n]}}\n')
