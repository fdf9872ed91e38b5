"""Modules with a row of scores for each edge."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from torch import nn
from torch.nn import Linear
from torch_geometric import nn as pyg
from torch_geometric.nn import MLP, GCNConv, SAGEConv, TransformerConv

from pyg.zoo.cases import NODES, Case, arguments, data, edges, floats

E = edges().shape[1]


class Link(nn.Module):
    """examples/link_pred.py with a forward: encode, and dot products of the ends."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = GCNConv(4, 8), GCNConv(8, 4)

    def encode(self, x: Any, edge_index: Any) -> Any:
        x = self.conv1(x, edge_index).relu()
        return self.conv2(x, edge_index)

    def decode(self, z: Any, edge_label_index: Any) -> Any:
        return (z[edge_label_index[0]] * z[edge_label_index[1]]).sum(dim=-1)

    def forward(self, x: Any, edge_index: Any, edge_label_index: Any) -> Any:
        return self.decode(self.encode(x, edge_index), edge_label_index)


class EdgeMLP(nn.Module):
    """An MLP on both ends and the features of the edge."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SAGEConv((4, 4), 8)
        self.lin1, self.lin2 = Linear(19, 8), Linear(8, 2)

    def forward(self, x: Any, edge_index: Any, edge_attr: Any) -> Any:
        row, col = edge_index
        z = self.conv((x, x), edge_index).relu()
        z = torch.cat([z[row], z[col], edge_attr], dim=-1)
        return self.lin2(self.lin1(z).relu())


class Fraud(nn.Module):
    """Transactions: attention over edges, means of the graph beside each edge, weights of edges."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = TransformerConv(4, 4, heads=2, edge_dim=3)
        self.mlp = MLP([8, 8, 1], norm="batch_norm")

    def forward(self, data: Any) -> Any:
        h = self.conv(data.x, data.edge_index, data.edge_attr)
        src, dst = data.edge_index[0], data.edge_index[1]
        diff = torch.abs(h.index_select(0, src) - torch.index_select(h, 0, dst))
        mean = pyg.global_mean_pool(diff, data.batch[src])
        out = self.mlp(diff + mean[data.batch[dst]] * data.edge_weight.unsqueeze(-1))
        return torch.sigmoid(out).squeeze(-1)


class Cosine(nn.Module):
    """Cosines and distances of the ends."""

    def __init__(self) -> None:
        super().__init__()
        self.net = pyg.GraphSAGE(4, 8, 2, 4)

    def forward(self, x: Any, edge_index: Any) -> Any:
        z = self.net(x, edge_index)
        a, b = z[edge_index[0]], z[edge_index[1]]
        return torch.stack(
            [F.cosine_similarity(a, b, dim=-1), (a - b).pow(2).sum(-1), (a - b + 0.1).norm(dim=-1)], dim=-1
        )


class EdgeReadout(nn.Module):
    """A readout of edges, a cell with gates, standard deviations of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x: Any, edge_index: Any, edge_attr: Any, batch: Any) -> Any:
        e = self.cell(edge_attr, x[edge_index[0]])
        e = (e - e.mean(-1, keepdim=True)) / (e.std(-1, keepdim=True) + 1e-3) + torch.var(e, dim=1, keepdim=True)
        return pyg.global_add_pool(e, batch[edge_index[1]])


def autoencoder() -> nn.Module:
    """GAE's decoder on an encoder."""

    class Decoded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gae = pyg.GAE(GCNConv(4, 6))

        def forward(self, x: Any, edge_index: Any) -> Any:
            return self.gae.decode(self.gae.encode(x, edge_index), edge_index)

    return Decoded()


CASES: dict[str, Case] = {
    "link": Case(
        Link,
        arguments(edge_label_index=edges()),
        "edge",
        1,
        ("gather", "dot"),
        {"arguments": {"edge_label_index": "edge_index"}, "level": "edge"},
    ),
    "edge mlp": Case(EdgeMLP, data(edge_attr=floats(E, 3)), "edge", 2, ("gather", "concatenate")),
    "fraud": Case(Fraud, data(edge_attr=floats(E, 3), edge_weight=floats(E).abs()), "edge", 1, ("mean_pool", "spread")),
    "edge readout": Case(EdgeReadout, data(edge_attr=floats(E, 3)), "graph", 4, ("sum_pool", "gather")),
    "cosine": Case(Cosine, data(), "edge", 3, ("dot",)),
    "autoencoder": Case(autoencoder, {"x": floats(NODES, 4), "edge_index": edges()}, "edge", 1, ("dot",)),
}
