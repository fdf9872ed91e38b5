"""Graphs, batches and model folders for the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

import graphscore
from graphscore import GraphBatch

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Graph:
    """One graph as a user has it: features [n, w], edges [e, 2] (source, target), and columns or None.

    weights [e], edge_features [e, d], edge_types [e], graph_features [f].
    """

    features: Array
    edges: Array
    weights: Array | None = None
    edge_features: Array | None = None
    edge_types: Array | None = None
    graph_features: Array | None = None

    @property
    def nodes(self) -> int:
        return len(self.features)


def batch(graphs: Sequence[Graph], *, width: int = 3) -> GraphBatch:
    """Put graphs side by side, as the Go side does; weights where any graph has some, other columns where all have."""
    weighted = any(graph.weights is not None for graph in graphs)
    sources, degrees, weights = [], [], []
    more: dict[str, list[Array]] = {"edge_features": [], "edge_types": [], "graph_features": []}
    base = 0
    for graph in graphs:
        edges = graph.edges.reshape(-1, 2)
        order = np.argsort(edges[:, 1], kind="stable")
        sources.append(edges[order, 0].astype(np.uint32) + np.uint32(base))
        degrees.append(np.bincount(edges[:, 1], minlength=graph.nodes))
        own = np.ones(len(edges), np.float32) if graph.weights is None else graph.weights
        weights.append(own[order].astype(np.float32))
        for name, parts in more.items():
            column = getattr(graph, name)
            if column is not None:
                parts.append(column[None] if name == "graph_features" else column[order])
        base += graph.nodes
    return GraphBatch(
        node_counts=np.array([graph.nodes for graph in graphs], np.uint32),
        features=_join([graph.features for graph in graphs], np.zeros((0, width), np.float32)),
        in_degrees=_join(degrees, np.zeros(0)).astype(np.uint32),
        sources=_join(sources, np.zeros(0)).astype(np.uint32),
        edge_weights=_join(weights, np.zeros(0, np.float32)) if weighted else None,
        **{name: np.concatenate(parts) for name, parts in more.items() if parts},
    )


def _join(parts: Sequence[Array], empty: Array) -> Array:
    return np.concatenate(parts) if parts else empty


def random_graph(
    random: np.random.Generator, *, width: int = 3, nodes: int = 12, edges: int = 30, weighted: bool = False
) -> Graph:
    """Any edges: self loops and repeated ones too."""
    ends = random.integers(0, nodes, (edges if nodes else 0, 2)) if nodes else np.zeros((0, 2), np.int64)
    weights = random.uniform(0.1, 2, len(ends)).astype(np.float32) if weighted else None
    return Graph(random.standard_normal((nodes, width), np.float32), ends, weights)


def with_ones(graph: Graph) -> Graph:
    """The same graph with its weights written out."""
    return graph if graph.weights is not None else replace(graph, weights=np.ones(len(graph.edges), np.float32))


def alone(engine: graphscore.Engine, graph: Graph) -> Array:
    """Score one graph by itself."""
    return engine.score(batch([graph], width=graph.features.shape[1])).values


def write_model(
    folder: Path, kinds: Sequence[str] = ("gcn", "gcn"), widths: Sequence[int] = (3, 8, 1), **changes: Any
) -> Path:
    """Write a model folder with random weights; changes replace keys of config.json."""
    random = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Array] = {}
    layers: list[dict[str, Any]] = []
    for i, (kind, width, out) in enumerate(zip(kinds, widths, widths[1:], strict=False)):
        names = (
            {"weight": f"convs.{i}.lin.weight", "bias": f"convs.{i}.bias"}
            if kind == "gcn"
            else {
                "neighbor": f"convs.{i}.lin_l.weight",
                "bias": f"convs.{i}.lin_l.bias",
                "root": f"convs.{i}.lin_r.weight",
            }
        )
        for key, name in names.items():
            shape = (out,) if key == "bias" else (out, width)
            tensors[name] = (random.standard_normal(shape) / 2).astype(np.float32)
        activation = "none" if i == len(kinds) - 1 else "relu"
        layers.append({"type": kind, **names, "activation": activation})
    save_file(tensors, folder / "model.safetensors")
    outputs = ["score"] if widths[-1] == 1 else [f"s{i}" for i in range(widths[-1])]
    config = {
        "format": "graphscore/1",
        "name": "test-model",
        "in_features": widths[0],
        "outputs": outputs,
        "layers": layers,
        "output_activation": "none",
    }
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder
