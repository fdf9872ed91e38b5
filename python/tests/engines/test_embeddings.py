"""The values of a step beside the scores: those of the model that ends with the step, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import graphscore
from graphs import Graph, batch
from graphscore._engines import ModelFacts
from graphscore._engines.scipy_engine import ScipyEngine
from graphscore._model import embedded
from tables.arrow_graphs import write_steps

STEPS: list[dict[str, Any]] = [
    {"name": "a", "op": "linear", "inputs": ["x"], "weight": "w", "bias": "b"},
    {"name": "r", "op": "activation", "inputs": ["a"], "function": "relu"},  # writes into what it is given
    {"name": "n", "op": "l2_normalize", "inputs": ["r"], "eps": 1e-12},
    {"name": "m", "op": "maximum", "inputs": ["n", "r"]},
    {"name": "s", "op": "slice", "inputs": ["m"], "start": 1, "stop": 3},
    {"name": "e", "op": "activation", "inputs": ["s"], "function": "elu", "alpha": 1.0},
    {"name": "out", "op": "softmax", "inputs": ["e"]},
]


def consuming(folder: Path) -> Path:
    """Write a model whose steps write into the values before them."""
    folder.mkdir()
    inputs = {"x": 3, "edge_attr": 0, "edge_type": 0, "graph_attr": 0, "edge_weight": False}
    config = {"format": "graphscore/2", "name": "c", "level": "node", "inputs": inputs, "outputs": ["p", "q"]}
    (folder / "config.json").write_text(json.dumps({**config, "weights": ["m.safetensors"], "steps": STEPS}))
    random = np.random.default_rng(3)
    tensors = {
        name: random.standard_normal(shape).astype(np.float32) for name, shape in {"w": (4, 3), "b": (4,)}.items()
    }
    save_file(tensors, str(folder / "m.safetensors"))
    return folder


def graphs() -> graphscore.GraphBatch:
    random = np.random.default_rng(5)
    result = []
    for nodes in (5, 0, 1, 40, 3):
        ends = random.integers(0, max(nodes, 1), (2 * nodes, 2))
        result.append(
            Graph(
                random.standard_normal((nodes, 3)).astype(np.float32),
                ends,
                random.uniform(0.1, 2, len(ends)).astype(np.float32),
                random.standard_normal((len(ends), 2), np.float32),
                random.integers(0, 5, len(ends)).astype(np.uint32),
                random.standard_normal(4, np.float32),
            )
        )
    return batch(result)


@pytest.mark.parametrize("kind", ["consuming", "node", "edge", "graph"])
@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_each_step_has_the_values_of_the_model_that_ends_there(tmp_path: Path, kind: str, chunk: int | None) -> None:
    folder = consuming(tmp_path / kind) if kind == "consuming" else write_steps(tmp_path / kind, kind)
    model, many = graphscore.load_model(folder), graphs()
    engine = ScipyEngine(model, chunk_nodes=chunk)
    plain = engine.score(many)
    assert plain.embedding is None
    steps = [step for step in model.steps if step.level == model.level]
    assert steps
    for step in steps:
        scores = engine.score(many, step.name)
        wanted = ScipyEngine(embedded(model, step.name)).score(many)
        assert scores.embedding is not None
        assert scores.embedding.shape == (many.rows(model.level), step.width)
        assert scores.embedding.tobytes() == wanted.values.tobytes(), step.name
        assert scores.values.tobytes() == plain.values.tobytes(), step.name
        if step.name == "out":  # the last one
            assert scores.embedding.tobytes() == scores.values.tobytes()


def test_steps_that_cannot_be_had(tmp_path: Path, model_folder: Path) -> None:
    engine = graphscore.Engine(graphscore.load_model(write_steps(tmp_path / "graph", "graph")))
    facts: ModelFacts = engine.model
    assert [(step.name, step.level, step.width) for step in facts.steps][-2:] == [
        ("p", "graph", 9),
        ("out", "graph", 2),
    ]
    for name in ("c", "none"):
        with pytest.raises(graphscore.BatchError, match=f"no step '{name}' of level graph; those are p, out"):
            engine.score(graphs(), name)
    layers = graphscore.Engine(graphscore.load_model(model_folder))
    assert not layers.model.steps
    with pytest.raises(graphscore.BatchError, match=r"layers of graphscore/1 have no names"):
        layers.score(graphs(), "h")
    several = graphscore.load_model(write_steps(tmp_path / "two", "node", files=2))
    assert "2 files of weights" in several.no_steps
    assert not several.steps
