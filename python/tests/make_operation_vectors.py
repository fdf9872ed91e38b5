"""Makes tests/data/operation_vectors.json: what PyTorch Geometric computes, in float64, for each operation.

    python3 -m venv /tmp/venv-pyg && /tmp/venv-pyg/bin/pip install torch torch-geometric
    /tmp/venv-pyg/bin/python tests/make_operation_vectors.py    # writes the file
    .venv/bin/pytest tests/pyg                                  # recomputes it and compares

A case is a model of graphscore/2, its tensors, and the scores of each of GRAPHS. Parameters are multiples of 1/64
and features of 1/16: float32 values in a few digits, from which every reader starts.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns of parts of its own that torch_geometric uses
    import torch_geometric.nn as pyg

VECTORS = Path(__file__).parent / "data" / "operation_vectors.json"

WIDTHS = {"x": 4, "edge_attr": 3, "edge_type": 3, "graph_attr": 2}

EDGES: dict[str, tuple[int, list[tuple[int, int]]]] = {
    # name: nodes, edges
    "mixed": (
        7,
        # repeated edges, self loops (one of them twice), a node of no edges (4), one that is only a source (6)
        [(0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0), (0, 1), (5, 5), (6, 5), (5, 5), (1, 5), (6, 0)],
    ),
    "star": (6, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (0, 0)]),
    "no_edges": (3, []),
    "one_node": (1, []),
    "one_loop": (1, [(0, 0)]),
}


def graphs() -> list[dict[str, Any]]:
    """Return the graphs that every case scores: columns as lists."""
    result = []
    for seed, (name, (nodes, edges)) in enumerate(EDGES.items()):
        random = np.random.default_rng(seed)
        result.append(
            {
                "name": name,
                "x": (random.integers(-24, 25, (nodes, WIDTHS["x"])) / 16).tolist(),
                "categories": random.integers(0, 3, (nodes, WIDTHS["x"])).tolist(),
                "edges": [list(edge) for edge in edges],
                "edge_weight": (random.integers(1, 33, len(edges)) / 16).tolist(),
                "edge_attr": (random.integers(-24, 25, (len(edges), WIDTHS["edge_attr"])) / 16).tolist(),
                "edge_type": random.integers(0, WIDTHS["edge_type"], len(edges)).tolist(),
                "graph_attr": (random.integers(-24, 25, WIDTHS["graph_attr"]) / 16).tolist(),
            }
        )
    return result


class Given:
    """A graph as arguments of a module: float64, `batch` all zero."""

    def __init__(self, graph: dict[str, Any], *, categories: bool) -> None:
        nodes, edges = len(graph["x"]), len(graph["edges"])
        self.x = torch.tensor(graph["categories" if categories else "x"], dtype=torch.float64).reshape(nodes, -1)
        self.edge_index = torch.tensor(graph["edges"], dtype=torch.long).reshape(edges, 2).t().contiguous()
        self.edge_weight = torch.tensor(graph["edge_weight"], dtype=torch.float64)
        self.edge_attr = torch.tensor(graph["edge_attr"], dtype=torch.float64).reshape(edges, WIDTHS["edge_attr"])
        self.edge_type = torch.tensor(graph["edge_type"], dtype=torch.long)
        self.graph_attr = torch.tensor(graph["graph_attr"], dtype=torch.float64).reshape(1, -1)
        self.batch = torch.zeros(nodes, dtype=torch.long)


def randomise(module: torch.nn.Module, seed: int) -> None:
    """Replace every parameter and buffer of floats by multiples of 1/64; variances are positive."""
    random = np.random.default_rng(seed)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and "avg_deg" not in name:
            low, high = (32, 129) if name.endswith("running_var") else (-64, 65)
            values = random.integers(low, high, tuple(tensor.shape)) / 64
            tensor.data = torch.from_numpy(np.asarray(values, np.float64))
        elif tensor.is_floating_point():
            tensor.data = tensor.data.double()
    module.eval()


def numbers(values: Any) -> Any:
    """Return values as nested lists of a few digits; NaN, which JSON lacks, as null."""
    if isinstance(values, list):
        return [numbers(value) for value in values]
    return float(f"{values:.12g}") if math.isfinite(values) else None


Call: TypeAlias = Callable[[Any, Given], Any]


@dataclass(frozen=True)
class Case:
    """A module and what it is called: steps of graphscore/2 with the tensors of its state_dict."""

    name: str
    module: nn.Module
    call: Call
    steps: list[dict[str, Any]]
    level: str = "node"

    def compute(self) -> dict[str, Any]:
        """Return the case as JSON has it."""
        randomise(self.module, sum(self.name.encode()))
        named = set()
        for step in self.steps:
            for value in step.values():
                named |= {item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)}
        state = self.module.state_dict()
        unused = [key for key in state if key not in named and not key.endswith("num_batches_tracked")]
        scores = []
        with torch.no_grad():
            for graph in graphs():
                result = self.call(self.module, Given(graph, categories=self.name.startswith("embedding")))
                width = 1 if result.dim() == 1 else result.shape[-1]
                scores.append(numbers(result.reshape(-1, width).tolist()))
        return {
            "name": self.name,
            "config": {
                "format": "graphscore/2",
                "name": self.name,
                "level": self.level,
                "inputs": {"x": WIDTHS["x"]}
                | {key: WIDTHS[key] if key in named else 0 for key in WIDTHS if key != "x"}
                | {"edge_weight": "edge_weight" in named},
                "outputs": [f"s{i}" for i in range(width)],
                "weights": ["model.safetensors"],
                "ignored": unused,
                "steps": self.steps,
            },
            "tensors": {key: heads(state[key]).tolist() for key in state if key in named},
            "scores": scores,
        }


def heads(tensor: torch.Tensor) -> torch.Tensor:
    """Return attention weights, [1, heads, out] in PyTorch Geometric, as [heads, out]."""
    return tensor[0] if tensor.dim() == 3 else tensor


def step(name: str, op: str, *inputs: str, **keys: Any) -> dict[str, Any]:
    """Return a step of config.json."""
    return {"name": name, "op": op, "inputs": list(inputs), **keys}


def of_x(function: Callable[[Any], Any], first: Callable[[Any], Any] | None = None) -> Call:
    """Return the call of a function of x, or of what another one makes of it."""
    return lambda _, given: function(given.x if first is None else first(given.x))


def pooled(pool: Callable[[Any, Any], Any]) -> Call:
    """Return the call of a readout of nodes."""
    return lambda _, given: pool(given.x, given.batch)


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


def norms() -> list[Case]:
    """Return the cases of normalisation."""
    affine = {"weight": "weight", "bias": "bias"}
    running = {"running_mean": "running_mean", "running_var": "running_var"}
    batched = lambda m, g: m(g.x, g.batch)  # noqa: E731
    alone = lambda m, g: m(g.x)  # noqa: E731
    inner = {f"module.{key}": f"module.{key}" for key in (*affine, *running)}
    return [
        Case(
            "batch_norm",
            nn.BatchNorm1d(4, eps=1e-3),
            alone,
            [step("o", "batch_norm", "x", **affine, **running, eps=1e-3)],
        ),
        Case(
            "batch_norm of pyg without affine",
            pyg.BatchNorm(4, affine=False),
            alone,
            [step("o", "batch_norm", "x", **{key: inner[f"module.{key}"] for key in running})],
        ),
        Case("layer_norm of torch", nn.LayerNorm(4), alone, [step("o", "layer_norm", "x", mode="node", **affine)]),
        Case(
            "layer_norm node without affine",
            pyg.LayerNorm(4, affine=False, mode="node"),
            batched,
            [step("o", "layer_norm", "x", mode="node")],
        ),
        Case("layer_norm graph", pyg.LayerNorm(4), batched, [step("o", "layer_norm", "x", mode="graph", **affine)]),
        Case(
            "layer_norm graph without batch",
            pyg.LayerNorm(4, eps=0.1),
            alone,
            [step("o", "layer_norm", "x", mode="graph", batch=False, eps=0.1, **affine)],
        ),
        Case(
            "graph_norm",
            pyg.GraphNorm(4),
            batched,
            [step("o", "graph_norm", "x", mean_scale="mean_scale", **affine)],
        ),
        Case("instance_norm", pyg.InstanceNorm(4), batched, [step("o", "instance_norm", "x")]),
        Case(
            "instance_norm affine",
            pyg.InstanceNorm(4, affine=True, eps=0.01),
            batched,
            [step("o", "instance_norm", "x", eps=0.01, **affine)],
        ),
        Case(
            "instance_norm running",
            pyg.InstanceNorm(4, affine=True, track_running_stats=True),
            batched,
            [step("o", "instance_norm", "x", **affine, **running)],
        ),
        Case("pair_norm", pyg.PairNorm(scale=2.0), batched, [step("o", "pair_norm", "x", scale=2.0)]),
        Case(
            "pair_norm individually",
            pyg.PairNorm(scale_individually=True),
            batched,
            [step("o", "pair_norm", "x", scale_individually=True)],
        ),
        Case(
            "l2_normalize",
            nn.Identity(),
            lambda _, g: nn.functional.normalize(g.x, p=2.0, dim=-1),
            [step("o", "l2_normalize", "x")],
        ),
    ]


def activations() -> list[Case]:
    """Return the cases of elementwise functions and of softmax over the columns."""
    modules: dict[str, tuple[nn.Module, dict[str, float]]] = {
        "celu": (nn.CELU(0.5), {"alpha": 0.5}),
        "elu": (nn.ELU(), {}),
        "elu alpha": (nn.ELU(0.5), {"alpha": 0.5}),
        "gelu": (nn.GELU(), {}),
        "gelu_tanh": (nn.GELU(approximate="tanh"), {}),
        "hardshrink": (nn.Hardshrink(), {}),
        "hardsigmoid": (nn.Hardsigmoid(), {}),
        "hardswish": (nn.Hardswish(), {}),
        "hardtanh": (nn.Hardtanh(-0.5, 0.25), {"min_val": -0.5, "max_val": 0.25}),
        "leaky_relu": (nn.LeakyReLU(), {}),
        "leaky_relu slope": (nn.LeakyReLU(0.3), {"negative_slope": 0.3}),
        "leaky_relu steep": (nn.LeakyReLU(1.5), {"negative_slope": 1.5}),
        "logsigmoid": (nn.LogSigmoid(), {}),
        "mish": (nn.Mish(), {}),
        "relu": (nn.ReLU(), {}),
        "relu6": (nn.ReLU6(), {}),
        "selu": (nn.SELU(), {}),
        "sigmoid": (nn.Sigmoid(), {}),
        "silu": (nn.SiLU(), {}),
        "softplus": (nn.Softplus(), {}),
        "softplus beta": (nn.Softplus(2.0, 1.0), {"beta": 2.0, "threshold": 1.0}),
        "softshrink": (nn.Softshrink(0.25), {"lambd": 0.25}),
        "softsign": (nn.Softsign(), {}),
        "tanh": (nn.Tanh(), {}),
        "tanhshrink": (nn.Tanhshrink(), {}),
        "threshold": (nn.Threshold(0.5, 7.0), {"threshold": 0.5, "value": 7.0}),
    }
    # Sixteen times the features: also where functions are flat or steep.
    scale = step("x16", "multiply", "x", value=16.0)
    cases = [
        Case(
            f"activation {name}",
            module,
            lambda m, g: m(torch.cat([g.x, g.x * 16], 1)),
            [
                scale,
                step("c", "concatenate", "x", "x16"),
                step("o", "activation", "c", function=name.split()[0], **keys),
            ],
        )
        for name, (module, keys) in modules.items()
    ]
    for name in ("abs", "exp", "square", "sin", "cos"):
        call = getattr(torch, name)
        cases.append(
            Case(
                f"activation {name}",
                nn.Identity(),
                of_x(call),
                [step("o", "activation", "x", function=name)],
            )
        )
    for name in ("log", "sqrt", "reciprocal"):
        call = getattr(torch, name)
        steps = [step("s", "activation", "x", function="exp"), step("o", "activation", "s", function=name)]
        cases.append(Case(f"activation {name}", nn.Identity(), of_x(call, torch.exp), steps))
    cases += [
        Case("prelu one", nn.PReLU(), lambda m, g: m(g.x), [step("o", "prelu", "x", weight="weight")]),
        Case("prelu", nn.PReLU(4), lambda m, g: m(g.x), [step("o", "prelu", "x", weight="weight")]),
        Case("softmax", nn.Softmax(dim=1), lambda m, g: m(g.x * 16), [scale, step("o", "softmax", "x16")]),
        Case("log_softmax", nn.LogSoftmax(dim=1), lambda m, g: m(g.x * 16), [scale, step("o", "log_softmax", "x16")]),
    ]
    return cases


def rows() -> list[Case]:
    """Return the cases of arithmetic on rows, columns and categories."""
    identity = nn.Identity()
    return [
        Case(
            "linear",
            nn.Linear(4, 2, bias=False),
            lambda m, g: m(g.x),
            [step("o", "linear", "x", weight="weight")],
        ),
        Case(
            "arithmetic with steps",
            identity,
            lambda _, g: (g.x * g.x[:, 1:2] + g.x) / (g.x.square() + 1) - g.x[:, :1],
            [
                step("c", "slice", "x", start=1, stop=2),
                step("d", "slice", "x", stop=1),
                step("m", "multiply", "x", "c"),
                step("a", "add", "m", "x"),
                step("s", "activation", "x", function="square"),
                step("t", "add", "s", value=1),
                step("q", "divide", "a", "t"),
                step("o", "subtract", "q", "d"),
            ],
        ),
        Case(
            "arithmetic wide by narrow first",
            identity,
            lambda _, g: g.x[:, 1:2] - g.x,
            [step("c", "slice", "x", start=1, stop=2), step("o", "subtract", "c", "x")],
        ),
        Case(
            "arithmetic with numbers",
            identity,
            lambda _, g: 2 / (3 - (g.x * 0.5 + 0.25) / 4),
            [
                step("a", "multiply", "x", value=0.5),
                step("b", "add", "a", value=0.25),
                step("c", "divide", "b", value=4),
                step("d", "subtract", "c", value=3, reversed=True),
                step("o", "divide", "d", value=2, reversed=True),
            ],
        ),
        Case(
            "arithmetic with vectors",
            nn.Linear(1, 4),
            lambda m, g: (m.bias - g.x) * m.bias,
            [
                step("a", "subtract", "x", tensor="bias", reversed=True),
                step("o", "multiply", "a", tensor="bias"),
            ],
        ),
        Case(
            "columns",
            identity,
            lambda _, g: torch.cat(
                [torch.maximum(g.x, -g.x), torch.minimum(g.x, -g.x), g.x[:, 2:], torch.ones_like(g.x[:, :2])], 1
            ),
            [
                step("n", "multiply", "x", value=-1),
                step("a", "maximum", "x", "n"),
                step("b", "minimum", "x", "n"),
                step("c", "slice", "x", start=2),
                step("d", "constant", "x", value=1, width=2),
                step("o", "concatenate", "a", "b", "c", "d"),
            ],
        ),
        Case(
            "embedding of nodes",
            nn.ModuleList([nn.Embedding(3, 2), nn.Embedding(4, 2)]),
            lambda m, g: m[0](g.x[:, 2].long()) + m[1](g.x[:, 0].long()),
            [step("o", "embedding", "x", columns=[2, 0], tables=["0.weight", "1.weight"])],
        ),
        Case(
            "embedding of edge types",
            nn.Embedding(3, 4),
            lambda m, g: m(g.edge_type),
            [step("o", "embedding", "edge_type", columns=[0], tables=["weight"])],
            "edge",
        ),
    ]


def readouts() -> list[Case]:
    """Return the cases between nodes, edges and graphs."""
    identity = nn.Identity()
    pools = {"sum": pyg.global_add_pool, "mean": pyg.global_mean_pool, "max": pyg.global_max_pool}
    cases = [
        Case(f"{name}_pool", identity, pooled(f), [step("o", f"{name}_pool", "x")], "graph")
        for name, f in pools.items()
    ]
    aggregations = {
        "sum": pyg.aggr.SumAggregation(),
        "mean": pyg.aggr.MeanAggregation(),
        "max": pyg.aggr.MaxAggregation(),
        "min": pyg.aggr.MinAggregation(),
    }
    cases += [
        Case(
            f"{name}_pool of edges",
            aggregation,
            lambda m, g: m(g.edge_attr, g.batch.new_zeros(len(g.edge_attr)), dim_size=1),
            [step("o", f"{name}_pool", "edge_attr")],
            "graph",
        )
        for name, aggregation in aggregations.items()
    ]
    gate = nn.Linear(4, 1)
    wide = nn.Sequential(nn.Linear(4, 4))
    cases += [
        Case(
            "min_pool", pyg.aggr.MinAggregation(), lambda m, g: m(g.x, g.batch), [step("o", "min_pool", "x")], "graph"
        ),
        Case(
            "attention_pool",
            pyg.aggr.AttentionalAggregation(gate),
            lambda m, g: m(g.x, g.batch),
            [
                step("g", "linear", "x", weight="gate_nn.weight", bias="gate_nn.bias"),
                step("o", "attention_pool", "x", "g"),
            ],
            "graph",
        ),
        Case(
            "attention_pool wide",
            pyg.aggr.AttentionalAggregation(wide, nn.Tanh()),
            lambda m, g: m(g.x, g.batch),
            [
                step("g", "linear", "x", weight="gate_nn.0.weight", bias="gate_nn.0.bias"),
                step("t", "activation", "x", function="tanh"),
                step("o", "attention_pool", "t", "g"),
            ],
            "graph",
        ),
        Case(
            "spread to nodes",
            identity,
            lambda _, g: torch.cat([g.x, g.graph_attr[g.batch]], 1),
            [step("s", "spread", "graph_attr", kind="node"), step("o", "concatenate", "x", "s")],
        ),
        Case(
            "gather and dot",
            identity,
            lambda _, g: (g.x[g.edge_index[0]] * g.x[g.edge_index[1]]).sum(-1),
            [
                step("s", "gather", "x", end="source"),
                step("t", "gather", "x", end="target"),
                step("o", "dot", "s", "t"),
            ],
            "edge",
        ),
        Case(
            "spread to edges, weights as values",
            identity,
            lambda _, g: torch.cat([g.edge_weight[:, None] * g.edge_attr, g.graph_attr.repeat(len(g.edge_attr), 1)], 1),
            [
                step("m", "multiply", "edge_attr", "edge_weight"),
                step("s", "spread", "graph_attr", kind="edge"),
                step("o", "concatenate", "m", "s"),
            ],
            "edge",
        ),
    ]
    return cases


def cases() -> list[dict[str, Any]]:
    """Return every case."""
    every = [
        *convolutions(),
        *isomorphism(),
        *attention(),
        *principal(),
        *norms(),
        *activations(),
        *rows(),
        *readouts(),
    ]
    return [case.compute() for case in every]


def document() -> dict[str, Any]:
    """Return the content of the file."""
    return {"graphs": graphs(), "cases": cases()}


if __name__ == "__main__":
    made = document()
    lines = ",\n".join(json.dumps(one, allow_nan=False) for one in made["cases"])
    VECTORS.write_text(f'{{"graphs": {json.dumps(made["graphs"])},\n"cases": [\n{lines}\n]}}\n')
