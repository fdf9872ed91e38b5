"""Cases of norms, activations, arithmetic, readouts, and values of edges."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from operation_cases.case import Case, of_x, pooled, step

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns of parts of its own that torch_geometric uses
    import torch_geometric.nn as pyg


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
            "columns in another order",
            identity,
            lambda _, g: g.x[:, [3, 0, 0, 2]],
            [step("o", "take", "x", columns=[3, 0, 0, 2])],
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
