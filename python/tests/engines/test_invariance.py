"""Invariant 2 of the design: a graph's scores depend on that graph alone, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import graphscore
from graphs import Graph, alone, batch, random_graph, with_ones, write_model

WIDTH = 17
MODELS = {
    "gcn": (("gcn", "gcn"), (WIDTH, 32, 1)),
    "gcn narrowing": (("gcn", "gcn"), (WIDTH, 12, 5)),
    "sage": (("sage", "sage"), (WIDTH, 24, 3)),
    "mixed": (("sage", "gcn", "sage"), (WIDTH, 20, 9, 11)),
}


@pytest.fixture(scope="module", params=sorted(MODELS))
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[graphscore.Model]:
    """One model, with every activation once."""
    kinds, widths = MODELS[request.param]
    result = []
    for activation, output in zip(
        ("relu", "tanh", "elu", "sigmoid", "leaky_relu"), ("none", "softmax", "sigmoid", "softmax", "none"), strict=True
    ):
        folder = write_model(tmp_path_factory.mktemp("model"), kinds, widths, output_activation=output)
        config = (folder / "config.json").read_text()
        (folder / "config.json").write_text(config.replace('"relu"', f'"{activation}"'))
        result.append(graphscore.load_model(folder))
    return result


@pytest.fixture(scope="module")
def engines(models: list[graphscore.Model]) -> list[graphscore.Engine]:
    """Engines that compute one to many graphs at once."""
    return [
        graphscore.Engine(model, chunk_nodes=chunk)
        for model, chunk in zip(models, (None, 1, 50, 333, None), strict=True)
    ]


@st.composite
def graph_lists(draw: st.DrawFn) -> list[Graph]:
    """Graphs of all sizes, with and without edges, self loops, repeated edges and weights."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = st.tuples(st.integers(0, 60) | st.integers(200, 520), st.integers(0, 3), st.booleans(), st.booleans())
    result = []
    for nodes, density, weighted, loops in draw(st.lists(sizes, min_size=1, max_size=12)):
        graph = random_graph(random, width=WIDTH, nodes=nodes, edges=nodes * density, weighted=weighted)
        if not loops:
            keep = graph.edges[:, 0] != graph.edges[:, 1]
            graph = Graph(graph.features, graph.edges[keep], None if graph.weights is None else graph.weights[keep])
        result.append(graph)
    return result


def assert_alone_and_together(engine: graphscore.Engine, graphs: Sequence[Graph]) -> None:
    together = engine.score(batch(graphs, width=WIDTH)).values
    stops = np.cumsum([graph.nodes for graph in graphs])
    for graph, rows in zip(graphs, np.split(together, stops[:-1]), strict=True):
        assert rows.tobytes() == alone(engine, graph).tobytes()


@pytest.mark.fault("P4", "random graphs and engines (hypothesis)", "equal to the bit")
@settings(max_examples=20)
@given(graphs=graph_lists())
def test_alone_equals_in_a_batch(engines: list[graphscore.Engine], graphs: list[Graph]) -> None:
    for engine in engines:
        assert_alone_and_together(engine, graphs)
        assert_alone_and_together(engine, graphs[::-1])


def test_unweighted_beside_weighted(engines: list[graphscore.Engine]) -> None:
    random = np.random.default_rng(3)
    plain = random_graph(random, width=WIDTH, nodes=30, edges=80)
    weighted = random_graph(random, width=WIDTH, nodes=20, edges=50, weighted=True)
    no_loops = Graph(plain.features, plain.edges[plain.edges[:, 0] != plain.edges[:, 1]])
    for engine in engines:
        assert_alone_and_together(engine, [weighted, plain, no_loops, weighted])
        assert alone(engine, plain).tobytes() == alone(engine, with_ones(plain)).tobytes()


def test_neighbours_that_are_not_finite(engines: list[graphscore.Engine]) -> None:
    random = np.random.default_rng(4)
    graphs = [random_graph(random, width=WIDTH, nodes=40, edges=90) for _ in range(9)]
    for graph, value in zip(graphs[1::2], (np.nan, np.inf, -np.inf, 3e38), strict=True):
        graph.features[::2] = value
    for engine in engines:
        assert_alone_and_together(engine, graphs)
        values = engine.score(batch(graphs)).values
        assert np.isfinite(values[:40]).all()
        assert not np.isfinite(values[40:80]).all()


def test_chunks_do_not_show(models: list[graphscore.Model]) -> None:
    random = np.random.default_rng(5)
    many = batch(
        [random_graph(random, width=WIDTH, nodes=int(n), edges=int(2 * n)) for n in random.integers(0, 50, 90)]
    )
    for model in models:
        results = {graphscore.Engine(model, chunk_nodes=c).score(many).values.tobytes() for c in (1, 100, 10**6, None)}
        assert len(results) == 1


@example(position=239)
@settings(max_examples=30)
@given(position=st.integers(0, 600))
def test_every_place_of_a_tile(engines: list[graphscore.Engine], position: int) -> None:
    """One node among others without edges: its place in the tile is its place in the batch."""
    random = np.random.default_rng(6)
    node = Graph(random.standard_normal((1, WIDTH), np.float32), np.zeros((0, 2), np.int64))
    others = random_graph(random, width=WIDTH, nodes=position, edges=0)
    for engine in engines:
        rows = engine.score(batch([others, node])).values
        assert rows[-1].tobytes() == alone(engine, node).tobytes()


def test_threads_do_not_show(tmp_path: Path, engine: graphscore.Engine) -> None:
    from concurrent.futures import ThreadPoolExecutor

    random = np.random.default_rng(8)
    batches = [batch([random_graph(random, nodes=n) for n in range(1, 60)]) for _ in range(8)]
    wanted = [engine.score(one).values.tobytes() for one in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert [scores.values.tobytes() for scores in pool.map(engine.score, batches)] == wanted
