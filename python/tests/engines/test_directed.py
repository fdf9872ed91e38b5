"""Messages along directed edges: against a plain computation, and graphs in which an edge has no reverse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import graphscore
from graphs import Array, Graph, batch

CONFIG = {
    "format": "graphscore/2",
    "name": "directed",
    "level": "edge",
    "inputs": {"x": 3, "edge_attr": 2, "edge_type": 0, "graph_attr": 0, "edge_weight": False},
    "outputs": ["a", "b", "c", "d", "e", "f", "g", "h"],
    "weights": ["model.safetensors"],
    "ignored": [],
    "steps": [
        {"name": "pairs", "op": "paired", "inputs": ["edge_attr"]},
        {"name": "h", "op": "edge_linear", "inputs": ["x"], "edge_attr": "pairs", "weight": "w", "bias": "b"},
        {"name": "m", "op": "directed_message", "inputs": ["h"]},
        {"name": "r", "op": "reverse", "inputs": ["h"]},
        {"name": "n", "op": "sum_edges", "inputs": ["h"]},
        {"name": "t", "op": "gather", "inputs": ["n"], "end": "target"},
        {"name": "out", "op": "concatenate", "inputs": ["h", "m", "r", "t"]},
    ],
}
RANDOM = np.random.default_rng(7)
WEIGHT, BIAS = RANDOM.standard_normal((2, 5), np.float32), RANDOM.standard_normal(2, np.float32)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> list[graphscore.Engine]:
    folder = tmp_path_factory.mktemp("directed")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file({"w": WEIGHT, "b": BIAS}, folder / "model.safetensors")
    model = graphscore.load_model(folder)
    return [graphscore.Engine(model, chunk_nodes=chunk) for chunk in (None, 1, 50)]


def paired_graph(random: np.random.Generator, nodes: int, pairs: int) -> Graph:
    """A graph with edges both ways, some of them several times, in any order."""
    ends = random.integers(0, max(nodes, 1), (pairs if nodes > 1 else 0, 2))
    ends = ends[ends[:, 0] != ends[:, 1]]
    features = random.standard_normal((len(ends), 2), np.float32)
    # The k-th copy of an edge and the k-th of its reverse have one feature: one value for all copies of a pair.
    value = {tuple(sorted(pair)): feature for pair, feature in zip(ends.tolist(), features, strict=True)}
    edges = np.concatenate([ends, ends[:, ::-1]])[random.permutation(2 * len(ends))]
    attr = [value[tuple(sorted(pair))] for pair in edges.tolist()]
    x = random.standard_normal((nodes, 3), np.float32)
    return Graph(x, edges, None, np.array(attr, np.float32).reshape(-1, 2))


def plainly(graph: Graph) -> Array:
    """Compute the scores edge by edge in float64, in the order of the wire."""
    edges = graph.edges[np.argsort(graph.edges[:, 1], kind="stable")]
    assert graph.edge_features is not None
    attr = graph.edge_features[np.argsort(graph.edges[:, 1], kind="stable")]
    h = np.array(
        [
            WEIGHT.astype(float) @ np.concatenate([graph.features[s], e]) + BIAS
            for (s, _), e in zip(edges, attr, strict=True)
        ]
    ).reshape(-1, 2)
    copies: dict[tuple[int, int], list[int]] = {}
    for place, (source, target) in enumerate(edges.tolist()):
        copies.setdefault((source, target), []).append(place)
    rows = []
    for place, (source, target) in enumerate(edges.tolist()):
        reverse = copies[target, source][copies[source, target].index(place)]
        into = h[edges[:, 1] == source].sum(axis=0)
        rows.append(np.concatenate([h[place], into - h[reverse], h[reverse], h[edges[:, 1] == target].sum(axis=0)]))
    return np.array(rows).reshape(-1, 8)


def joined(graphs: list[Graph]) -> graphscore.GraphBatch:
    return batch(graphs)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60)), min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_equals_a_plain_computation(engines: list[graphscore.Engine], sizes: list[tuple[int, int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    graphs = [paired_graph(random, *size) for size in sizes]
    alone = [engines[0].score(joined([graph])) for graph in graphs]
    for graph, scores in zip(graphs, alone, strict=True):
        assert scores.failed == ()
        wanted = plainly(graph)
        assert (np.abs(scores.values - wanted) <= 1e-5 * np.maximum(1, np.abs(wanted))).all()
    for engine in engines:
        together = engine.score(joined(graphs))
        assert together.values.tobytes() == b"".join(scores.values.tobytes() for scores in alone)


GOOD = Graph(np.ones((3, 3), np.float32), np.array([[0, 1], [1, 0], [2, 1], [1, 2]]), None, np.ones((4, 2), np.float32))


def changed(edges: list[list[int]], attr: list[float] | None = None) -> Graph:
    features = np.repeat(np.array(attr or [1.0] * len(edges), np.float32)[:, None], 2, axis=1)
    return Graph(GOOD.features, np.array(edges), None, features)


BAD = {
    "the edge from node 0 to node 1 has no reverse: the model wants each edge both ways": changed([[0, 1]]),
    "the edge from node 1 to node 2 has no reverse: the model wants each edge both ways": changed(
        [[0, 1], [1, 0], [1, 2]]
    ),
    "the edge from node 0 to node 2 has no reverse: the model wants each edge both ways": changed(
        [[0, 2], [2, 0], [0, 2]]
    ),
    "the edge from node 1 to node 1 is a self loop, which has no reverse": changed([[0, 1], [1, 0], [1, 1]]),
    "the edge from node 2 to node 2 is a self loop, which has no reverse": changed([[2, 2], [2, 2]]),
    "edge_attr of the edge from node 1 to node 0 is not that of its reverse": changed([[0, 1], [1, 0]], [1, 2]),
    # The first copy of each belongs to the first of the other, whatever their features.
    "edge_attr of the edge from node 2 to node 0 is not that of its reverse": changed(
        [[0, 2], [0, 2], [2, 0], [2, 0]], [1, 2, 2, 1]
    ),
}


def test_graphs_with_an_edge_without_reverse_are_not_scored(engines: list[graphscore.Engine]) -> None:
    graphs = [graph for bad in BAD.values() for graph in (GOOD, bad)] + [GOOD]
    wanted = engines[0].score(joined([GOOD])).values
    for engine in engines:
        scores = engine.score(joined(graphs))
        found = [(failure.graph, failure.code, failure.message) for failure in scores.failed]
        assert found == [(2 * place + 1, "edge_without_reverse", message) for place, message in enumerate(BAD)]
        at = 0
        for place, graph in enumerate(graphs):
            rows = scores.values[at : at + len(graph.edges)]
            assert rows.tobytes() == (np.zeros_like(rows) if place % 2 else wanted).tobytes()
            at += len(graph.edges)


def test_an_edge_that_leaves_its_graph_disturbs_no_neighbour(engines: list[graphscore.Engine]) -> None:
    good = joined([GOOD, GOOD, GOOD])
    sources = good.sources.copy()
    sources[5] = 0  # an edge of the second graph comes from the first one
    broken = graphscore.GraphBatch(good.node_counts, good.features, good.in_degrees, sources, None, good.edge_features)
    scores = engines[0].score(broken)
    assert [(failure.graph, failure.code) for failure in scores.failed] == [(1, "edge_out_of_range")]
    wanted = engines[0].score(joined([GOOD])).values
    assert scores.values[:4].tobytes() == scores.values[8:].tobytes() == wanted.tobytes()


def test_a_part_of_the_model_refuses_the_same_graphs(tmp_path: Path) -> None:
    """Embeddings are of a step before the first that needs reverses."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file({"w": WEIGHT, "b": BIAS}, tmp_path / "model.safetensors")
    from graphscore._model import embedded

    engine = graphscore.Engine(embedded(graphscore.load_model(tmp_path), "n"))
    bad = next(iter(BAD.values()))
    assert [failure.code for failure in engine.score(joined([GOOD, bad])).failed] == ["edge_without_reverse"]
