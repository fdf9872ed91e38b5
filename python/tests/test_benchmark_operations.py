"""The models of `make bench-full`: one for each operation, and for each level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import operations
import pytest

import graphscore
from graphscore._ops import OPERATIONS


def pair() -> graphscore.GraphBatch:
    """Return a graph of two nodes that are joined both ways."""
    return graphscore.GraphBatch(
        node_counts=np.array([2], np.uint32),
        features=np.ones((2, operations.FEATURES), np.float32),
        in_degrees=np.array([1, 1], np.uint32),
        sources=np.array([1, 0], np.uint32),
        edge_features=np.ones((2, operations.EDGE_FEATURES), np.float32),
    )


def test_every_operation_has_a_model() -> None:
    assert operations.networks().keys() == OPERATIONS.keys() | {"none"}


def test_models_are_loaded(tmp_path: Path) -> None:
    for name, network in operations.networks().items():
        assert graphscore.load_model(operations.write(tmp_path / name, network)).level == network.level


@pytest.mark.parametrize("level", operations.levels())
def test_levels_are_scored(level: str, tmp_path: Path) -> None:
    engine = graphscore.Engine(graphscore.load_model(operations.write(tmp_path, operations.levels()[level])))
    scores = engine.score(pair())
    assert not scores.failed
    assert scores.level == level
    assert np.isfinite(scores.values).all()
