"""Operations against PyTorch Geometric in float64 (make_operation_vectors.py), and against themselves in a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphscore
from graphs import Array, Graph, batch
from graphscore._ops import OPERATIONS
from vectors import CASES, DOCUMENT, write

NAMES = [case["name"] for case in CASES]
DIRECTED = {"directed_message", "edge_linear", "paired", "reverse", "sum_edges"}
"""Of chemprop, not of PyTorch Geometric: test_directed.py, and tests/export/test_chemprop.py."""


def graph_of(columns: dict[str, Any], *, categories: bool) -> Graph:
    edges = np.array(columns["edges"], np.int64).reshape(-1, 2)
    return Graph(
        np.array(columns["categories" if categories else "x"], np.float32),
        edges,
        np.array(columns["edge_weight"], np.float32),
        np.array(columns["edge_attr"], np.float32).reshape(len(edges), -1 if len(edges) else 3),
        np.array(columns["edge_type"], np.uint32),
        np.array(columns["graph_attr"], np.float32),
    )


def in_input_order(values: Array, graph: Graph, level: str) -> Array:
    """Rows of level edge are in the order of the wire; return them in that of the graph."""
    if level != "edge":
        return values
    result = np.empty_like(values)
    result[np.argsort(graph.edges[:, 1], kind="stable")] = values
    return result


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_equals_pytorch_geometric(case: dict[str, Any], tmp_path: Path) -> None:
    engine = graphscore.Engine(graphscore.load_model(write(tmp_path, case)))
    for columns, scores in zip(DOCUMENT["graphs"], case["scores"], strict=True):
        graph = graph_of(columns, categories=case["name"].startswith("embedding"))
        result = engine.score(batch([graph]))
        assert (result.level, result.failed) == (case["config"]["level"], ())
        values = in_input_order(result.values, graph, result.level)
        wanted = np.array(scores, np.float64).reshape(values.shape)
        error = np.abs(values - wanted) / np.maximum(1, np.abs(wanted))
        assert (error <= 1e-5).all(), (columns["name"], error.max())


def test_every_operation_has_a_vector() -> None:
    used = {step["op"] for case in CASES for step in case["config"]["steps"]}
    assert used == set(OPERATIONS) - DIRECTED


def random_graph(random: np.random.Generator, nodes: int, edges: int, *, categories: bool) -> Graph:
    ends = random.integers(0, nodes, (edges if nodes else 0, 2)) if nodes else np.zeros((0, 2), np.int64)
    x = random.integers(0, 3, (nodes, 4)) if categories else random.standard_normal((nodes, 4))
    return Graph(
        x.astype(np.float32),
        ends,
        random.uniform(0.1, 2, len(ends)).astype(np.float32),
        random.standard_normal((len(ends), 3), np.float32),
        random.integers(0, 3, len(ends)).astype(np.uint32),
        random.standard_normal(2, np.float32),
    )


@st.composite
def graph_sizes(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Nodes and edges of graphs: empty ones, of one node, without edges, and with many edges a node."""
    nodes = st.integers(0, 40) | st.sampled_from([0, 1, 241])
    return [
        (count, int(count * density))
        for count, density in draw(
            st.lists(st.tuples(nodes, st.sampled_from([0, 0.5, 2, 5, 40])), min_size=1, max_size=9)
        )
    ]


@pytest.fixture(scope="module", params=range(len(CASES)), ids=NAMES)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[graphscore.Engine]:
    """The model of one case, computed in chunks of several sizes."""
    case = CASES[request.param]
    model = graphscore.load_model(write(tmp_path_factory.mktemp("model"), case))
    return [graphscore.Engine(model, chunk_nodes=chunk) for chunk in (None, 1, 60)]


@settings(max_examples=6)
@given(sizes=graph_sizes(), seed=st.integers(0, 2**32))
def test_alone_equals_in_a_batch(engines: list[graphscore.Engine], sizes: list[tuple[int, int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    categories = engines[0].model.name.startswith("embedding")
    graphs = [random_graph(random, nodes, edges, categories=categories) for nodes, edges in sizes]
    level = engines[0].model.level
    alone = [engines[0].score(batch([graph])).values for graph in graphs]
    for order in (slice(None), slice(None, None, -1)):
        together = batch(graphs[order])
        wanted = np.concatenate(alone[order])
        for engine in engines:
            scores = engine.score(together)
            assert len(scores.values) == together.rows(level)
            assert scores.values.tobytes() == wanted.tobytes()
