"""Makes tests/data/pyg_vectors.json: what PyTorch Geometric computes, in float64, for small graphs.

    .venv/bin/pip install -e '.[test,train]'
    .venv/bin/python tests/make_pyg_vectors.py       # writes the file
    .venv/bin/pytest tests/pyg                       # recomputes it and compares

Parameters and features are float32 values that are
written in full, so that every reader starts from the same numbers.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns of parts of its own that torch_geometric uses
    from torch_geometric.nn import GCNConv, SAGEConv

VECTORS = Path(__file__).parent / "data" / "pyg_vectors.json"

Edge = tuple[int, int, float]

ACTIVATIONS = {
    "none": torch.nn.Identity(),
    "relu": torch.nn.ReLU(),
    "leaky_relu": torch.nn.LeakyReLU(),
    "elu": torch.nn.ELU(),
    "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(),
    "softmax": torch.nn.Softmax(dim=1),
}

PLAIN: list[Edge] = [(0, 1, 1), (1, 0, 1), (1, 2, 1), (2, 1, 1), (2, 3, 1), (3, 2, 1), (0, 3, 1), (4, 0, 1)]
GRAPHS: dict[str, tuple[int, list[Edge], bool]] = {
    # name: nodes, edges (source, target, weight), weighted
    "plain": (5, PLAIN, False),
    "self_loops": (5, [*PLAIN, (0, 0, 1), (3, 3, 1)], False),
    "self_loops_weighted": (5, [(0, 0, 0.25), *PLAIN, (3, 3, 2.5)], True),
    "self_loops_several": (4, [(1, 1, 5), (0, 1, 1), (1, 1, 0.5), (2, 2, 3), (1, 2, 2), (2, 2, 0.125)], True),
    "self_loops_several_unweighted": (4, [(1, 1, 1), (0, 1, 1), (1, 1, 1), (2, 3, 1)], False),
    "duplicate_edges": (4, [(0, 1, 1), (0, 1, 1), (0, 1, 1), (1, 2, 1), (2, 3, 1), (1, 2, 1)], False),
    "duplicate_edges_weighted": (4, [(0, 1, 0.5), (0, 1, 2), (1, 2, 1), (1, 2, 0.75)], True),
    "isolated": (6, [(0, 1, 1), (1, 0, 1)], False),
    "weighted": (5, [(s, t, 0.2 + 0.3 * i) for i, (s, t, _) in enumerate(PLAIN)], True),
    "weights_zero": (5, [(s, t, 0) for s, t, _ in PLAIN], True),
    "degree_zero": (4, [(0, 1, -1), (1, 2, 1), (2, 3, -0.5), (3, 3, 0.5), (0, 2, 1)], True),
    "degree_negative": (6, [(0, 1, -3), (1, 2, 1), (2, 3, 1), (4, 5, 1)], True),
    "no_edges": (3, [], False),
    "no_edges_weighted": (3, [], True),
    "single": (1, [], False),
    "single_loop": (1, [(0, 0, 2)], True),
    "directed": (6, [(0, 1, 1), (0, 2, 1), (0, 3, 1), (4, 3, 1), (5, 3, 1)], False),
}


def numbers(values: np.ndarray[Any, np.dtype[Any]]) -> Any:
    """Return values as nested lists; NaN, which JSON lacks, as null."""
    if values.ndim == 0:
        # A float32 in as few digits as tell it from its neighbours.
        return float(str(values)) if math.isfinite(values) else None
    return [numbers(value) for value in values]


def layer(kind: str, random: np.random.Generator, width: int, out: int, *, bias: bool = True) -> Any:
    """Return a PyTorch Geometric layer with random float32 parameters, in float64."""
    conv = GCNConv(width, out, bias=bias) if kind == "gcn" else SAGEConv(width, out, bias=bias)
    with torch.no_grad():
        for parameter in conv.parameters():
            values = random.standard_normal(tuple(parameter.shape), np.float32) / np.float32(2)
            parameter.copy_(torch.from_numpy(values))
    return conv.double()


def entry(index: int, kind: str, activation: str, *, bias: bool = True) -> dict[str, Any]:
    """Return a layer's entry in config.json."""
    names = (
        {"weight": "lin.weight", "bias": "bias"}
        if kind == "gcn"
        else {"neighbor": "lin_l.weight", "bias": "lin_l.bias", "root": "lin_r.weight"}
    )
    if not bias:
        del names["bias"]
    return {"type": kind, **{key: f"convs.{index}.{name}" for key, name in names.items()}, "activation": activation}


def case(
    name: str, kinds: list[str], widths: list[int], activations: list[str], output: str, *, bias: bool = True
) -> dict[str, Any]:
    """Compute one model on one graph."""
    graph = name.split(" ", maxsplit=1)[0]
    nodes, edges, weighted = GRAPHS[graph]
    random = np.random.default_rng(list(name.encode()))
    features = random.standard_normal((nodes, widths[0]), np.float32)
    weights = np.array([weight for *_, weight in edges], np.float32)
    index = torch.tensor([[s for s, _, _ in edges], [t for _, t, _ in edges]], dtype=torch.long).reshape(2, -1)
    rows = torch.from_numpy(features).double()
    tensors: dict[str, Any] = {}
    entries = []
    for i, (kind, width, out, activation) in enumerate(zip(kinds, widths, widths[1:], activations, strict=False)):
        conv = layer(kind, random, width, out, bias=bias)
        tensors |= {f"convs.{i}.{key}": numbers(value.float().numpy()) for key, value in conv.state_dict().items()}
        edge_weight = torch.from_numpy(weights).double() if weighted and kind == "gcn" else None
        rows = conv(rows, index, edge_weight) if kind == "gcn" else conv(rows, index)
        rows = ACTIVATIONS[activation](rows)
        entries.append(entry(i, kind, activation, bias=bias))
    rows = ACTIVATIONS[output](rows)
    return {
        "name": name,
        "config": {
            "format": "graphscore/1",
            "name": name,
            "in_features": widths[0],
            "outputs": [f"s{i}" for i in range(widths[-1])],
            "layers": entries,
            "output_activation": output,
        },
        "tensors": tensors,
        "features": numbers(features),
        "edges": [[s, t] for s, t, _ in edges],
        "weights": numbers(weights) if weighted else None,
        "scores": numbers(rows.detach().numpy()),
    }


def cases() -> list[dict[str, Any]]:
    """Return every case."""
    result = []
    for graph in GRAPHS:
        for kind in ("gcn", "sage"):
            result.append(case(f"{graph} {kind}", [kind, kind], [3, 5, 1], ["relu", "none"], "none"))
            result.append(case(f"{graph} {kind} narrow", [kind], [7, 2], ["none"], "none"))
    for kind in ("gcn", "sage"):
        result.extend(
            case(f"plain {kind} {activation}", [kind, kind], [3, 4, 2], [activation] * 2, "none")
            for activation in sorted(ACTIVATIONS.keys() - {"softmax"})
        )
        result.append(case(f"weighted {kind} no bias", [kind], [3, 2], ["none"], "none", bias=False))
        result.append(case(f"directed {kind} sigmoid output", [kind], [3, 2], ["none"], "sigmoid"))
        result.append(case(f"directed {kind} softmax", [kind, kind], [3, 9, 4], ["relu", "none"], "softmax"))
    result.append(case("weighted mixed", ["gcn", "sage", "gcn"], [4, 9, 9, 3], ["elu", "tanh", "none"], "softmax"))
    return result


if __name__ == "__main__":
    VECTORS.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(one, allow_nan=False) for one in cases())
    VECTORS.write_text(f"[\n{lines}\n]\n")
