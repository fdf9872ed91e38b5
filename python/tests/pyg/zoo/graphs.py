"""Modules with a row of scores for each graph."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from torch import nn
from torch.nn import BatchNorm1d, Linear, ReLU, Sequential
from torch_geometric import nn as pyg
from torch_geometric.data import Data
from torch_geometric.nn import (
    MLP,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    global_add_pool,
    global_max_pool,
    global_mean_pool,
)
from torch_geometric.nn.aggr import AttentionalAggregation, MultiAggregation, SoftmaxAggregation
from torch_geometric.utils import scatter

from pyg.zoo.cases import NODES, Case, arguments, batch, data, edges, floats, integers

E = edges().shape[1]


class Mutag(nn.Module):
    """examples/mutag_gin.py: a loop of GIN layers of MLPs, a sum, an MLP without norm."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for width in (4, 8, 8):
            self.convs.append(GINConv(MLP([width, 8, 8]), train_eps=False))
        self.mlp = MLP([8, 8, 2], norm=None, dropout=0.5)

    def forward(self, x: Any, edge_index: Any, batch: Any, batch_size: Any = None) -> Any:
        for conv in self.convs:
            x = conv(x, edge_index).relu()
        x = global_add_pool(x, batch, batch_size)
        return self.mlp(x)


class Colab(nn.Module):
    """PyG's third colab: GraphConv, global_mean_pool, dropout, a linear."""

    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        torch.manual_seed(12345)
        self.conv1, self.conv2, self.conv3 = GraphConv(4, hidden), GraphConv(hidden, hidden), GraphConv(hidden, hidden)
        self.lin = Linear(hidden, 2)

    def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
        x = self.conv1(x, edge_index)
        x = x.relu()
        x = self.conv2(x, edge_index)
        x = x.relu()
        x = self.conv3(x, edge_index)
        x = global_mean_pool(x, batch)
        x = F.dropout(x, p=0.5, training=self.training)
        return self.lin(x)


class Pools(nn.Module):
    """Readouts of every layer side by side, summed."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([GCNConv(4, 8), GCNConv(8, 8)])
        self.fc = Sequential(Linear(24, 8), BatchNorm1d(8), ReLU(), Linear(8, 3))

    def forward(self, data: Any) -> Any:
        x, edge_index, batch = data.x, data.edge_index, data.batch
        outs = []
        for conv in self.convs:
            x = F.relu(conv(x, edge_index))
            outs.append(
                torch.cat([global_max_pool(x, batch), global_mean_pool(x, batch), global_add_pool(x, batch)], dim=1)
            )
        return self.fc(sum(outs))


class Ogb(nn.Module):
    """ogbg-mol's GIN: embeddings, virtual node of each layer, residuals, data with batch."""

    def __init__(self) -> None:
        super().__init__()
        self.atom_encoder = Encoder((5, 3, 4), 8)
        self.virtual = nn.Embedding(1, 8)
        nn.init.constant_(self.virtual.weight.data, 0)
        self.convs, self.bonds, self.norms, self.virtual_mlps = (nn.ModuleList() for _ in range(4))
        for layer in range(3):
            self.convs.append(
                GINEConv(Sequential(Linear(8, 16), BatchNorm1d(16), ReLU(), Linear(16, 8)), train_eps=True)
            )
            self.bonds.append(Encoder((4, 2), 8))
            self.norms.append(BatchNorm1d(8))
            if layer < 2:
                self.virtual_mlps.append(Sequential(Linear(8, 16), BatchNorm1d(16), ReLU(), Linear(16, 8), ReLU()))
        self.pool = global_mean_pool
        self.graph_pred_linear = Linear(8, 5)

    def forward(self, batched_data: Any) -> Any:
        x, edge_index, edge_attr, batch = (
            batched_data.x,
            batched_data.edge_index,
            batched_data.edge_attr,
            batched_data.batch,
        )
        h_list = [self.atom_encoder(x)]
        for layer, conv in enumerate(self.convs):
            h = conv(h_list[layer], edge_index, self.bonds[layer](edge_attr))
            h = self.norms[layer](h)
            h = (
                F.dropout(h, 0.5, training=self.training)
                if layer == 2
                else F.dropout(F.relu(h), 0.5, training=self.training)
            )
            h = h + h_list[layer]
            h_list.append(h)
            if layer < 2:
                virtual = self.virtual_mlps[layer](global_add_pool(h_list[layer], batch))
                h_list[-1] = h_list[-1] + virtual[batch]
        node_representation = 0
        for h in h_list:
            node_representation += h
        return self.graph_pred_linear(self.pool(node_representation, batch))


class Encoder(nn.Module):
    """Sums of embeddings."""

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList()
        for size in sizes:
            emb = nn.Embedding(size, width)
            nn.init.xavier_uniform_(emb.weight.data)
            self.embeddings.append(emb)

    def forward(self, x: Any) -> Any:
        total = 0
        for i in range(x.shape[1]):
            total += self.embeddings[i](x[:, i])
        return total


class Attentive(nn.Module):
    """Attention pools, softmax pools, several at once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = GATv2Conv(4, 4, heads=2, edge_dim=3)
        self.att = AttentionalAggregation(gate_nn=Sequential(Linear(8, 4), nn.Tanh(), Linear(4, 1)), nn=Linear(8, 6))
        self.soft = SoftmaxAggregation(t=0.5, learn=True)
        self.multi = MultiAggregation(["sum", "mean", "min", "max"])
        self.out = Linear(6 + 8 + 32, 1)

    def forward(self, x: Any, edge_index: Any, edge_attr: Any, batch: Any) -> Any:
        h = F.silu(self.conv(x, edge_index, edge_attr))
        g = torch.cat([self.att(h, batch), self.soft(h, batch), self.multi(h, batch)], dim=-1)
        return self.out(g).view(-1)


class Globals(nn.Module):
    """Features of the graph, beside what is read of nodes and of edges, and a scatter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = GCNConv(4, 8)
        self.edge = Linear(3, 4)
        self.u = Linear(2, 4)
        self.head = nn.ModuleDict({"hidden": Linear(20, 8), "out": Linear(8, 2)})

    def forward(self, x: Any, edge_index: Any, edge_attr: Any, u: Any, batch: Any) -> Any:
        num_graphs = batch.max() + 1
        src, dst = edge_index
        h = self.conv(x, edge_index)
        h = h + self.u(u)[batch].repeat(1, 2)
        e = self.edge(edge_attr).tanh() * h[src][:, :4]
        g = [
            global_max_pool(h, batch, size=int(batch.max()) + 1),
            scatter(e, batch[dst], dim=0, dim_size=num_graphs, reduce="mean"),
            self.u(u),
            scatter(h[:, 4:], batch, dim=0, reduce="add"),
        ]
        z = torch.cat(g, 1).relu()
        return self.head["out"](self.head["hidden"](z)).sigmoid()


class Single(nn.Module):
    """One graph at a time, without batch: sums over the first dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = GCNConv(4, 6)
        self.lin1, self.lin2 = Linear(18, 5), Linear(5, 1)

    def forward(self, x: Any, edge_index: Any) -> Any:
        h = self.conv1(x, edge_index).relu()
        h = h - h.mean(dim=0)
        g = torch.cat([h.sum(dim=0), h.max(dim=0).values, torch.mean(h.abs(), 0)])
        return self.lin2(self.lin1(g).relu())


class PoolOfModule(nn.Module):
    """batch=None by default, pools by modules in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.pools = {"mean": global_mean_pool, "sum": pyg.SumAggregation(), "max": global_max_pool}
        self.sum = self.pools["sum"]
        self.conv = GCNConv(4, 4)
        self.heads = nn.ModuleList([Linear(12, 1) for _ in range(3)])

    def forward(self, x: Any, edge_index: Any, batch: Any = None) -> Any:
        if batch is None:
            batch = torch.zeros(x.size(0), dtype=torch.long, device=x.device)
        h = self.conv(x, edge_index)
        g = torch.cat([self.pools["mean"](h, batch), self.sum(h, batch), self.pools["max"](h, batch)], dim=-1)
        return torch.cat([head(g) for head in self.heads], dim=-1)


class QM9(nn.Module):
    """Arguments with other names: z is an embedded number, w a weight of an edge."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(10, 8, padding_idx=0)
        self.conv = GraphConv(8, 8, aggr="max")
        self.mean, self.std = 1.5, 2.25
        self.register_buffer("atomref", torch.rand(10, 1))
        self.out = nn.Sequential(Linear(8, 8), nn.Softplus(), Linear(8, 1))

    def forward(self, z: Any, edges: Any, w: Any, batch: Any) -> Any:
        h = self.emb(z)
        h = h + self.conv(h, edges, w)
        h = self.out(h) * self.std + self.mean
        h = h + F.embedding(z, self.atomref)
        return global_add_pool(h, batch).squeeze(-1)


QM9_EXAMPLE = {
    "z": integers(NODES, 10)[:, 0],
    "edges": edges(),
    "w": floats(E).abs(),
    "batch": batch(),
}
ATOMS = {"x": integers(NODES, 5, 3, 4), "edge_attr": integers(E, 4, 2)}
CASES: dict[str, Case] = {
    "mutag": Case(Mutag, data(batch=batch()), "graph", 2, ("gin", "sum_pool")),
    "colab": Case(Colab, data(), "graph", 2, ("mean_pool",)),
    "pools": Case(Pools, data(), "graph", 3, ("max_pool", "mean_pool", "sum_pool")),
    "ogb": Case(Ogb, Data(edge_index=edges(), **ATOMS), "graph", 5, ("embedding", "gine", "spread")),
    "attentive": Case(Attentive, data(edge_attr=floats(E, 3)), "graph", 1, ("attention_pool", "gatv2")),
    "globals": Case(
        Globals,
        data(edge_attr=floats(E, 3), u=floats(1, 2)),
        "graph",
        2,
        ("spread", "gather"),
        {"arguments": {"u": "graph_attr"}},
    ),
    "single": Case(Single, data(), "graph", 1, ("mean_pool", "sum_pool", "max_pool")),
    "pool of module": Case(PoolOfModule, arguments(batch=batch()), "graph", 3),
    "qm9": Case(
        QM9,
        QM9_EXAMPLE,
        "graph",
        1,
        ("embedding", "graph_conv"),
        {"arguments": {"z": "x", "edges": "edge_index", "w": "edge_weight"}, "outputs": ["u0"], "name": "qm9"},
    ),
}
