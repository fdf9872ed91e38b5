"""What the engine does with batches of odd content: other widths, nothing, edges that leave their graph."""

from __future__ import annotations

import numpy as np
import pytest

import graphscore
from graphs import Graph, alone, batch, random_graph
from graphscore import BatchError, GraphBatch


def test_width(engine: graphscore.Engine) -> None:
    with pytest.raises(BatchError, match="feature_width: 4, but the model takes 3"):
        engine.score(batch([random_graph(np.random.default_rng(0), width=4)]))


def test_nothing(engine: graphscore.Engine) -> None:
    assert engine.score(batch([])).values.shape == (0, 1)
    empty = Graph(np.zeros((0, 3), np.float32), np.zeros((0, 2), np.int64))
    assert engine.score(batch([empty, empty])).values.shape == (0, 1)
    one = random_graph(np.random.default_rng(1), nodes=4, edges=5)
    values = engine.score(batch([empty, one, empty, one, empty])).values
    assert values.tobytes() == alone(engine, one).tobytes() * 2


@pytest.mark.parametrize("weighted", [False, True])
def test_edges_that_leave_their_graph(engine: graphscore.Engine, weighted: bool) -> None:
    random = np.random.default_rng(2)
    graphs = [random_graph(random, nodes=6, edges=10, weighted=weighted) for _ in range(7)]
    good = batch(graphs)
    sources = good.sources.copy()
    sources[10 * 2 + 3] = 6 * 3 + 1  # graph 2, from graph 3: its own node 7
    sources[10 * 4] = 0  # graph 4, from graph 0: its own node -24
    sources[10 * 4 + 1] = 0
    sources[10 * 6] = 6 * 6 - 1  # graph 6, from graph 5: its own node -1
    broken = GraphBatch(good.node_counts, good.features, good.in_degrees, sources, good.edge_weights)

    scores = engine.score(broken)

    assert [(failure.graph, failure.code) for failure in scores.failed] == [
        (2, "edge_out_of_range"),
        (4, "edge_out_of_range"),
        (6, "edge_out_of_range"),
    ]
    assert [failure.message for failure in scores.failed] == [
        "edge 3 comes from node 7, which is not in the graph of 6 nodes",
        "edge 0 comes from node -24, which is not in the graph of 6 nodes",
        "edge 0 comes from node -1, which is not in the graph of 6 nodes",
    ]
    wanted = engine.score(good).values.reshape(7, 6)
    wanted[[2, 4, 6]] = 0
    assert scores.values.tobytes() == wanted.tobytes()


def test_read_only_columns(engine: graphscore.Engine) -> None:
    good = batch([random_graph(np.random.default_rng(3), weighted=True)])
    wanted = engine.score(good).values
    for column in (good.node_counts, good.features, good.in_degrees, good.sources, good.edge_weights):
        assert column is not None
        column.flags.writeable = False
    assert engine.score(good).values.tobytes() == wanted.tobytes()


def test_direction(engine: graphscore.Engine) -> None:
    """Messages flow from source to target: the target of an edge changes, its source does not."""
    features = np.random.default_rng(4).standard_normal((2, 3), np.float32)
    without = alone(engine, Graph(features, np.zeros((0, 2), np.int64)))
    edge = alone(engine, Graph(features, np.array([[0, 1]])))
    assert edge[0] == without[0]
    assert edge[1] != without[1]
