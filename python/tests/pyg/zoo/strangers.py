"""Modules in the styles of PyTorch Geometric's examples, of OGB's baselines and of papers."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
import torch_geometric as tg
import torch_geometric.nn as gnn
from torch import nn
from torch_geometric.nn import (
    BatchNorm,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    GraphNorm,
    InstanceNorm,
    JumpingKnowledge,
    LayerNorm,
    PairNorm,
    SAGEConv,
    TransformerConv,
    global_add_pool,
)
from torch_geometric.nn import global_max_pool as gmp
from torch_geometric.nn import global_mean_pool as gap

from pyg.zoo.cases import EDGES, NODES, Case, arguments, batch, data, edges, floats, integers

E = len(EDGES)


class EdgeClassifier(nn.Module):
    """An MLP of both ends and the features of the edge, scores by a sigmoid."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = SAGEConv(4, 8), SAGEConv(8, 8)
        self.mlp = nn.Sequential(nn.Linear(2 * 8 + 3, 16), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(16, 1))

    def forward(self, x, edge_index, edge_attr):
        x = F.relu(self.conv1(x, edge_index))
        x = self.conv2(x, edge_index)
        src, dst = edge_index
        e = torch.cat([x[src], x[dst], edge_attr], dim=-1)
        return torch.sigmoid(self.mlp(e)).view(-1)


class JK(nn.Module):
    """examples/mutag_gin-like with jumping knowledge, batch norms in the MLPs, two heads side by side."""

    def __init__(self, mode):
        super().__init__()
        self.convs = nn.ModuleList()
        for i in range(3):
            mlp = nn.Sequential(
                OrderedDict(
                    a=nn.Linear(4 if i == 0 else 8, 8), bn=nn.BatchNorm1d(8), act=nn.LeakyReLU(0.1), b=nn.Linear(8, 8)
                )
            )
            self.convs.append(GINConv(mlp, train_eps=True))
        self.jk = JumpingKnowledge(mode, 8, 3)
        width = 24 if mode == "cat" else 8
        self.heads = nn.ModuleDict({"a": nn.Linear(width, 1), "b": nn.Linear(width, 2)})

    def forward(self, data):
        x, edge_index, batch = data.x, data.edge_index, data.batch
        xs = []
        for conv in self.convs:
            x = conv(x, edge_index).relu()
            xs += [x]
        x = global_add_pool(self.jk(xs), batch)
        return torch.cat([head(x) for head in self.heads.values()], dim=1)


class BondEncoder(nn.Module):
    """As in ogb.graphproppred.mol_encoder."""

    def __init__(self, sizes, emb_dim):
        super().__init__()
        self.bond_embedding_list = torch.nn.ModuleList()
        for dim in sizes:
            emb = torch.nn.Embedding(dim, emb_dim)
            torch.nn.init.xavier_uniform_(emb.weight.data)
            self.bond_embedding_list.append(emb)

    def forward(self, edge_attr):
        bond_embedding = 0
        for i in range(edge_attr.shape[1]):
            bond_embedding += self.bond_embedding_list[i](edge_attr[:, i])
        return bond_embedding


class OgbVirtual(nn.Module):
    """OGB's GNN_node_Virtualnode: the state of the virtual node, added to nodes and updated from their sum."""

    def __init__(self, emb_dim=8, num_layer=3, residual=True):
        super().__init__()
        self.atom_encoder, self.bond_encoder = BondEncoder([5, 3], emb_dim), BondEncoder([4, 2], emb_dim)
        self.residual, self.num_layer, self.drop_ratio = residual, num_layer, 0.5
        self.virtualnode_embedding = nn.Embedding(1, emb_dim)
        self.convs, self.batch_norms = nn.ModuleList(), nn.ModuleList()
        self.mlp_virtualnode_list = nn.ModuleList()
        for _ in range(num_layer):
            mlp = nn.Sequential(
                nn.Linear(emb_dim, 2 * emb_dim), nn.BatchNorm1d(2 * emb_dim), nn.ReLU(), nn.Linear(2 * emb_dim, emb_dim)
            )
            self.convs.append(GINEConv(mlp, train_eps=True))
            self.batch_norms.append(nn.BatchNorm1d(emb_dim))
        for _ in range(num_layer - 1):
            self.mlp_virtualnode_list.append(
                nn.Sequential(nn.Linear(emb_dim, emb_dim), nn.BatchNorm1d(emb_dim), nn.ReLU())
            )
        self.graph_pred_linear = nn.Linear(emb_dim, 1)

    def forward(self, batched_data):
        x, edge_index, edge_attr, batch = (
            batched_data.x,
            batched_data.edge_index,
            batched_data.edge_attr,
            batched_data.batch,
        )
        vn = self.virtualnode_embedding(torch.zeros(batch[-1].item() + 1).to(edge_index.dtype).to(edge_index.device))
        h_list = [self.atom_encoder(x)]
        for layer in range(self.num_layer):
            h_list[layer] = h_list[layer] + vn[batch]
            h = self.convs[layer](h_list[layer], edge_index, self.bond_encoder(edge_attr))
            h = self.batch_norms[layer](h)
            if layer == self.num_layer - 1:
                h = F.dropout(h, self.drop_ratio, training=self.training)
            else:
                h = F.dropout(F.relu(h), self.drop_ratio, training=self.training)
            if self.residual:
                h = h + h_list[layer]
            h_list.append(h)
            if layer < self.num_layer - 1:
                temp = global_add_pool(h_list[layer], batch) + vn
                vn = vn + F.dropout(self.mlp_virtualnode_list[layer](temp), self.drop_ratio, training=self.training)
        return self.graph_pred_linear(gap(h_list[-1], batch))


class Normalised(nn.Module):
    """Buffers of the training set's mean and deviation, a target that is scaled back."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.1, -0.2, 0.3, 0.0]))
        self.register_buffer("std", torch.tensor([1.0, 2.0, 0.5, 1.5]))
        self.register_buffer("y_scale", torch.tensor(3.0))
        self.conv = GraphConv(4, 8, aggr="mean")
        self.out = nn.Linear(8, 1)

    def forward(self, x, edge_index, edge_weight=None, batch=None):
        x = (x - self.mean) / (self.std + 1e-6)
        h = torch.tanh(self.conv(x, edge_index, edge_weight))
        if batch is None:
            batch = torch.zeros(x.size(0), dtype=torch.long, device=x.device)
        return self.out(gmp(h, batch)).squeeze(-1) * self.y_scale


class Pooled(nn.Module):
    """Names of readouts in a table, a module alias, concatenated."""

    POOLS = {"sum": gnn.global_add_pool, "mean": tg.nn.global_mean_pool, "max": gmp}  # noqa: RUF012

    def __init__(self, pools=("sum", "mean", "max")):
        super().__init__()
        self.pools = [self.POOLS[p] for p in pools]
        self.conv = GCNConv(4, 6, improved=True)
        self.fc = nn.Linear(18, 4)

    def forward(self, x, edge_index, batch):
        x = F.elu(self.conv(x, edge_index))
        return F.log_softmax(self.fc(torch.cat([p(x, batch) for p in self.pools], dim=1)), dim=1)


class Aggregated(nn.Module):
    """Aggregations as modules, by resolver and by hand."""

    def __init__(self):
        super().__init__()
        self.readout = gnn.aggr.MultiAggregation(["sum", "mean", "max"])
        self.own = gnn.SumAggregation()
        self.conv = SAGEConv(4, 6, aggr="max", project=True)
        self.lin = nn.LazyLinear(2)
        self.lin(torch.zeros(1, 24))

    def forward(self, x, edge_index, batch):
        x = self.conv(x, edge_index).relu_()
        return self.lin(torch.hstack([self.readout(x, batch), self.own(x, batch)]))


class Projected(nn.Module):
    """Residuals with a projection where widths differ, zip over lists, norms by name."""

    def __init__(self, norm):
        super().__init__()
        widths = [4, 8, 8, 6]
        self.convs = nn.ModuleList(GCNConv(a, b) for a, b in zip(widths, widths[1:]))  # noqa: B905, RUF007
        self.skips = nn.ModuleList(
            nn.Linear(a, b, bias=False) if a != b else nn.Identity()
            for a, b in zip(widths, widths[1:])  # noqa: B905, RUF007
        )
        self.norms = nn.ModuleList(norm(b) for b in widths[1:])
        self.by_graph = norm in (GraphNorm, InstanceNorm, LayerNorm)

    def forward(self, x, edge_index, edge_weight=None, batch=None):
        for i, (conv, skip, norm) in enumerate(zip(self.convs, self.skips, self.norms)):  # noqa: B905
            h = conv(x, edge_index, edge_weight=edge_weight)
            h = norm(h, batch) if self.by_graph else norm(h)
            if i != len(self.convs) - 1:
                h = F.dropout(F.gelu(h), p=0.1, training=self.training)
            x = h + skip(x)
        return x


class MatrixWeights(nn.Module):
    """Parameters of one's own in products: @, einsum, matmul, addmm, bias by expand."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(4, 8))
        self.heads = nn.Parameter(torch.rand(2, 4, 3))
        self.att = nn.Parameter(torch.rand(1, 2, 3))
        self.b = nn.Parameter(torch.zeros(6))
        self.conv = GCNConv(8, 8)

    def forward(self, x, edge_index):
        h = self.conv(torch.matmul(x, self.w), edge_index)
        h = h.reshape(-1, 2, 4)
        h = torch.einsum("nhc,hcd->nhd", h, self.heads)
        gate = (h * self.att).sum(dim=-1, keepdim=True)
        h = (h * torch.sigmoid(gate)).flatten(1)
        return torch.addmm(self.b, h, torch.eye(6)) @ self.w.new_ones(6, 2)


class Multi(nn.Module):
    """Several tasks, each with its own head and activation, stacked."""

    def __init__(self):
        super().__init__()
        self.body = gnn.Sequential(
            "x, edge_index",
            [(GCNConv(4, 8), "x, edge_index -> x"), nn.ReLU(), (GCNConv(8, 8), "x, edge_index -> x"), nn.PReLU(8)],
        )
        self.heads = nn.ModuleList([nn.Sequential(nn.Linear(8, 4), nn.SiLU(), nn.Linear(4, 1)) for _ in range(3)])

    def forward(self, x, edge_index):
        h = self.body(x, edge_index)
        a, b, c = [head(h).squeeze(-1) for head in self.heads]
        return torch.stack([a.sigmoid(), F.softplus(b), c.exp().clamp(max=50.0)], dim=-1)


class DataOut(nn.Module):
    """forward(data) with what is missing checked by hasattr, keys and None."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(6, 4)
        self.conv1 = GATv2Conv(4, 4, heads=2, edge_dim=3, concat=True, residual=True)
        self.conv2 = TransformerConv(8, 4, heads=2, concat=False, edge_dim=3)

    def forward(self, data):
        x = data.x.long().squeeze(-1) if data.x.dim() == 2 else data.x
        h = self.emb(x)
        ea = data.edge_attr.float() if data.edge_attr is not None else None
        if hasattr(data, "pos") and data.pos is not None:
            h = h + data.pos
        h = self.conv1(h, data.edge_index, ea)
        h = F.dropout(h, p=0.6, training=self.training)
        out = self.conv2(F.elu(h), data.edge_index, edge_attr=ea)
        batch = data.batch if "batch" in data else None
        if batch is None:
            batch = out.new_zeros(out.size(0), dtype=torch.long)
        return gap(out, batch)


class Link(nn.Module):
    """encode and decode, negative distances, a scale that is learned."""

    def __init__(self):
        super().__init__()
        self.conv1 = GCNConv(4, 8, cached=False)
        self.conv2 = GCNConv(8, 4)
        self.scale = nn.Parameter(torch.ones(1))

    def encode(self, x, edge_index):
        return self.conv2(self.conv1(x, edge_index).relu(), edge_index)

    def decode(self, z, edge_label_index):
        diff = z[edge_label_index[0]] - z[edge_label_index[1]]
        return -self.scale * diff.pow(2).sum(dim=1).sqrt()

    def forward(self, x, edge_index):
        return self.decode(self.encode(x, edge_index), edge_index)


class Shared(nn.Module):
    """One layer applied several times, weights tied by assignment, powers and constants."""

    def __init__(self, times=4):
        super().__init__()
        self.pre, self.conv, self.post = nn.Linear(4, 8), GCNConv(8, 8, bias=False), nn.Linear(8, 4)
        self.post.weight = nn.Parameter(self.pre.weight.t().contiguous())
        self.times, self.alpha = times, 0.1

    def forward(self, x, edge_index):
        h0 = h = torch.pow(self.pre(x), 2)
        for _ in range(self.times):
            h = (1 - self.alpha) * self.conv(h, edge_index) + self.alpha * h0
        return self.post(h) ** -2.0 if self.training else torch.rsqrt(torch.abs(self.post(h)) + 1.0)


class Weighted(nn.Module):
    """A weight of each edge computed from its features."""

    def __init__(self):
        super().__init__()
        self.edge_net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
        self.conv = GCNConv(4, 5)

    def forward(self, x, edge_index, edge_attr):
        w = self.edge_net(edge_attr).squeeze(-1)
        return self.conv(x, edge_index, w).tanh()


class Halves(nn.Module):
    """Columns split, embedded, concatenated; negative indices; the rest as floats."""

    def __init__(self):
        super().__init__()
        self.kind = nn.Embedding(5, 3)
        self.place = nn.Embedding(3, 2)
        self.conv = GCNConv(3 + 2 + 2, 4)

    def forward(self, x, edge_index):
        h = torch.cat((self.kind(x[..., 0].long()), self.place(x[:, 1].int()), x[:, -2:].float()), dim=-1)
        return self.conv(h, edge_index).softmax(dim=-1)


class Gated(nn.Module):
    """A gate by chunk, einsum of two rows, layer norm of torch, nested lists."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.ModuleList([GCNConv(4, 8), GCNConv(4, 4)]) for _ in range(2)])
        self.norm = nn.LayerNorm(4)

    def forward(self, x, edge_index):
        for wide, same in self.convs:
            a, g = wide(x, edge_index).chunk(2, dim=-1)
            x = self.norm(a * torch.sigmoid(g) + same(x, edge_index))
        return torch.einsum("nd,nd->n", x, x).unsqueeze(1) + x.mean(dim=-1, keepdim=True)


class Deep(nn.Module):
    """As many layers as Python's stack would not hold."""

    def __init__(self):
        super().__init__()
        self.lins = nn.ModuleList(nn.Linear(4, 4) for _ in range(150))
        self.conv = GCNConv(4, 2)

    def forward(self, x, edge_index):
        for lin in self.lins:
            x = x + 0.01 * F.relu(lin(x))
        return self.conv(x, edge_index) + x.new_zeros(x.size(0), 2)


class Steps(nn.Module):
    """Methods, in-place operators, functions of torch; bounds of one side; powers."""

    def __init__(self):
        super().__init__()
        self.conv = GraphConv(4, 4)
        self.exponent = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    def forward(self, x, edge_index):
        h = self.conv(x, edge_index)
        parts = [
            torch.clamp(h, 0, float("inf")),
            h.clamp(min=float("-inf"), max=1.0),
            F.elu(h, 0.0),
            h**self.exponent,
            F.threshold(h, 0.1, 0.0),
            torch.pow(h, 4),
            (h * h[:, :1]).sum(-1, keepdim=True),
            F.hardtanh(h, 0.0, float("inf")),
        ]
        return torch.cat(parts, -1)


class Heads(nn.Module):
    """Means, sums and transpositions of heads."""

    def __init__(self):
        super().__init__()
        self.conv = GCNConv(4, 12)

    def forward(self, x, edge_index):
        h = self.conv(x, edge_index).view(-1, 3, 4)
        t = h.transpose(1, 2)
        return torch.cat([h.mean(dim=1), h.sum(dim=2), t.flatten(1), t.amax(-1)], dim=1)


ATTR = floats(E, 3)
OGB = {"x": integers(NODES, 5, 3), "edge_attr": integers(E, 4, 2), "batch": batch()}

CASES: dict[str, Case] = {
    "edge classifier": Case(EdgeClassifier, data(edge_attr=ATTR), "edge", 1, ("gather", "concatenate")),
    "jk cat, two heads": Case(lambda: JK("cat"), data(batch=batch()), "graph", 3, ("concatenate",)),
    "jk max, two heads": Case(lambda: JK("max"), data(), "graph", 3, ("maximum",)),
    "ogb virtual node": Case(OgbVirtual, tg.data.Data(edge_index=edges(), **OGB), "graph", 1, ("spread", "gine")),
    "normalised": Case(Normalised, arguments(edge_weight=floats(E).abs()), "graph", 1, ("subtract", "divide")),
    "normalised without weights": Case(Normalised, arguments(edge_weight=None), "graph", 1),
    "pools of a table": Case(Pooled, data(batch=batch()), "graph", 4, ("log_softmax",)),
    "aggregated": Case(Aggregated, data(batch=batch()), "graph", 2, ("max_pool",)),
    **{
        f"projected {norm.__name__}": Case(lambda norm=norm: Projected(norm), data(), "node", 6)  # type: ignore[misc]
        for norm in (BatchNorm, GraphNorm, InstanceNorm, LayerNorm, nn.BatchNorm1d)
    },
    "projected PairNorm": Case(lambda: Projected(lambda _: PairNorm()), data(), "node", 6, ("pair_norm",)),
    "matrix weights": Case(MatrixWeights, data(), "node", 2, ("linear",)),
    "multi": Case(Multi, data(), "node", 3, ("prelu", "concatenate")),
    "data out": Case(
        DataOut, tg.data.Data(x=integers(NODES, 6), edge_index=edges(), edge_attr=ATTR), "graph", 4, ("gatv2",)
    ),
    "link by distance": Case(Link, data(), "edge", 1, ("gather",)),
    "shared": Case(Shared, data(), "node", 4, ("gcn",)),
    "weighted by a network": Case(Weighted, data(edge_attr=ATTR), "node", 5, ("gcn",)),
    "halves": Case(Halves, tg.data.Data(x=integers(NODES, 5, 3, 9, 9), edge_index=edges()), "node", 4, ("embedding",)),
    "gated": Case(Gated, data(), "node", 1, ("dot",)),
    "deep": Case(Deep, data(), "node", 2),
    "steps": Case(Steps, data(), "node", 29),
    "heads": Case(Heads, data(), "node", 23, ("take",)),
}
