"""Tables of graphs, and a model that reads all their columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from safetensors.numpy import save_file

from graphs import Graph

Row: TypeAlias = dict[str, Any]

TYPES: dict[str, pa.DataType] = {
    "node_feat": pa.list_(pa.list_(pa.float64())),
    "edge_index": pa.list_(pa.list_(pa.int64())),
    "source": pa.list_(pa.int64()),
    "edge_weight": pa.list_(pa.float32()),
    "edge_attr": pa.list_(pa.list_(pa.float32())),
    "edge_type": pa.list_(pa.int64()),
    "graph_attr": pa.list_(pa.float32()),
    "graph_id": pa.int64(),
    "node_ids": pa.list_(pa.string()),
}

X = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
EDGES = [[0, 1, 2], [1, 2, 0]]
GOOD: Row = {"node_feat": X, "edge_index": EDGES, "edge_weight": [1.0, 2.0, 3.0]}
FURTHER: Row = {
    "node_feat": X,
    "edge_index": EDGES,
    "edge_weight": [0.5, 1.0, 2.0],
    "edge_attr": [[1.0, 2.0]] * 3,
    "edge_type": [0, 4, 2],
    "graph_attr": [1.0, 2.0, 3.0, 4.0],
}


def row_of(graph: Graph) -> Row:
    """A graph as a row."""
    row = {"node_feat": graph.features.tolist(), "edge_index": graph.edges.reshape(-1, 2).T.tolist()}
    return row if graph.weights is None else row | {"edge_weight": graph.weights.tolist()}


def table_of(rows: Sequence[Row], types: dict[str, Any] | None = None) -> pa.Table:
    """A table of rows that have the same columns; without rows, one with those of GCN."""
    types = types or TYPES
    names = list(rows[0]) if rows else ["node_feat", "edge_index"]
    return pa.table({name: pa.array([row[name] for row in rows], types[name]) for name in names})


def write_steps(folder: Path, level: str, *, files: int = 1) -> Path:
    """Write a model of steps t, ea, h, g, gs, c ...: x 3, edge_attr 2, edge_type 5, graph_attr 4, edge_weight."""
    random = np.random.default_rng(2)
    shapes: dict[str, tuple[int, ...]] = {"t": (5, 2), "h.w": (3, 4), "h.b": (3,), "g.w": (5, 3), "o.b": (2,)}
    steps: list[dict[str, Any]] = [
        {"name": "t", "op": "embedding", "inputs": ["edge_type"], "columns": [0], "tables": ["t"]},
        {"name": "ea", "op": "concatenate", "inputs": ["edge_attr", "t"]},
        {"name": "h", "op": "gine", "inputs": ["x"], "edge_attr": "ea", "weight": "h.w", "bias": "h.b", "eps": 0.5},
        {"name": "g", "op": "gcn", "inputs": ["h"], "weight": "g.w", "edge_weight": "edge_weight"},
        {"name": "gs", "op": "spread", "inputs": ["graph_attr"], "kind": "node"},
        {"name": "c", "op": "concatenate", "inputs": ["g", "gs"]},
    ]
    last, width = "c", 9
    if level == "edge":
        steps += [
            {"name": "s", "op": "gather", "inputs": ["c"], "end": "source"},
            {"name": "r", "op": "gather", "inputs": ["c"], "end": "target"},
            {"name": "j", "op": "concatenate", "inputs": ["s", "r", "ea"]},
        ]
        last, width = "j", 22
    elif level == "graph":
        steps.append({"name": "p", "op": "mean_pool", "inputs": ["c"]})
        last = "p"
    steps.append({"name": "out", "op": "linear", "inputs": [last], "weight": "o.w", "bias": "o.b"})
    shapes["o.w"] = (2, width)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number}.safetensors" for number in range(files)]
    inputs = {"x": 3, "edge_attr": 2, "edge_type": 5, "graph_attr": 4, "edge_weight": True}
    config = {"format": "graphscore/2", "name": level, "level": level, "inputs": inputs, "outputs": ["a", "b"]}
    (folder / "config.json").write_text(json.dumps({**config, "weights": names, "steps": steps}))
    for name in names:
        tensors = {key: random.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}
        save_file(tensors, str(folder / name))
    return folder
