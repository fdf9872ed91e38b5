"""Nodes of many edges: sums as exact as float64's, and the same bytes beside any neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import graphscore
from graphs import Graph, batch
from graphscore._arrays import Doubles
from graphscore._sums import LONG
from vectors import CASES, write

Tensors: TypeAlias = Mapping[str, Doubles]
Reference: TypeAlias = Callable[[Tensors, Graph], Doubles]


def total(graph: Graph, messages: Doubles) -> Doubles:
    """Sum a message an edge over the edges of each target, in float64."""
    result = np.zeros((graph.nodes, messages.shape[1]))
    np.add.at(result, graph.edges[:, 1], messages)
    return result


def attention(graph: Graph, logits: Doubles, messages: Doubles) -> Doubles:
    """Sum messages [E, C], weighted by the softmax of logits [E] over the edges of each target."""
    weights = np.exp(logits - logits.max())[:, None]
    return total(graph, weights * messages) / np.maximum(total(graph, weights), 1e-300)


def gcn(t: Tensors, graph: Graph) -> Doubles:
    source, target = graph.edges.T
    root = 1 / np.sqrt(1 + np.bincount(target, minlength=graph.nodes))[:, None]
    rows = graph.features @ t["lin.weight"].T * root
    return root * (total(graph, rows[source]) + rows) + t["bias"]


def weights_as_they_are(t: Tensors, graph: Graph) -> Doubles:
    assert graph.weights is not None
    return total(graph, graph.weights[:, None] * graph.features[graph.edges[:, 0]]) @ t["lin.weight"].T


def sage(t: Tensors, graph: Graph, *, mean: bool) -> Doubles:
    sums = total(graph, graph.features[graph.edges[:, 0]])
    if mean:
        sums /= np.maximum(np.bincount(graph.edges[:, 1], minlength=graph.nodes), 1)[:, None]
    return sums @ t["lin_l.weight"].T + t["lin_l.bias"] + graph.features @ t["lin_r.weight"].T


def graph_conv(t: Tensors, graph: Graph) -> Doubles:
    assert graph.weights is not None
    sums = total(graph, graph.weights[:, None] * graph.features[graph.edges[:, 0]])
    return sums @ t["lin_rel.weight"].T + graph.features @ t["lin_root.weight"].T


def gin(eps: float, graph: Graph) -> Doubles:
    return (1 + eps) * graph.features + total(graph, graph.features[graph.edges[:, 0]])


def gine(t: Tensors, eps: float, graph: Graph) -> Doubles:
    assert graph.edge_features is not None
    messages = graph.features[graph.edges[:, 0]] + graph.edge_features @ t["lin.weight"].T + t["lin.bias"]
    sums = (1 + eps) * graph.features + total(graph, np.maximum(messages, 0))
    return sums @ t["nn.0.weight"].T + t["nn.0.bias"]


def gat(t: Tensors, graph: Graph) -> Doubles:
    graph = looped(graph)
    source, target = graph.edges.T
    rows = graph.features @ t["lin.weight"].T
    logits = (rows @ t["att_src"][0])[source] + (rows @ t["att_dst"][0])[target]
    return attention(graph, np.where(logits > 0, logits, 0.2 * logits), rows[source]) + t["bias"]


def gatv2(t: Tensors, graph: Graph) -> Doubles:
    graph = looped(graph)
    source, target = graph.edges.T
    left, right = (graph.features @ t[f"lin_{side}.weight"].T + t[f"lin_{side}.bias"] for side in "lr")
    rows = left[source] + right[target]
    return attention(graph, np.where(rows > 0, rows, 0.2 * rows) @ t["att"][0], left[source]) + t["bias"]


def transformer(t: Tensors, graph: Graph) -> Doubles:
    source, target = graph.edges.T
    query, key, value, skip = (
        graph.features @ t[f"lin_{name}.weight"].T + t[f"lin_{name}.bias"] for name in ("query", "key", "value", "skip")
    )
    logits = (query[target] * key[source]).sum(axis=1) / np.sqrt(query.shape[1])
    return attention(graph, logits, value[source]) + skip


def looped(graph: Graph) -> Graph:
    """Return a graph without its self loops, and with one at each node."""
    other = graph.edges[graph.edges[:, 0] != graph.edges[:, 1]]
    every = np.arange(graph.nodes)
    return Graph(graph.features, np.concatenate([other, np.stack([every, every], axis=1)]))


def pooled(graph: Graph) -> Doubles:
    result: Doubles = graph.features.sum(axis=0, keepdims=True)
    return result


def eps_of(name: str) -> float:
    """The eps of a case."""
    return float(case(name)["config"]["steps"][0]["eps"])


REFERENCES: dict[str, Reference] = {
    "gcn ": gcn,
    "gcn weighted raw": weights_as_they_are,
    "sage mean 3": lambda t, graph: sage(t, graph, mean=True),
    "sage sum 3": lambda t, graph: sage(t, graph, mean=False),
    "sage sum 6": lambda t, graph: sage(t, graph, mean=False),
    "graph_conv weighted add 3": graph_conv,
    "graph_conv weighted add 6": graph_conv,
    "gin sum": lambda _, graph: gin(eps_of("gin sum"), graph),
    "gine": lambda t, graph: gine(t, eps_of("gine"), graph),
    "gat": gat,
    "gatv2": gatv2,
    "transformer": transformer,
    "sum_pool": lambda _, graph: pooled(graph),
}
"""What a case of operation_vectors.json computes, in float64."""

MORE = ("gat edges fill mean", "gatv2 edges fill add", "transformer heads, edges, beta", "pna edges")
"""Further cases whose graphs must not depend on their neighbours."""


def case(name: str) -> dict[str, Any]:
    """The case of operation_vectors.json with a name."""
    return next(case for case in CASES if case["name"] == name)


def engine(name: str, folder: Path) -> graphscore.Engine:
    return graphscore.Engine(graphscore.load_model(write(folder, case(name))))


def hub(random: np.random.Generator, edges: int, *, nodes: int = 500, positive: bool = False) -> Graph:
    """A graph whose node 3 has nearly all of its edges; no self loops."""
    source, target = random.integers(0, nodes, edges), np.full(edges, 3)
    target[: edges // 50] = random.integers(0, nodes, edges // 50)
    source[source == target] += 1
    numbers = random.random if positive else random.standard_normal
    return Graph(
        numbers((nodes, 4), np.float32),
        np.stack([source % nodes, target], axis=1),
        random.uniform(0.1, 2, edges).astype(np.float32),
        numbers((edges, 3), np.float32),
    )


@pytest.mark.parametrize(("edges", "positive"), [(100_000, False), (100_000, True), (1_000_000, True)])
@pytest.mark.parametrize("name", REFERENCES)
def test_equals_float64(name: str, edges: int, positive: bool, tmp_path: Path) -> None:
    graph = hub(np.random.default_rng(len(name)), edges, positive=positive)
    assert graph.weights is not None
    assert graph.edge_features is not None
    wanted = REFERENCES[name](
        {key: np.array(value, np.float64) for key, value in case(name)["tensors"].items()},
        Graph(
            graph.features.astype(np.float64),
            graph.edges,
            graph.weights.astype(np.float64),
            graph.edge_features.astype(np.float64),
        ),
    )
    values = engine(name, tmp_path).score(batch([graph])).values
    assert (np.abs(values - wanted) / np.maximum(1, np.abs(wanted))).max() <= 1e-5


@pytest.mark.parametrize("name", [*REFERENCES, *MORE])
def test_alone_equals_in_a_batch(name: str, tmp_path: Path) -> None:
    """In-degrees about LONG, several slabs of float64, and long runs beside each other."""
    random = np.random.default_rng(11)
    sizes = (40, LONG - 1, LONG, LONG + 1, LONG + 40, 3 * LONG, 20_000, 7, 9_000)
    graphs = [hub(random, size, nodes=40) for size in sizes]
    scorer = engine(name, tmp_path)
    together = scorer.score(batch(graphs)).values
    for graph, rows in zip(graphs, np.split(together, len(graphs)), strict=True):
        assert rows.tobytes() == scorer.score(batch([graph])).values.tobytes()
