"""Batches: columns that disagree are refused, with the field and both numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphscore import BatchError, GraphBatch
from graphscore._batch import LEVELS

GOOD: dict[str, Any] = {
    "node_counts": np.array([2, 1], np.uint32),
    "features": np.ones((3, 3), np.float32),
    "in_degrees": np.array([1, 1, 0], np.uint32),
    "sources": np.array([1, 0], np.uint32),
    "edge_weights": np.ones(2, np.float32),
    "edge_features": np.ones((2, 4), np.float32),
    "edge_types": np.zeros(2, np.uint32),
    "graph_features": np.ones((2, 1), np.float32),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node_counts": np.array([2, 2])}, "node_counts: the sum is 4, but nodes is 3"),
        ({"node_counts": np.array([4, -1])}, "node_counts: the sum is -1, but nodes is 3"),
        ({"node_counts": np.array([2**32 - 1, 4], np.uint32)}, "node_counts: the sum is 4294967299, but nodes is 3"),
        ({"in_degrees": np.array([1, 1])}, "in_degrees: the length is 2, but nodes is 3"),
        ({"in_degrees": np.array([1, 1, 1])}, "in_degrees: the sum is 3, but edges is 2"),
        ({"sources": np.array([3, 0])}, "sources: node 3 does not exist in a batch of 3 nodes"),
        ({"sources": np.array([-1, 0])}, "sources: node -1 does not exist in a batch of 3 nodes"),
        ({"edge_weights": np.ones(3, np.float32)}, "edge_weights: the length is 3, but edges is 2"),
        ({"edge_features": np.ones((3, 4), np.float32)}, "edge_features: the length is 3, but edges is 2"),
        ({"edge_features": np.ones(2, np.float32)}, "edge_features: 1 dimensions instead of"),
        ({"edge_types": np.zeros(1, np.uint32)}, "edge_types: the length is 1, but edges is 2"),
        ({"graph_features": np.ones((3, 1), np.float32)}, "graph_features: the length is 3, but graphs is 2"),
        ({"graph_features": np.ones(2, np.float32)}, "graph_features: 1 dimensions instead of"),
        ({"features": np.ones(3, np.float32)}, "features: 1 dimensions instead of"),
    ],
)
def test_columns_that_disagree(change: dict[str, Any], message: str) -> None:
    GraphBatch(**GOOD)
    with pytest.raises(BatchError, match=message):
        GraphBatch(**GOOD | change)


def test_rows_of_a_level() -> None:
    assert [GraphBatch(**GOOD).rows(level) for level in LEVELS] == [3, 2, 2]
