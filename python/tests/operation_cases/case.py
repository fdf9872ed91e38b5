"""What a case of operation_vectors.json is, and the graphs that every case scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

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
