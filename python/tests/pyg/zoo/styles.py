"""Short modules, each with a habit of writing that is found in the wild."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from torch import nn
from torch.nn import BatchNorm1d, Linear, ReLU
from torch_geometric import nn as pyg
from torch_geometric.data import Data
from torch_geometric.nn import (
    MLP,
    GATConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    SAGEConv,
    TransformerConv,
    global_add_pool,
    global_mean_pool,
)
from torch_geometric.utils import scatter

from pyg.zoo.cases import NODES, Case, arguments, batch, data, edges, floats, integers

E = edges().shape[1]


class JKAtt(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.ModuleList([GCNConv(4, 4) for _ in range(3)])
        self.att = Linear(4, 1)

    def forward(self, x, edge_index):
        xs = []
        for c in self.c:
            x = c(x, edge_index).relu()
            xs.append(x)
        h = torch.stack(xs, dim=1)
        a = torch.softmax(self.att(h).squeeze(-1), dim=-1)
        return (h * a.unsqueeze(-1)).sum(dim=1)


class EdgeW(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.g = GraphConv(4, 2)

    def forward(self, data):
        x, ei, w = data.x.float(), data.edge_index, data.edge_attr.squeeze().float()
        w = torch.sigmoid(w)
        return self.g(self.c(x, ei, w), ei, edge_weight=w.view(-1, 1))


class EType(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(3, 4)
        self.c = GINEConv(nn.Linear(4, 2))

    def forward(self, x, edge_index, edge_type):
        return self.c(x, edge_index, self.e(edge_type))


class OneHot(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = SAGEConv(5, 2)

    def forward(self, x, edge_index, batch):
        h = F.one_hot(x.squeeze().long(), num_classes=5).float()
        return global_mean_pool(self.c(h, edge_index), batch)


class Params(nn.Module):
    def __init__(self):
        super().__init__()
        self.ws = nn.ParameterList([nn.Parameter(torch.rand(4, 4)) for _ in range(2)])
        self.b = nn.ParameterDict({"a": nn.Parameter(torch.rand(4))})
        self.c = GCNConv(4, 4)
        self.t = torch.tensor(3.0)

    def forward(self, x, edge_index):
        for w in self.ws:
            x = x @ w + self.b["a"]
        x = x * self.t
        return self.c(x, edge_index) * torch.sigmoid(self.b["a"]) + self.ws[0].sum()


class Getattr(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = 3
        self.act = F.relu
        self.norm = None
        for i in range(3):
            setattr(self, f"conv{i}", GCNConv(4, 4))

    def forward(self, x, edge_index):
        for i in range(self.n):
            x = getattr(self, f"conv{i}")(x=x, edge_index=edge_index)
            x = self.norm(x) if self.norm is not None else x
            x = self.act(x)
            x = F.dropout(x, 0.5, self.training)
            self.last = x.detach()
        self.text = f"{x.shape} {x}"
        return x.log_softmax(dim=-1)


class Prod(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = SAGEConv(4, 4)
        self.bi = nn.Bilinear(4, 4, 2)

    def forward(self, x, edge_index, edge_label_index):
        z = self.c(x, edge_index)
        a, b = z[edge_label_index]
        p = z[edge_label_index].prod(dim=0).sum(-1)
        return torch.column_stack([p, torch.einsum("ec,ec->e", a, b), self.bi(a, b), z[edge_label_index].sum(0)[:, 0]])


class Feat(nn.Module):
    "featureless: ones"

    def __init__(self):
        super().__init__()
        self.c = GCNConv(1, 4)
        self.l = Linear(8, 1)

    def forward(self, x, edge_index, batch):
        o = torch.ones((x.size(0), 1), device=x.device)
        h = self.c(o, edge_index)
        h = torch.cat([h, x], dim=-1)
        return self.l(global_add_pool(h, batch))


class Inplace(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.r = ReLU(inplace=True)

    def forward(self, x, edge_index):
        h = self.c(x, edge_index)
        y = self.r(h)
        z = h + y
        z.mul_(2).add_(1)
        w = z
        w *= 3
        F.relu(z, inplace=True)
        return z + w


class NormDiv(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.register_buffer("m", torch.rand(4))
        self.register_buffer("sd", torch.rand(4) + 1)

    def forward(self, x, edge_index):
        x = (x - self.m) / self.sd
        h = self.c(x, edge_index)
        h = h / (h.norm(p=2, dim=-1, keepdim=True) + 1e-6)
        return h - h.mean(dim=1, keepdim=True)


class Lead(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.l = Linear(4, 2)

    def forward(self, x, edge_index, batch):
        h = self.c(x, edge_index)
        g = h.mean(0, keepdim=True)
        h = h + g
        v = g.expand(h.size(0), -1)
        return self.l(torch.cat([h, v, g.repeat(h.shape[0], 1)], 1)[:, 4:8])


class BatchInts(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)

    def forward(self, x, edge_index, batch):
        n = int(batch.max()) + 1
        m = batch.max().item() + 1
        h = self.c(x, edge_index)
        a = scatter(h, batch, dim=0, dim_size=n, reduce="sum")
        b = global_mean_pool(h, batch, m)
        return torch.cat([a, b], -1).view(n, -1)


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = Linear(4, 8)
        self.layers = nn.ModuleList(
            [
                pyg.DeepGCNLayer(GCNConv(8, 8), nn.LayerNorm(8), ReLU(inplace=True), block="res+", dropout=0.1)
                for _ in range(3)
            ]
        )
        self.o = Linear(8, 1)

    def forward(self, x, edge_index):
        x = self.enc(x)
        x = self.layers[0].conv(x, edge_index)
        for l in self.layers[1:]:
            x = l(x, edge_index)
        return self.o(self.layers[0].act(self.layers[0].norm(x)))


class SubLinear(nn.Module):
    class L(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight * 2, self.bias)

    class C(GCNConv):
        def __init__(self, i):
            super().__init__(i, 4, improved=True)

    class B(nn.BatchNorm1d):
        pass

    def __init__(self):
        super().__init__()
        self.l = self.L(4, 4)
        self.c = self.C(4)
        self.b = self.B(4)

    def forward(self, x, edge_index):
        return self.b(self.c(self.l(x), edge_index))


class U1(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.l = Linear(6, 1)

    def forward(self, x, edge_index, u):
        h = self.c(x, edge_index)
        h = torch.cat([h, u.expand(x.size(0), 2)], dim=-1)
        return self.l(h)


class Glu(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 8)
        self.g = nn.GLU(dim=-1)
        self.n = nn.LayerNorm(4, elementwise_affine=False)
        self.bn = BatchNorm1d(4, affine=False)

    def forward(self, x, edge_index):
        h = self.g(self.c(x, edge_index))
        return self.bn(self.n(h)) + F.glu(self.c(x, edge_index))


class Cond(nn.Module):
    def __init__(self, pool="mean"):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.pool = pool
        self.lin = nn.ModuleDict({"mean": Linear(4, 1), "sum": Linear(4, 1)})
        self.k = {"p": [global_mean_pool]}

    def forward(self, x, edge_index, edge_weight=None, batch=None):
        assert batch is not None, "need batch"
        h = self.c(x, edge_index, edge_weight)
        g = global_mean_pool(h, batch) if self.pool == "mean" else global_add_pool(h, batch)
        if g.dim() == 1:
            g = g.unsqueeze(0)
        return self.lin[self.pool](g) + self.k["p"][0](h, batch)[:, :1]


class GatE1(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = GATConv(4, 3, heads=2, edge_dim=1, fill_value=0.5, negative_slope=0.1)
        self.b = GATv2Conv(6, 2, heads=3, edge_dim=1, fill_value="max", residual=True, bias=False)
        self.c = TransformerConv(6, 2, edge_dim=1)

    def forward(self, x, edge_index, edge_attr):
        return self.c(
            F.elu(self.b(self.a(x, edge_index, edge_attr).relu(), edge_index, edge_attr)),
            edge_index,
            edge_attr.unsqueeze(-1),
        )


class Pre(nn.Module):
    "nested everything"

    class Enc(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(i, o),
                nn.BatchNorm1d(o),
                nn.LeakyReLU(0.2),
                nn.Dropout(0.2),
                nn.Sequential(nn.Linear(o, o), nn.Identity()),
            )

        def forward(self, x):
            return self.net(x)

    class Layer(nn.Module):
        def __init__(self, d):
            super().__init__()
            self.conv = GINConv(Pre.Enc(d, d), train_eps=True)
            self.norm = pyg.LayerNorm(d)

        def forward(self, h, e, batch=None):
            r = h
            h = self.conv(h, e)
            h = self.norm(h, batch)
            return F.relu(h) + r

    def __init__(self):
        super().__init__()
        self.enc = Pre.Enc(4, 8)
        self.layers = nn.ModuleList(Pre.Layer(8) for _ in range(2))
        self.readout = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
        self.pool = {"mean": global_mean_pool}

    def forward(self, data):
        h = self.enc(data.x)
        for l in self.layers:
            h = l(h, data.edge_index, batch=data.batch)
        g = torch.cat([self.pool["mean"](h, data.batch), pyg.global_max_pool(h, data.batch)], dim=-1)
        return torch.sigmoid(self.readout(g))


class NoBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 8)
        self.n = pyg.GraphNorm(8)
        self.l = pyg.LayerNorm(8)
        self.i = pyg.InstanceNorm(8)
        self.p = pyg.PairNorm(scale_individually=True)

    def forward(self, x, edge_index):
        h = self.c(x, edge_index)
        return self.n(h) + self.l(h) + self.i(h) + self.p(h)


class Attn(nn.Module):
    "edge attention by hand"

    def __init__(self):
        super().__init__()
        self.q = nn.Linear(4, 8)
        self.k = nn.Linear(4, 8)

    def forward(self, x, edge_index):
        src, dst = edge_index
        q = self.q(x).view(-1, 2, 4)
        k = self.k(x).view(-1, 2, 4)
        return (q[dst] * k[src]).sum(-1) / 4**0.5


class Moments(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)

    def forward(self, x, edge_index, batch):
        h = self.c(x, edge_index)
        m = global_mean_pool(h, batch)
        d = h - m[batch]
        v = global_mean_pool(d * d, batch)
        return torch.cat([m, (v + 1e-5).sqrt(), (v.clamp(min=1e-6)).log(), m.abs().pow(0.5)], 1)


class WithY(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)

    def forward(self, x, edge_index, y=None, mask=None):
        h = self.c(x, edge_index)
        if y is not None:
            return F.mse_loss(h, y)
        return h


class DataStyle(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.l = nn.Linear(5, 1)

    def forward(self, batch):
        x = batch.x if batch.x is not None else None
        w = getattr(batch, "edge_weight", None)
        a = batch.edge_attr if "edge_attr" in batch else None
        h = self.c(x, batch.edge_index, w)
        if hasattr(batch, "u"):
            h = h + batch.u
        n = torch.ones(batch.num_nodes, 1)
        g = scatter(torch.cat([h, n], 1), batch.batch, dim=0, dim_size=batch.num_graphs, reduce="sum")
        return self.l(g)


class Scalarish(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 1)
        self.k = nn.Parameter(torch.tensor([2.0]))
        self.t = nn.Parameter(torch.zeros(1, 1))

    def forward(self, x, edge_index):
        h = self.c(x, edge_index).squeeze(-1)
        return (h * self.k + self.t.squeeze()) / (1 + torch.exp(self.k))


class Cond3(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = GCNConv(4, 4)
        self.a = nn.Parameter(torch.tensor(0.5))

    def forward(self, x, edge_index):
        h = self.c(x, edge_index)
        if self.a > 0:
            h = h * self.a
        if x.size(1) == 4 and x.dim() == 2 and x.is_floating_point() and isinstance(x, torch.Tensor):
            h = h + 1
        assert not torch.jit.is_scripting()
        return h


class Zs(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(9, 8)
        self.b = nn.Embedding(4, 8)
        self.c = GINEConv(MLP([8, 8]))

    def forward(self, data):
        h = self.e(data.z)
        return self.c(h, data.edge_index, self.b(data.edge_attr))


CASES: dict[str, Case] = {
    "jkatt": Case(JKAtt, data(), "node", 4),
    "edgew": Case(EdgeW, data(edge_attr=floats(E, 1)), "node", 2),
    "etype": Case(EType, arguments(edge_type=integers(E, 3)[:, 0]), "node", 2),
    "onehot": Case(OneHot, Data(x=integers(NODES, 5), edge_index=edges()), "graph", 2),
    "params": Case(Params, data(), "node", 4),
    "getattr": Case(Getattr, data(), "node", 4),
    "prod": Case(
        Prod, arguments(edge_label_index=edges()), "edge", 5, keywords={"arguments": {"edge_label_index": "edge_index"}}
    ),
    "feat": Case(Feat, data(), "graph", 1),
    "inplace": Case(Inplace, data(edge_attr=floats(E, 3)), "node", 4),
    "normdiv": Case(NormDiv, data(), "node", 4),
    "lead": Case(Lead, data(), "node", 2),
    "batchints": Case(BatchInts, data(batch=batch()), "graph", 8),
    "deep": Case(Deep, data(), "node", 1),
    "sublinear": Case(SubLinear, data(), "node", 4),
    "u1": Case(U1, arguments(u=floats(2)), "node", 1, keywords={"arguments": {"u": "graph_attr"}}),
    "glu": Case(Glu, data(), "node", 4),
    "cond": Case(Cond, data(batch=batch()), "graph", 1),
    "gate1": Case(GatE1, data(edge_attr=floats(E)), "node", 2),
    "pre": Case(Pre, data(), "graph", 3),
    "nobatch": Case(NoBatch, data(), "node", 8),
    "attn": Case(Attn, data(), "edge", 2),
    "moments": Case(Moments, data(), "graph", 16),
    "withy": Case(WithY, data(y=floats(NODES), train_mask=torch.ones(NODES, dtype=torch.bool)), "node", 4),
    "datastyle": Case(DataStyle, data(), "graph", 1),
    "scalarish": Case(Scalarish, data(), "node", 1),
    "cond3": Case(Cond3, data(), "node", 4),
    "zs": Case(
        Zs,
        Data(z=integers(NODES, 9)[:, 0], edge_index=edges(), edge_attr=integers(E, 4)[:, 0]),
        "node",
        8,
        keywords={"arguments": {"z": "x"}},
    ),
}
