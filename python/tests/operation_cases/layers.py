"""Cases of layers: convolutions, attention, principal neighbourhoods."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from operation_cases.case import Call, Case, randomise, step

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns of parts of its own that torch_geometric uses
    import torch_geometric.nn as pyg


def convolutions() -> list[Case]:
    """Return the cases of message passing."""
    plain = lambda m, g: m(g.x, g.edge_index)  # noqa: E731
    weighted = lambda m, g: m(g.x, g.edge_index, g.edge_weight)  # noqa: E731
    gcn = {"weight": "lin.weight", "bias": "bias"}
    cases = []
    for name, options in {
        "": {},
        "improved": {"improved": True},
        "no loops": {"add_self_loops": False},
        "raw": {"normalize": False},
        "improved no loops": {"improved": True, "add_self_loops": False},
    }.items():
        cases.append(
            Case(f"gcn {name}", pyg.GCNConv(4, 3, **options), plain, [step("o", "gcn", "x", **gcn, **options)])
        )
        cases.append(
            Case(
                f"gcn weighted {name}",
                pyg.GCNConv(4, 5, bias=False, **options),
                weighted,
                [step("o", "gcn", "x", weight="lin.weight", edge_weight="edge_weight", **options)],
            )
        )
    sage = {"neighbor": "lin_l.weight", "bias": "lin_l.bias"}
    root = {"root": "lin_r.weight"}
    cases += [
        Case(
            f"sage {aggr} {width}",
            pyg.SAGEConv(4, width, aggr=aggr),
            plain,
            [step("o", "sage", "x", **sage, **root, aggr=aggr)],
        )
        for aggr in ("mean", "max", "sum")
        for width in (3, 6)
    ]
    cases += [
        Case(
            "sage normalize no root",
            pyg.SAGEConv(4, 3, normalize=True, root_weight=False),
            plain,
            [step("o", "sage", "x", **sage, normalize=True)],
        ),
        Case(
            "sage project",
            pyg.SAGEConv(4, 3, project=True, aggr="max"),
            plain,
            [step("o", "sage", "x", **sage, **root, aggr="max", project_weight="lin.weight", project_bias="lin.bias")],
        ),
    ]
    conv = {"weight_rel": "lin_rel.weight", "weight_root": "lin_root.weight"}
    for aggr in ("add", "mean", "max"):
        for width in (3, 6):
            cases.append(
                Case(
                    f"graph_conv {aggr} {width}",
                    pyg.GraphConv(4, width, aggr=aggr),
                    plain,
                    [step("o", "graph_conv", "x", **conv, bias_rel="lin_rel.bias", aggr=aggr)],
                )
            )
            cases.append(
                Case(
                    f"graph_conv weighted {aggr} {width}",
                    pyg.GraphConv(4, width, aggr=aggr, bias=False),
                    weighted,
                    [step("o", "graph_conv", "x", **conv, aggr=aggr, edge_weight="edge_weight")],
                )
            )
    return cases


def isomorphism() -> list[Case]:
    """Return the cases of GIN and GINE."""
    plain = lambda m, g: m(g.x, g.edge_index)  # noqa: E731
    attributed = lambda m, g: m(g.x, g.edge_index, g.edge_attr)  # noqa: E731
    encoded = lambda m, g: m["conv"](g.x, g.edge_index, m["edge"](g.edge_attr))  # noqa: E731
    mlp = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    after = [
        step("h", "linear", "a", weight="nn.0.weight", bias="nn.0.bias"),
        step("r", "activation", "h", function="relu"),
        step("o", "linear", "r", weight="nn.2.weight", bias="nn.2.bias"),
    ]
    cases = []
    for aggr in ("sum", "mean", "max"):
        module = pyg.GINConv(nn.Identity(), eps=0.25, aggr=aggr)
        # The value of eps is that after randomise: a multiple of 1/64, like every buffer.
        randomise(module, sum(f"gin {aggr}".encode()))
        cases.append(Case(f"gin {aggr}", module, plain, [step("o", "gin", "x", eps=float(module.eps), aggr=aggr)]))
    module = pyg.GINConv(mlp, train_eps=True)
    randomise(module, sum(b"gin mlp"))
    cases.append(Case("gin mlp", module, plain, [step("a", "gin", "x", eps=float(module.eps)), *after]))
    for name, aggr in (("gine", "sum"), ("gine max", "max"), ("gine mean", "mean")):
        module = pyg.GINEConv(nn.Sequential(nn.Linear(4, 2)), edge_dim=3, aggr=aggr)
        randomise(module, sum(name.encode()))
        keys = {"edge_attr": "edge_attr", "weight": "lin.weight", "bias": "lin.bias", "aggr": aggr}
        steps = [
            step("a", "gine", "x", eps=float(module.eps), **keys),
            step("o", "linear", "a", weight="nn.0.weight", bias="nn.0.bias"),
        ]
        cases.append(Case(name, module, attributed, steps))

    module = nn.ModuleDict({"edge": nn.Linear(3, 4), "conv": pyg.GINEConv(nn.Identity())})
    randomise(module, sum(b"gine without weight"))
    steps = [
        step("e", "linear", "edge_attr", weight="edge.weight", bias="edge.bias"),
        step("o", "gine", "x", edge_attr="e", eps=float(module["conv"].eps)),
    ]
    cases.append(Case("gine without weight", module, encoded, steps))
    return cases


def attention() -> list[Case]:
    """Return the cases of GAT, GATv2 and the graph transformer."""
    plain = lambda m, g: m(g.x, g.edge_index)  # noqa: E731
    attributed = lambda m, g: m(g.x, g.edge_index, g.edge_attr)  # noqa: E731
    gat = {"weight": "lin.weight", "att_src": "att_src", "att_dst": "att_dst", "bias": "bias"}
    gat_edge = {"edge_attr": "edge_attr", "lin_edge": "lin_edge.weight", "att_edge": "att_edge"}
    left = {"weight_l": "lin_l.weight", "bias_l": "lin_l.bias", "att": "att", "bias": "bias"}
    both = left | {"weight_r": "lin_r.weight", "bias_r": "lin_r.bias"}
    v2_edge = {"edge_attr": "edge_attr", "lin_edge": "lin_edge.weight"}
    cases = [
        Case("gat", pyg.GATConv(4, 3), plain, [step("o", "gat", "x", heads=1, **gat)]),
        Case("gat heads", pyg.GATConv(4, 3, heads=2), plain, [step("o", "gat", "x", heads=2, **gat)]),
        Case(
            "gat mean of heads, residual, steep",
            pyg.GATConv(4, 3, heads=3, concat=False, residual=True, negative_slope=1.5),
            plain,
            [step("o", "gat", "x", heads=3, concat=False, residual="res.weight", negative_slope=1.5, **gat)],
        ),
        Case(
            "gat without loops",
            pyg.GATConv(4, 2, heads=2, add_self_loops=False),
            plain,
            [step("o", "gat", "x", heads=2, add_self_loops=False, **gat)],
        ),
        Case(
            "gat without loops, edges",
            pyg.GATConv(4, 2, heads=2, add_self_loops=False, edge_dim=3),
            attributed,
            [step("o", "gat", "x", heads=2, add_self_loops=False, **gat, **gat_edge)],
        ),
        Case("gatv2", pyg.GATv2Conv(4, 3), plain, [step("o", "gatv2", "x", heads=1, **both)]),
        Case(
            "gatv2 shared weights, heads",
            pyg.GATv2Conv(4, 2, heads=2, share_weights=True),
            plain,
            [step("o", "gatv2", "x", heads=2, **left)],
        ),
        Case(
            "gatv2 mean of heads, residual",
            pyg.GATv2Conv(4, 3, heads=2, concat=False, residual=True, negative_slope=0.5),
            plain,
            [step("o", "gatv2", "x", heads=2, concat=False, residual="res.weight", negative_slope=0.5, **both)],
        ),
        Case(
            "gatv2 without loops, edges",
            pyg.GATv2Conv(4, 2, heads=2, add_self_loops=False, edge_dim=3),
            attributed,
            [step("o", "gatv2", "x", heads=2, add_self_loops=False, **both, **v2_edge)],
        ),
    ]
    for fill in ("mean", "add", "max", "min", 0.5):
        cases += [
            Case(
                f"gat edges fill {fill}",
                pyg.GATConv(4, 2, heads=2, edge_dim=3, fill_value=fill),
                attributed,
                [step("o", "gat", "x", heads=2, fill_value=fill, **gat, **gat_edge)],
            ),
            Case(
                f"gatv2 edges fill {fill}",
                pyg.GATv2Conv(4, 2, heads=2, edge_dim=3, fill_value=fill),
                attributed,
                [step("o", "gatv2", "x", heads=2, fill_value=fill, **both, **v2_edge)],
            ),
        ]
    return cases + transformers()


def transformers() -> list[Case]:
    """Return the cases of the graph transformer."""
    keys = {f"{kind}_{name}": f"lin_{name}.{kind}" for kind in ("weight", "bias") for name in ("query", "key", "value")}
    skip = {"weight_skip": "lin_skip.weight", "bias_skip": "lin_skip.bias"}
    plain = lambda m, g: m(g.x, g.edge_index)  # noqa: E731
    attributed = lambda m, g: m(g.x, g.edge_index, g.edge_attr)  # noqa: E731
    edge = {"edge_attr": "edge_attr", "weight_edge": "lin_edge.weight"}
    gate = {"beta": True, "weight_beta": "lin_beta.weight"}
    return [
        Case("transformer", pyg.TransformerConv(4, 3), plain, [step("o", "transformer", "x", heads=1, **keys, **skip)]),
        Case(
            "transformer heads, edges, beta",
            pyg.TransformerConv(4, 2, heads=2, edge_dim=3, beta=True),
            attributed,
            [step("o", "transformer", "x", heads=2, **keys, **skip, **edge, **gate)],
        ),
        Case(
            "transformer mean of heads, edges, beta",
            pyg.TransformerConv(4, 3, heads=2, concat=False, edge_dim=3, beta=True),
            attributed,
            [step("o", "transformer", "x", heads=2, concat=False, **keys, **skip, **edge, **gate)],
        ),
        Case(
            "transformer without root and bias",
            pyg.TransformerConv(4, 2, heads=3, root_weight=False, bias=False),
            plain,
            [
                step("o", "transformer", "x", heads=3, root_weight=False)
                | {key: name for key, name in keys.items() if key.startswith("weight")}
            ],
        ),
    ]


def principal() -> list[Case]:
    """Return the cases of PNA."""

    def made(name: str, call: Call, **options: Any) -> Case:
        module = pyg.PNAConv(4, 6, deg=torch.tensor([1, 4, 3, 2, 1]), **options)
        towers, pre, post = (options.get(key, 1) for key in ("towers", "pre_layers", "post_layers"))
        lists = {
            f"{part}_{key}": [f"{part}_nns.{t}.{2 * i}.{kind}" for t in range(towers) for i in range(layers)]
            for part, layers in (("pre", pre), ("post", post))
            for key, kind in (("weights", "weight"), ("biases", "bias"))
        }
        keys = {key: value for key, value in options.items() if key != "edge_dim"}
        if "edge_dim" in options:
            keys |= {"edge_attr": "edge_attr"}
            keys |= {f"edge_{kind}_in": f"edge_encoder.{kind}" for kind in ("weight", "bias")}
        average = {key: float(getattr(module.aggr_module, key)) for key in ("avg_deg_lin", "avg_deg_log")}
        last = {"weight": "lin.weight", "bias": "lin.bias"}
        return Case(name, module, call, [step("o", "pna", "x", **keys, **lists, **average, **last)])

    plain = lambda m, g: m(g.x, g.edge_index)  # noqa: E731
    attributed = lambda m, g: m(g.x, g.edge_index, g.edge_attr)  # noqa: E731
    usual = {
        "aggregators": ["mean", "min", "max", "std"],
        "scalers": ["identity", "amplification", "attenuation"],
    }
    other = {"aggregators": ["sum", "var"], "scalers": ["linear", "inverse_linear", "identity"]}
    return [
        made("pna", plain, **usual),
        made("pna other", plain, **other),
        made("pna towers", plain, **usual, towers=2),
        made("pna divided, layers", plain, **usual, towers=2, divide_input=True, pre_layers=2, post_layers=3),
        made("pna edges", attributed, **usual, edge_dim=3),
        made("pna edges, towers, layers, elu", attributed, **other, edge_dim=3, towers=2, pre_layers=2, act="elu"),
        made("pna one", plain, aggregators=["std"], scalers=["identity"], pre_layers=2, act="silu"),
    ]
