"""The cases of operation_vectors.json, which make_operation_vectors.py writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "operation_vectors.json").read_text())
CASES: list[dict[str, Any]] = DOCUMENT["cases"]


def write(folder: Path, case: dict[str, Any]) -> Path:
    """Write the model of a case."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(case["config"] | {"ignored": []}))
    save_file(
        {name: np.array(value, np.float32) for name, value in case["tensors"].items()}, folder / "model.safetensors"
    )
    return folder
