"""Modules and calls that must be refused, with a part of the message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from torch import nn
from torch.nn import Linear
from torch_geometric import nn as pyg
from torch_geometric.data import HeteroData
from torch_geometric.nn import GCNConv, MessagePassing, SAGEConv, global_mean_pool
from torch_geometric.utils import add_self_loops, degree, to_dense_batch

from pyg.zoo.cases import EDGES, NODES, arguments, batch, data, floats, integers

E = len(EDGES)
Forward = Callable[..., Any]


@dataclass(frozen=True)
class Refusal:
    """A module that must be refused."""

    make: Callable[[], Any]
    message: str
    """A regular expression that is in the message."""
    example: Any = None
    here: bool = True
    """The message begins with this file and a line."""
    keywords: dict[str, Any] = field(default_factory=dict)


class Own(MessagePassing):
    """Somebody's own layer."""

    def __init__(self, width: int = 4, out: int = 4) -> None:
        super().__init__(aggr="add")
        self.lin = Linear(width, out)

    def forward(self, x: Any, edge_index: Any) -> Any:
        return self.propagate(edge_index, x=self.lin(x))

    def message(self, x_j: Any) -> Any:
        return x_j.relu()


class Scaled(GCNConv):
    """A layer of the library with another message."""

    def message(self, x_j: Any, edge_weight: Any) -> Any:
        return 2 * super().message(x_j, edge_weight)


class Model(nn.Module):
    """A layer, and a function that does something with what it returns."""

    def __init__(self, forward: Forward, layer: Any = None, **modules: Any) -> None:
        super().__init__()
        self.conv = layer if layer is not None else GCNConv(4, 4)
        self.own = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x: Any, edge_index: Any, batch: Any = None, edge_attr: Any = None, edge_type: Any = None) -> Any:
        return self.own(self, x, edge_index, batch, edge_attr, edge_type)


class OnColumns(nn.Module):
    """A function of the features, before a layer."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.first = Linear(4, 1)
        self.second = Linear(4, 1)

    def forward(self, x: Any, edge_index: Any, batch: Any = None) -> Any:
        """Return a score for each node, or for the graph."""
        return self.function(self, x, batch)


def of(function: Callable[..., Any], layer: Any = None, **modules: Any) -> Callable[[], nn.Module]:
    """Make a module whose forward is function(self, h, x, edge_index, batch), h what its layer returns."""

    def forward(self: Any, x: Any, edge_index: Any, batch: Any, edge_attr: Any, edge_type: Any) -> Any:
        return function(self, self.conv(x, edge_index), x, edge_index, batch)

    return lambda: Model(forward, layer, **modules)


def branch(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    if h.sum() > 0:
        return h
    return -h


def small(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    return h if x.size(0) > 5 else h.relu()


def loop(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    return torch.stack([row.relu() for row in h])


def assign(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    h[:, 0] = 0
    return h


def masked(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    return h[h[:, 0] > 0]


def mixed(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    return h, global_mean_pool(h, batch)


def ends(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    return h + h[edge_index[0]]


def counter() -> nn.Module:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = GCNConv(4, 4)
            self.calls = 0

        def forward(self, x: Any, edge_index: Any) -> Any:
            self.calls += 1
            return self.conv(x, edge_index) * self.calls

    return Counter()


def hooked() -> nn.Module:
    module = of(lambda self, h, *_: h)()
    module.conv.register_forward_hook(lambda _, __, out: out * 2)
    return module


class Hetero(nn.Module):
    """Several node types."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = pyg.HeteroConv({("a", "to", "a"): SAGEConv(4, 4)})

    def forward(self, x_dict: Any, edge_index_dict: Any) -> Any:
        return self.conv(x_dict, edge_index_dict)


def hetero_data() -> HeteroData:
    made = HeteroData()
    made["a"].x = floats(3, 4)
    made["a", "to", "a"].edge_index = torch.tensor([[0, 1], [1, 2]])
    return made


def quantised() -> nn.Module:
    module = Model(lambda self, x, *_: self.lin(x), lin=Linear(4, 2))
    return torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)


def scripted() -> nn.Module:
    class Scripted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = Linear(4, 2)

        def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
            return self.lin(x)

    return torch.jit.script(Scripted())


def compiled_in_place() -> nn.Module:
    module = of(lambda self, h, *_: h)()
    module.compile()
    return module


def broken() -> nn.Module:
    module = of(lambda self, h, *_: h)()
    with torch.no_grad():
        module.conv.bias[1] = float("nan")
    return module


def no_statistics() -> nn.Module:
    return of(lambda self, h, *_: self.bn(h), bn=nn.BatchNorm1d(4, track_running_stats=False))()


def dense(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    padded, _ = to_dense_batch(h, batch)
    return padded.sum(1)


def looped(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    edge_index, _ = add_self_loops(edge_index, num_nodes=x.size(0))
    return self.conv(h, edge_index)


def topk(self: Any, h: Any, x: Any, edge_index: Any, batch: Any) -> Any:
    h, edge_index, _, batch, _, _ = self.pool(h, edge_index, None, batch)
    return global_mean_pool(h, batch)


def identity(self: Any, h: Any, *_: Any) -> Any:
    return h


CASES: dict[str, Refusal] = {
    "branch on values": Refusal(of(branch), "control flow depends on the graph"),
    "branch on size": Refusal(of(small), "control flow depends on the graph"),
    "loop over nodes": Refusal(of(loop), "loops over the nodes"),
    "assignment": Refusal(of(assign), "assigning to some values"),
    "mask": Refusal(of(masked), "gt has no equal|chosen by values"),
    "item": Refusal(of(lambda self, h, *_: h * h.max().item()), r"item\(\) of a value"),
    "own layer": Refusal(of(identity, Own()), "conv: Own is a MessagePassing layer of your own"),
    "changed layer": Refusal(of(identity, Scaled(4, 4)), "conv: Scaled is a MessagePassing layer of your own"),
    "layer of the library": Refusal(
        of(identity, pyg.ChebConv(4, 4, 2)), "conv: torch_geometric's ChebConv has no equal"
    ),
    "relations": Refusal(
        lambda: Model(lambda self, x, ei, b, a, t: self.conv(x, ei, t), pyg.RGCNConv(4, 4, 3)),
        "RGCNConv has no equal",
        data(edge_type=integers(E, 3)[:, 0]),
    ),
    "top-k": Refusal(of(topk, pool=pyg.TopKPooling(4)), "TopKPooling has no equal", data(batch=batch())),
    "sag": Refusal(of(topk, pool=pyg.SAGPooling(4)), "SAGPooling has no equal", data(batch=batch())),
    "lstm": Refusal(
        of(lambda self, h, x, *_: self.jk([x, h]), jk=pyg.JumpingKnowledge("lstm", 4, 2)),
        r"JumpingKnowledge\('lstm'\) has no equal",
    ),
    "lstm of a basic model": Refusal(
        lambda: pyg.GCN(4, 4, 2, 2, jk="lstm"), r"JumpingKnowledge\('lstm'\)", data(), here=False
    ),
    "lstm aggregation": Refusal(of(identity, SAGEConv(4, 4, aggr="lstm")), "SAGEConv with aggr='lstm' has no equal"),
    "set2set": Refusal(
        of(lambda self, h, x, e, b: self.s(h, b), s=pyg.Set2Set(4, 2)), "Set2Set has no equal", data(batch=batch())
    ),
    "dropout": Refusal(of(lambda self, h, *_: F.dropout(h, 0.5)), "write training=self.training"),
    "no running statistics": Refusal(no_statistics, "without running statistics"),
    "two levels": Refusal(of(mixed), "returns a tuple with values of graphs and of nodes", data(batch=batch())),
    "node and edge": Refusal(of(ends), "values of nodes and of edges"),
    "dictionary": Refusal(of(lambda self, h, *_: {"logits": h}), "returns a dict; a model has one table"),
    "all pairs": Refusal(of(lambda self, h, *_: h @ h.t()), "products of all pairs"),
    "random": Refusal(of(lambda self, h, x, *_: h + torch.randn(x.size(0), 4)), "randn has no equal"),
    "random like": Refusal(of(lambda self, h, x, *_: h + torch.randn_like(h)), "randn_like has no equal"),
    "degree": Refusal(of(lambda self, h, x, e, b: h * degree(e[1], x.size(0)).view(-1, 1)), "degree has no equal"),
    "dense batch": Refusal(of(dense), "to_dense_batch has no equal", data(batch=batch())),
    "added loops": Refusal(of(looped), "add_self_loops changes the edges"),
    "turned edges": Refusal(of(lambda self, h, x, e, b: self.conv(h, e.flip(0))), "flip has no equal"),
    "other flow": Refusal(of(identity, GCNConv(4, 4, flow="target_to_source")), "against the edges"),
    "number of a node": Refusal(
        of(lambda self, h, x, *_: h + self.emb(torch.arange(x.size(0))), emb=nn.Embedding(NODES, 4)),
        "arange has no equal",
    ),
    "computed category": Refusal(
        of(lambda self, h, x, *_: self.emb((h[:, 0] * 2).long()), emb=nn.Embedding(9, 4)), "as they are given"
    ),
    "decimals cut off": Refusal(of(lambda self, h, x, *_: h + x.long()), "cuts decimals off"),
    "kept between calls": Refusal(counter, "do not compute what the module does", here=False),
    "hook": Refusal(hooked, "do not compute what the module does", here=False),
    "heterogeneous": Refusal(Hetero, "several types of nodes", hetero_data(), here=False),
    "dictionaries of types": Refusal(
        Hetero, "several types of nodes", {"x_dict": {"a": floats(3, 4)}, "edge_index_dict": {}}, here=False
    ),
    "quantised": Refusal(quantised, "lin: .*Linear is quantised", here=False),
    "scripted": Refusal(scripted, "scripted", here=False),
    "compiled": Refusal(lambda: torch.compile(of(identity)()), "compiled", here=False),
    "compiled in place": Refusal(compiled_in_place, "compiled", here=False),
    "compiled inside": Refusal(
        lambda: of(identity, torch.compile(GCNConv(4, 4)))(), "conv: the module is compiled", here=False
    ),
    "not finite": Refusal(broken, r"conv.bias has 1 values that are not finite"),
    "without shapes": Refusal(lambda: of(identity, GCNConv(-1, 4))(), "conv.lin.weight has no shape yet", here=False),
    "class": Refusal(lambda: Own, "is a class", here=False),
    "state dict": Refusal(lambda: GCNConv(4, 4).state_dict(), "a state_dict has weights but no forward", here=False),
    "other level": Refusal(
        of(identity),
        "level is 'graph', but forward returns a row for each node",
        here=False,
        keywords={"level": "graph"},
    ),
    "unknown level": Refusal(of(identity), "node, edge and graph", here=False, keywords={"level": "molecule"}),
    "too few outputs": Refusal(
        of(identity), "outputs has 1 names, but forward returns 4", here=False, keywords={"outputs": ["a"]}
    ),
    "reserved output": Refusal(
        of(identity), "'node_id' is a column of its own", here=False, keywords={"outputs": ["a", "b", "node_id", "d"]}
    ),
    "unknown argument": Refusal(
        lambda: pyg.PointTransformerConv(4, 4),
        "forward takes 'pos', which no graph has",
        data(pos=floats(NODES, 3)),
        here=False,
    ),
    "sparse edges": Refusal(
        of(identity), "dense tensor", arguments() | {"edge_index": torch.eye(NODES).to_sparse()}, here=False
    ),
    "wrong example": Refusal(
        of(identity), "edge_attr has 3 rows, but edge_index has 10", data(edge_attr=floats(3, 2)), here=False
    ),
    "no example": Refusal(of(identity), "expected a torch_geometric.data.Data", [1, 2], here=False),
    "unknown of ours": Refusal(
        of(identity), "cannot be 'position'", here=False, keywords={"arguments": {"x": "position"}}
    ),
    "gcn2": Refusal(of(lambda self, h, x, e, b: self.c(h, x, e), c=pyg.GCN2Conv(4, 0.1)), "c: .*GCN2Conv has no equal"),
    **{
        name: Refusal(of(lambda self, h, x, e, b: self.c(h, e), c=layer), f"c: .*{name} has no equal")
        for name, layer in {
            "ARMAConv": pyg.ARMAConv(4, 4),
            "TAGConv": pyg.TAGConv(4, 4),
            "SGConv": pyg.SGConv(4, 4),
            "APPNP": pyg.APPNP(2, 0.1),
            "SimpleConv": pyg.SimpleConv(),
            "GENConv": pyg.GENConv(4, 4),
            "LEConv": pyg.LEConv(4, 4),
            "GatedGraphConv": pyg.GatedGraphConv(4, 2),
        }.items()
    },
    "diffpool": Refusal(
        of(lambda self, h, x, e, b: pyg.dense_diff_pool(h, h, h)[0]), "puts a dimension before the nodes"
    ),
    "dictionary of heads": Refusal(of(lambda self, h, *_: {"a": h, "b": h[:, :1]}), "returns a dict"),
    "aux loss": Refusal(
        of(lambda self, h, *_: (h, (h**2).mean())), "returns a tuple with values of graphs and of nodes"
    ),
    "gat with a product": Refusal(
        lambda: Model(lambda self, x, e, b, a, t: self.conv(x, e, a), pyg.GATConv(4, 4, edge_dim=3, fill_value="mul")),
        "conv: GATConv with fill_value='mul' has no equal",
        data(edge_attr=floats(E, 3)),
    ),
    "scaler of pna": Refusal(
        of(identity, pyg.PNAConv(4, 4, ["mean"], ["exponential"], torch.tensor([1, 2, 3]))),
        "conv: PNAConv with the scaler 'exponential' has no equal",
    ),
    "power of a parameter": Refusal(
        of(lambda self, h, *_: h**self.conv.bias), "the power by a parameter of .* has no equal"
    ),
    "power of a number": Refusal(of(lambda self, h, *_: torch.pow(h, 1.7)), "the power 1.7 of .* has no equal"),
    "power of a value": Refusal(of(lambda self, h, *_: torch.pow(2.0, h)), "the power by .* has no equal"),
    "infinite slope": Refusal(
        of(lambda self, h, *_: F.leaky_relu(h, float("inf"))), "negative_slope=inf has no equal here; numbers must be"
    ),
    "no number": Refusal(of(lambda self, h, *_: F.elu(h, float("nan"))), "alpha=nan has no equal here"),
    "lower bound": Refusal(of(lambda self, h, *_: h.clamp(min=float("inf"))), "numbers must be finite"),
    "celu of zero": Refusal(of(lambda self, h, *_: F.celu(h, 0.0)), "alpha: expected a number other than 0"),
    "text": Refusal(of(lambda self, h, *_: F.leaky_relu(h, "a")), "negative_slope: expected a number, got 'a'"),
    "slope of the graph": Refusal(
        of(lambda self, h, *_: F.leaky_relu(h, h.mean())), "negative_slope=.* has no equal here"
    ),
    "infinite eps": Refusal(
        of(lambda self, h, *_: self.n(h), n=nn.LayerNorm(4, eps=float("inf"))), "n: layer_norm with eps=inf"
    ),
    "negative eps": Refusal(
        of(lambda self, h, *_: self.n(h), n=nn.LayerNorm(4, eps=-1.0)), "n: .*eps: expected a number"
    ),
    "dimension of rows": Refusal(of(lambda self, h, *_: h.softmax(0)), "works along the nodes"),
    "columns that are not there": Refusal(of(lambda self, h, *_: h[:, 9]), "indexing .* fails"),
    "places that are not there": Refusal(of(lambda self, h, *_: h.max(1)[5]), "indexing is called with"),
    "weight that does not fit": Refusal(of(lambda self, h, *_: F.linear(h, torch.rand(3, 9))), "does not fit a weight"),
    "half": Refusal(of(lambda self, h, *_: h.half().float()), "half has no equal"),
}
