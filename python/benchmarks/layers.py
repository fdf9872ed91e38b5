"""The rival of the sections `layer-...`: a network of PyTorch Geometric on the CPU, and its export for graphscore.

Three layers of one kind, 64 wide, with relu after each, and a linear one that makes one number a node. As scripts:

* ``layers.py export KIND FOLDER`` writes the network as a model folder, by `graphscore.export.from_pyg`;
* ``layers.py score KIND IN OUT BATCH SHARE OF`` scores every file k of IN with k % OF == SHARE, so many graphs at once
  side by side, with one thread, and prints one line of JSON.

Weights are drawn from a fixed seed: both have the same ones. Files are read as `rival.py` reads them, in columns.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rival import COLUMNS, files, unpack
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import (
    GATConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    PNAConv,
    SAGEConv,
    TransformerConv,
)

from graphscore.export import from_pyg

FEATURES: Final = 16
EDGE_FEATURES: Final = 4
WIDTH: Final = 64
LAYERS: Final = 3
HEADS: Final = 4
WITH_EDGES: Final = ("gine", "transformer")
"""Kinds that take features of edges."""
DEGREES: Final = (0, 25, 43, 29, 3)
"""Atoms of a hundred that have 0, 1, ... neighbours, for PNA."""


def mlp(width: int) -> nn.Module:
    """The network inside of GIN and GINE."""
    return nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))


LAYER: Final[dict[str, Callable[[int], nn.Module]]] = {
    "gcn": lambda width: GCNConv(width, WIDTH),
    "sage": lambda width: SAGEConv(width, WIDTH),
    "gat": lambda width: GATConv(width, WIDTH // HEADS, heads=HEADS),
    "gatv2": lambda width: GATv2Conv(width, WIDTH // HEADS, heads=HEADS),
    "gin": lambda width: GINConv(mlp(width)),
    "gine": lambda width: GINEConv(mlp(width), edge_dim=EDGE_FEATURES),
    "transformer": lambda width: TransformerConv(width, WIDTH // HEADS, heads=HEADS, edge_dim=EDGE_FEATURES),
    "pna": lambda width: PNAConv(
        width,
        WIDTH,
        aggregators=["mean", "min", "max", "std"],
        scalers=["identity", "amplification", "attenuation"],
        deg=torch.tensor(DEGREES),
    ),
}
"""A layer of a kind, from so many features to 64."""


class Network(nn.Module):
    """The network of a kind, with the same weights each time."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.with_edges = kind in WITH_EDGES
        self.convs = nn.ModuleList(LAYER[kind](WIDTH if i else FEATURES) for i in range(LAYERS))
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Scores [nodes, 1]."""
        for conv in self.convs:
            x = (conv(x, edge_index, edge_attr) if self.with_edges else conv(x, edge_index)).relu()
        scores: Tensor = self.head(x)
        return scores


def export(kind: str, folder: Path) -> None:
    """Write the model folder."""
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    example = Data(x=torch.rand(3, FEATURES), edge_index=edges, edge_attr=torch.rand(4, EDGE_FEATURES))
    from_pyg(Network(kind).eval(), folder, example=example, level="node", name=f"benchmark-{kind}")


def tensors(batch: pa.RecordBatch, kind: str) -> tuple[np.ndarray, tuple[Tensor, Tensor, Tensor]]:
    """Node offsets, and what forward takes, of a record batch."""
    nptr, x, sources, targets = unpack(batch, FEATURES)
    edges = np.zeros((0, EDGE_FEATURES), np.float32)
    if kind in WITH_EDGES:
        edges = np.asarray(batch.column("edge_attr").flatten().flatten()).reshape(-1, EDGE_FEATURES)
    arrays = (x, np.stack([sources, targets]), edges)
    x, pairs, attributes = (torch.from_numpy(a if a.flags.writeable else a.copy()) for a in arrays)
    return nptr, (x, pairs, attributes)


def score(kind: str, inputs: Sequence[Path], target: Path, size: int) -> dict[str, Any]:
    """Score files into a folder, so many graphs at once; return graphs and seconds."""
    torch.set_num_threads(1)
    network = Network(kind).eval()
    target.mkdir(parents=True, exist_ok=True)
    columns = [*COLUMNS, "edge_attr"] if kind in WITH_EDGES else COLUMNS
    graphs, begun = 0, time.time()
    for file in inputs:
        writer = None
        for batch in pq.ParquetFile(file).iter_batches(batch_size=size, columns=columns):
            nptr, arguments = tensors(batch, kind)
            with torch.inference_mode():
                scores = network(*arguments)[:, 0].numpy()
            counts = np.diff(nptr)
            ids = batch.column("graph_id").take(pa.array(np.repeat(np.arange(len(counts)), counts)))
            nodes = (np.arange(len(scores)) - np.repeat(nptr[:-1], counts)).astype(np.int64)
            table = pa.table({"graph_id": ids, "node_id": nodes, "score": scores})
            writer = writer or pq.ParquetWriter(target / file.name, table.schema, compression="zstd")
            writer.write_table(table)
            graphs += len(counts)
        if writer is not None:
            writer.close()
    return {"graphs": graphs, "seconds": time.time() - begun}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["export", kind, folder]:
            export(kind, Path(folder))
        case ["score", kind, source, target, size, share, of]:
            shared = files(Path(source))[int(share) :: int(of)]
            print(json.dumps(score(kind, shared, Path(target), int(size))))
        case _:
            sys.exit(__doc__)
