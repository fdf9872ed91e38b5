"""The engine against the values of PyTorch Geometric (make_pyg_vectors.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import graphscore
from graphs import Graph, alone

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent.parent / "data" / "pyg_vectors.json").read_text())


@pytest.mark.fault("P5", "models and graphs with the scores that PyTorch Geometric computed", "to 1e-5")
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_equals_pytorch_geometric(case: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(case["config"]))
    tensors = {name: np.array(value, np.float32) for name, value in case["tensors"].items()}
    save_file(tensors, tmp_path / "model.safetensors")
    engine = graphscore.Engine(graphscore.load_model(tmp_path))
    weights = None if case["weights"] is None else np.array(case["weights"], np.float32)
    graph = Graph(np.array(case["features"], np.float32), np.array(case["edges"], np.int64).reshape(-1, 2), weights)

    scores = alone(engine, graph)

    wanted = np.array(case["scores"], np.float64)
    assert scores.shape == wanted.shape
    np.testing.assert_array_equal(np.isnan(scores), np.isnan(wanted))
    error = np.abs(scores - wanted) / np.maximum(1, np.abs(wanted))
    assert np.nanmax(error, initial=0) <= 1e-5


def test_cases_cover_what_is_promised() -> None:
    names = " ".join(case["name"] for case in CASES)
    for word in ("plain", "self_loops_several", "duplicate_edges", "isolated", "weighted", "degree_zero", "no_edges"):
        assert word in names
    assert any(None in row for case in CASES for row in case["scores"]), "no case with a negative degree"
    assert any(case["config"]["output_activation"] == "softmax" for case in CASES)
