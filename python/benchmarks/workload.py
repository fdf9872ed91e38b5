"""The molecule workload: the example's molecules repeated with new ids, and a GCN 16-32-1 for them."""

from __future__ import annotations

import json
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rival import weights
from safetensors.numpy import save_file

EXAMPLE = Path(__file__).resolve().parents[2] / "jobs" / "examples" / "molecules" / "data"
ROW_GROUP = 5000


def write_graphs(folder: Path, graphs: int, files: int) -> None:
    """Write ``graphs`` molecules into ``files`` zstd Parquet files of the ``rows`` layout.

    The files hold what the rivals were measured with: graph_id, node_feat list<list<float>>,
    edge_index list<list<int64>>, num_nodes, 5,000 graphs a row group.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["node_feat", "edge_index", "num_nodes"]
    molecules = pa.concat_tables([pq.read_table(f, columns=columns) for f in sorted(EXAMPLE.glob("*.parquet"))])
    order = cycle(range(len(molecules)))
    per = graphs // files
    for k in range(files):
        table = molecules.take(pa.array(list(islice(order, per)))).combine_chunks()
        ids = pa.array([f"m{k * per + i}" for i in range(per)])
        table = table.add_column(0, "graph_id", ids)
        pq.write_table(table, folder / f"part-{k:05d}.parquet", compression="zstd", row_group_size=ROW_GROUP)


def write_giants(file: Path, graphs: int = 3, nodes: int = 200_000) -> None:
    """Write a few graphs that are ten thousand times as large as a molecule, rings of nodes, in the same layout."""
    features = np.random.default_rng(0).random((nodes, 16), np.float32)
    flat = pa.FixedSizeListArray.from_arrays(features.ravel(), 16).cast(pa.list_(pa.float32()))
    ring = np.arange(nodes, dtype=np.int64)
    ends = pa.ListArray.from_arrays([0, nodes, 2 * nodes], np.concatenate([ring, np.roll(ring, 1)]))
    table = pa.table(
        {
            "graph_id": [f"giant{i}" for i in range(graphs)],
            "node_feat": pa.concat_arrays([pa.ListArray.from_arrays([0, nodes], flat)] * graphs),
            "edge_index": pa.concat_arrays([pa.ListArray.from_arrays([0, 2], ends)] * graphs),
            "num_nodes": [nodes] * graphs,
        }
    )
    pq.write_table(table, file, compression="zstd")


def write_model(folder: Path) -> None:
    """Write the rival's weights as a model folder of graphscore: relu between two GCN layers."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, np.ndarray] = {}
    layers = []
    for i, (w, b) in enumerate(weights()):
        tensors[f"convs.{i}.lin.weight"] = np.ascontiguousarray(w.T)
        tensors[f"convs.{i}.bias"] = b
        layers.append(
            {
                "type": "gcn",
                "weight": f"convs.{i}.lin.weight",
                "bias": f"convs.{i}.bias",
                "activation": "relu" if i == 0 else "none",
            }
        )
    config = {
        "format": "graphscore/1",
        "name": "benchmark",
        "in_features": 16,
        "outputs": ["score"],
        "layers": layers,
        "output_activation": "none",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    save_file(tensors, folder / "model.safetensors")
