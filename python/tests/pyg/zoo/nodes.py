"""Modules with a row of scores for each node."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from torch import nn
from torch.nn import BatchNorm1d, Linear, ReLU, Sequential
from torch_geometric import nn as pyg
from torch_geometric.nn import (
    MLP,
    GATConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    JumpingKnowledge,
    PNAConv,
    SAGEConv,
    TransformerConv,
)
from torch_geometric.utils import dropout_edge

from pyg.zoo.cases import NODES, Case, arguments, data, edges, floats, integers

E = edges().shape[1]


class GCN(nn.Module):
    """examples/gcn.py: cached layers, dropout first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = GCNConv(4, 16, cached=True)
        self.conv2 = GCNConv(16, 3, cached=True)

    def forward(self, x: Any, edge_index: Any, edge_weight: Any = None) -> Any:
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.conv1(x, edge_index, edge_weight).relu()
        x = F.dropout(x, p=0.5, training=self.training)
        return self.conv2(x, edge_index, edge_weight)


class Kipf(nn.Module):
    """A Data object, an if on self.training, log_softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = GCNConv(4, 8)
        self.conv2 = GCNConv(8, 3)

    def forward(self, data: Any) -> Any:
        x, edge_index = data.x, data.edge_index
        x = F.relu(self.conv1(x, edge_index), inplace=True)
        if self.training:
            x = F.dropout(x)
        x = self.conv2(x, edge_index)
        return F.log_softmax(x, dim=1)


class GAT(nn.Module):
    """examples/gat.py."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = GATConv(4, 8, heads=4, dropout=0.6)
        self.conv2 = GATConv(32, 3, heads=1, concat=False, dropout=0.6)

    def forward(self, x: Any, edge_index: Any) -> Any:
        x = F.dropout(x, p=0.6, training=self.training)
        x = F.elu(self.conv1(x, edge_index))
        x = F.dropout(x, p=0.6, training=self.training)
        return self.conv2(x, edge_index)


class GATWithEdges(nn.Module):
    """Attention with edge features, whose weights are asked for and not used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = GATConv(4, 5, heads=2, edge_dim=3, fill_value="mean", residual=True)
        self.conv2 = GATv2Conv(10, 6, heads=2, edge_dim=3, concat=False, share_weights=True, add_self_loops=False)

    def forward(self, x: Any, edge_index: Any, edge_attr: Any) -> Any:
        x, (_, _alpha) = self.conv1(x, edge_index, edge_attr, return_attention_weights=True)
        return self.conv2(F.leaky_relu(x, 0.1), edge_index, edge_attr=edge_attr)


class SAGE(nn.Module):
    """A ModuleList of layers, as OGB's baselines."""

    def __init__(self, layers: int = 3) -> None:
        super().__init__()
        self.convs = nn.ModuleList([SAGEConv(4, 8, aggr="max", project=True)])
        self.bns = nn.ModuleList([BatchNorm1d(8)])
        for _ in range(layers - 2):
            self.convs.append(SAGEConv(8, 8, normalize=True))
            self.bns.append(BatchNorm1d(8))
        self.convs.append(SAGEConv(8, 2, aggr="sum", root_weight=False))
        self.dropout = 0.3

    def reset_parameters(self) -> None:
        for conv in self.convs:
            conv.reset_parameters()

    def forward(self, x: Any, adj_t: Any) -> Any:
        for i, conv in enumerate(self.convs[:-1]):
            x = conv(x, adj_t)
            x = self.bns[i](x)
            x = F.relu(x)
            x = F.dropout(x, p=self.dropout, training=self.training)
        x = self.convs[-1](x, adj_t)
        return torch.log_softmax(x, dim=-1)


class Residual(nn.Module):
    """Residual stacks of one shared layer, in-place sums, learned scales."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = Linear(4, 8)
        self.conv = GraphConv(8, 8, aggr="mean")
        self.norm = nn.LayerNorm(8)
        self.alpha = nn.Parameter(torch.tensor(0.3))
        self.scale = nn.Parameter(torch.rand(8))
        self.register_buffer("shift", torch.rand(1, 8))
        self.out = Linear(8, 1)

    def forward(self, x: Any, edge_index: Any, edge_weight: Any) -> Any:
        h = h0 = self.lin(x)
        for _ in range(3):
            z = self.conv(self.norm(h), edge_index, edge_weight)
            z += (1 - self.alpha) * h0
            h = h + self.alpha * z.tanh()
        h = (h - self.shift) * self.scale / 2 + 1
        return self.out(h).squeeze()


class Jumping(nn.Module):
    """Jumping knowledge of the largest and of all layers."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.convs = nn.ModuleDict({"one": GCNConv(4, 6), "two": GCNConv(6, 6, improved=True), "three": GCNConv(6, 6)})
        self.jump = JumpingKnowledge(mode)
        self.lin = pyg.Linear(6 if mode == "max" else 18, 2)

    def forward(self, x: Any, edge_index: Any, edge_weight: Any) -> Any:
        xs = []
        for name, conv in self.convs.items():
            x = conv(x, edge_index, edge_weight if name == "two" else None)
            x = F.selu(x)
            xs.append(x)
        return self.lin(self.jump(xs))


class Wide(nn.Module):
    """Views, heads, slices and stacks of columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = GATConv(4, 4, heads=3)
        self.mix = nn.Parameter(torch.rand(3))
        self.lin = Linear(12, 12)

    def forward(self, x: Any, edge_index: Any) -> Any:
        h = self.conv(x, edge_index)
        n, width = h.shape
        heads = h.view(n, 3, width // 3)
        mean, largest = heads.mean(dim=1), heads.max(dim=1)[0]
        weighted = (heads * self.mix.view(1, 3, 1)).sum(1)
        a, b, c = self.lin(h).chunk(3, dim=-1)
        stacked = torch.stack([a, b, c], dim=0).mean(0)
        gated = torch.sigmoid(a) * b + torch.stack([a, c], dim=1).amax(dim=1)
        out = torch.cat([mean, largest, weighted, stacked, gated, c[:, 1:3], x[:, [3, 0]], -x[..., :1]], dim=-1)
        return F.normalize(out, p=2.0, dim=-1)


class Virtual(nn.Module):
    """A virtual node: the mean of the graph given back to its nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SAGEConv(4, 8)
        self.mlp = MLP([8, 16, 8], norm="batch_norm", act="gelu")
        self.out = Linear(16, 2)

    def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
        h = self.conv(x, edge_index).relu_()
        g = self.mlp(pyg.global_mean_pool(h, batch))
        h = torch.cat([h, g[batch]], dim=1)
        return torch.softmax(self.out(h), dim=-1)


class Norms(nn.Module):
    """Every norm of torch_geometric, with and without batch."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = Linear(4, 6)
        self.norms = nn.ModuleList(
            [
                pyg.BatchNorm(6),
                pyg.GraphNorm(6),
                pyg.LayerNorm(6),
                pyg.LayerNorm(6, mode="node"),
                pyg.InstanceNorm(6),
                pyg.InstanceNorm(6, affine=True, track_running_stats=True),
                pyg.PairNorm(),
                pyg.MeanSubtractionNorm(),
            ]
        )

    def forward(self, x: Any, edge_index: Any, batch: Any) -> Any:
        h = self.lin(x)
        total = torch.zeros_like(h)
        for norm in self.norms:
            given = norm(h) if isinstance(norm, pyg.BatchNorm) else norm(h, batch)
            total = total + given
        return torch.cat([total, self.norms[2](h), pyg.global_max_pool(h, batch)[batch]], dim=1)


class Activations(nn.Module):
    """Activations as modules, functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.modules_ = nn.ModuleList(
            [
                nn.PReLU(),
                nn.PReLU(4),
                nn.ELU(0.7),
                nn.CELU(1.3),
                nn.GELU(),
                nn.GELU(approximate="tanh"),
                nn.SiLU(),
                nn.Mish(),
                nn.Tanh(),
                nn.Softplus(),
                nn.Softsign(),
                nn.Hardtanh(-0.5, 0.7),
                nn.ReLU6(),
                nn.Hardsigmoid(),
                nn.Hardswish(),
                nn.Hardshrink(),
                nn.Softshrink(),
                nn.LogSigmoid(),
                nn.LeakyReLU(0.3),
                nn.RReLU(),
                nn.SELU(),
                nn.Identity(),
                nn.Dropout(0.2),
                nn.Softmax(dim=-1),
                nn.Tanhshrink(),
                nn.Threshold(0.1, 20.0),
            ]
        )
        self.conv = GCNConv(4, 4, bias=False, normalize=False)

    def forward(self, x: Any, edge_index: Any) -> Any:
        h = self.conv(x, edge_index)
        parts = [act(h) for act in self.modules_]
        parts += [
            h.clamp(min=0),
            h.clamp(-1, 1),
            torch.clamp(h, max=0.5),
            torch.exp(-h.abs()),
            h**2,
            torch.square(h).add(1).sqrt(),
        ]
        parts += [
            F.relu6(h),
            F.softplus(h, beta=2.0),
            F.elu(h),
            h.sigmoid(),
            torch.maximum(h, x),
            torch.min(h, x),
            1 - h,
            1 / (2 + h.cos()),
        ]
        return torch.cat(parts, dim=1)


class Atoms(nn.Module):
    """OGB's AtomEncoder and BondEncoder, and a GINE with them."""

    SIZES = (5, 3, 4)

    def __init__(self) -> None:
        super().__init__()
        self.atoms = nn.ModuleList([nn.Embedding(size, 8) for size in self.SIZES])
        self.bonds = nn.ModuleList([nn.Embedding(size, 8) for size in (4, 2)])
        self.conv = GINEConv(Sequential(Linear(8, 16), BatchNorm1d(16), ReLU(), Linear(16, 8)), train_eps=True)
        self.out = Linear(8, 1)

    def forward(self, x: Any, edge_index: Any, edge_attr: Any) -> Any:
        h = 0
        for i in range(x.shape[1]):
            h += self.atoms[i](x[:, i])
        e = sum(bond(edge_attr[:, i].long()) for i, bond in enumerate(self.bonds))
        h = self.conv(h, edge_index, e)
        return self.out(F.relu(h))


class Zinc(nn.Module):
    """examples/pna.py: embeddings of one column, PNA with towers, batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.node_emb = nn.Embedding(9, 12)
        self.edge_emb = nn.Embedding(4, 6)
        deg = torch.tensor([1, 4, 6, 2])
        self.convs, self.batch_norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(2):
            conv = PNAConv(
                in_channels=12,
                out_channels=12,
                aggregators=["mean", "min", "max", "std"],
                scalers=["identity", "amplification", "attenuation"],
                deg=deg,
                edge_dim=6,
                towers=3,
                pre_layers=1,
                post_layers=1,
                divide_input=False,
            )
            self.convs.append(conv)
            self.batch_norms.append(pyg.BatchNorm(12))
        self.mlp = Sequential(Linear(12, 5), ReLU(), Linear(5, 1))

    def forward(self, x: Any, edge_index: Any, edge_attr: Any) -> Any:
        x = self.node_emb(x.squeeze())
        edge_attr = self.edge_emb(edge_attr)
        for conv, batch_norm in zip(self.convs, self.batch_norms, strict=True):
            x = F.relu(batch_norm(conv(x, edge_index, edge_attr)))
        return self.mlp(x)


class Transformer(nn.Module):
    """Transformer layers with beta and edge features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = TransformerConv(4, 6, heads=2, edge_dim=3, beta=True)
        self.conv2 = TransformerConv(12, 5, heads=3, edge_dim=3, concat=False, root_weight=False)
        self.conv3 = TransformerConv(5, 4, heads=1, bias=False)
        self.norm = pyg.LayerNorm(12, mode="node")

    def forward(self, x: Any, edge_index: Any, edge_attr: Any) -> Any:
        x = self.norm(self.conv1(x, edge_index, edge_attr)).relu()
        x = self.conv2(x, edge_index, edge_attr).relu()
        return self.conv3(x, edge_index)


class Tied(nn.Module):
    """Weights that two modules share, and products with parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = Linear(4, 4, bias=False)
        self.dec = Linear(4, 4, bias=False)
        self.dec.weight = self.enc.weight
        self.w = nn.Parameter(torch.rand(4, 3))
        self.v = nn.Parameter(torch.rand(4))
        self.conv = GCNConv(4, 4, add_self_loops=False)

    def forward(self, x: Any, edge_index: Any) -> Any:
        h = self.dec(self.conv(self.enc(x), edge_index))
        first = h @ self.w + torch.matmul(x, self.w)
        dots = (h * self.v).sum(dim=-1, keepdim=True)
        norms = F.linear(h, F.normalize(self.w.t(), dim=-1))
        return torch.cat([first, dots, norms, (h @ self.v).unsqueeze(-1), torch.einsum("nc,cd->nd", h, self.w)], dim=-1)


class Dropped(nn.Module):
    """Edges dropped in training, an optional argument that nobody gives, a print-free debug branch."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.head = Sequential(nn.Linear(8, 4), nn.ReLU(inplace=True), nn.Dropout(0.1), nn.Linear(4, 1))

    def forward(self, x: Any, edge_index: Any, edge_weight: Any = None, return_embeddings: bool = False) -> Any:
        edge_index, _ = dropout_edge(edge_index, p=0.2, training=self.training)
        if edge_weight is None:
            weights = None
        else:
            weights = edge_weight.float()
        x = self.block(x.to(torch.float32), edge_index, weights)
        if return_embeddings:
            return x
        assert x.dim() == 2
        assert x.size(-1) == 8
        return self.head(x)


class Block(nn.Module):
    """A nested module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = GraphConv(4, 8)

    def forward(self, x: Any, edges: Any, weights: Any) -> Any:
        return torch.tanh(self.conv(x, edges, weights))


def sequential() -> nn.Module:
    """torch_geometric.nn.Sequential with functions, lists and names."""
    return pyg.Sequential(
        "x, edge_index, batch",
        [
            (nn.Dropout(p=0.5), "x -> x"),
            (GCNConv(4, 8), "x, edge_index -> x1"),
            nn.ReLU(inplace=True),
            (GCNConv(8, 8), "x1, edge_index -> x2"),
            nn.ReLU(inplace=True),
            (lambda x1, x2: [x1, x2], "x1, x2 -> xs"),
            (JumpingKnowledge("cat", 8, num_layers=2), "xs -> x"),
            (pyg.GraphNorm(16), "x, batch -> x"),
            nn.Linear(16, 2),
        ],
    )


ATTR = floats(E, 3)
WEIGHT = floats(E).abs() + 0.1
CASES: dict[str, Case] = {
    "gcn": Case(GCN, data(), "node", 3, ("gcn",)),
    "gcn weighted": Case(GCN, data(edge_weight=WEIGHT), "node", 3, ("gcn",)),
    "kipf": Case(Kipf, data(), "node", 3, ("log_softmax",)),
    "gat": Case(GAT, data(), "node", 3, ("gat",)),
    "gat with edges": Case(GATWithEdges, data(edge_attr=ATTR), "node", 6, ("gat", "gatv2")),
    "sage": Case(
        SAGE, {"x": floats(NODES, 4), "adj_t": edges()}, "node", 2, ("sage",), {"arguments": {"adj_t": "edge_index"}}
    ),
    "residual": Case(Residual, arguments(edge_weight=WEIGHT), "node", 1, ("graph_conv", "layer_norm")),
    "jumping max": Case(lambda: Jumping("max"), arguments(edge_weight=WEIGHT), "node", 2, ("maximum",)),
    "jumping cat": Case(lambda: Jumping("cat"), arguments(edge_weight=WEIGHT), "node", 2, ("concatenate",)),
    "wide": Case(Wide, arguments(), "node", 25, ("l2_normalize",)),
    "virtual": Case(Virtual, data(), "node", 2, ("spread", "softmax")),
    "norms": Case(Norms, data(), "node", 18, ("graph_norm", "pair_norm", "instance_norm", "layer_norm")),
    "activations": Case(Activations, arguments(), "node", 160, ("prelu",)),
    "atoms": Case(
        Atoms,
        arguments(1) | {"x": integers(NODES, *Atoms.SIZES), "edge_attr": integers(E, 4, 2)},
        "node",
        1,
        ("embedding", "gine"),
    ),
    "zinc": Case(
        Zinc, arguments(1) | {"x": integers(NODES, 9), "edge_attr": integers(E, 4)[:, 0]}, "node", 1, ("pna",)
    ),
    "transformer": Case(Transformer, arguments(edge_attr=ATTR), "node", 4, ("transformer",)),
    "tied": Case(Tied, arguments(), "node", 11, ("linear",)),
    "dropped": Case(Dropped, arguments(edge_weight=WEIGHT), "node"),
    "sequential": Case(sequential, arguments(batch=torch.zeros(NODES, dtype=torch.long)), "node", 2, ("graph_norm",)),
    "basic gcn": Case(
        lambda: pyg.GCN(4, 8, 3, 2, norm="batch_norm", jk="cat"), data(edge_weight=WEIGHT), "node", 2, ("gcn",)
    ),
    "basic sage": Case(
        lambda: pyg.GraphSAGE(4, 8, 2, 3, act="elu", act_first=True, norm="LayerNorm"), data(), "node", 3
    ),
    "basic gat": Case(
        lambda: pyg.GAT(4, 8, 3, 3, heads=2, edge_dim=3, jk="max"), data(edge_attr=ATTR), "node", 3, ("gat",)
    ),
    "basic gatv2": Case(lambda: pyg.GAT(4, 8, 2, v2=True, heads=4), data(), "node", 8, ("gatv2",)),
    "basic gin": Case(
        lambda: pyg.GIN(4, 8, 3, 1, norm="graph_norm", act=nn.PReLU(), train_eps=True), data(), "node", 1, ("gin",)
    ),
    "basic pna": Case(
        lambda: pyg.PNA(
            4,
            8,
            2,
            2,
            aggregators=["mean", "sum", "max", "var"],
            scalers=["identity", "linear", "inverse_linear"],
            deg=torch.tensor([2, 3, 1]),
            towers=2,
            divide_input=False,
            pre_layers=2,
            post_layers=2,
            act="tanh",
        ),
        data(),
        "node",
        2,
        ("pna",),
    ),
    "gin of a callable": Case(lambda: GINConv(MLP([4, 8, 2]), eps=0.5, aggr="mean"), arguments(), "node", 2, ("gin",)),
    "gine with edge_dim": Case(
        lambda: GINEConv(Sequential(Linear(4, 5), nn.Tanh()), edge_dim=3), arguments(edge_attr=ATTR), "node", 5
    ),
    "data parallel": Case(lambda: nn.DataParallel(GCN()), data(), "node", 3, ("gcn",)),
}
