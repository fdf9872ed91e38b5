"""Models of steps (graphscore/2): what loads, what is refused and with which sentence, ensembles, categories."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import graphscore
from graphs import Array, Graph, batch

Config = dict[str, Any]

STEPS: list[dict[str, Any]] = [
    {"name": "h", "op": "gine", "inputs": ["x"], "edge_attr": "edge_attr", "weight": "e.weight", "bias": "e.bias"},
    {"name": "r", "op": "activation", "inputs": ["h"], "function": "relu"},
    {"name": "g", "op": "mean_pool", "inputs": ["r"]},
    {"name": "o", "op": "linear", "inputs": ["g"], "weight": "o.weight", "bias": "o.bias"},
]
TENSORS = {"e.weight": (4, 3), "e.bias": (4,), "o.weight": (2, 4), "o.bias": (2,)}


def write(folder: Path, weights: int = 1, **changes: Any) -> Path:
    """Write a model of level graph; changes replace keys of config.json."""
    random = np.random.default_rng(3)
    folder.mkdir(exist_ok=True)
    files = ["model.safetensors"] if weights == 1 else [f"m{i}.safetensors" for i in range(weights)]
    for file in files:
        save_file({key: random.standard_normal(shape, np.float32) for key, shape in TENSORS.items()}, folder / file)
    config = {
        "format": "graphscore/2",
        "name": "steps",
        "level": "graph",
        "inputs": {"x": 4, "edge_attr": 3, "edge_type": 0, "graph_attr": 0, "edge_weight": False},
        "outputs": ["a", "b"],
        "weights": files,
        "ignored": [],
        "steps": STEPS,
    }
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def graph(seed: int = 0, nodes: int = 5, edges: int = 9, **columns: Any) -> Graph:
    random = np.random.default_rng(seed)
    return Graph(
        random.standard_normal((nodes, 4), np.float32),
        random.integers(0, nodes, (edges, 2)),
        edge_features=random.standard_normal((edges, 3), np.float32),
        **columns,
    )


def refusal(folder: Path) -> str:
    with pytest.raises(graphscore.ModelError) as caught:
        graphscore.load_model(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_loads(tmp_path: Path) -> None:
    folder = write(tmp_path)
    model = graphscore.load_model(folder)
    assert (model.name, model.level, model.in_features) == ("steps", "graph", 4)
    assert model.inputs == {"x": 4, "edge_attr": 3}
    assert model.outputs == ("a", "b")
    parts = [hashlib.sha256((folder / name).read_bytes()).digest() for name in ("config.json", "model.safetensors")]
    assert model.digest == "sha256:" + hashlib.sha256(b"".join(parts)).hexdigest()


def step(place: int, **changes: Any) -> Callable[[Config], object]:
    return lambda config: config["steps"][place].update(changes)


def top(**changes: Any) -> Callable[[Config], object]:
    return lambda config: config.update(changes)


def inputs(**changes: Any) -> Callable[[Config], object]:
    return lambda config: config["inputs"].update(changes)


def appended(**entry: Any) -> Callable[[Config], object]:
    return lambda config: config["steps"].append(entry)


WRONG: dict[str, tuple[Callable[[Config], object], str]] = {
    "unknown key": (top(layers=[]), "unknown key 'layers'"),
    "no weights": (lambda c: c.pop("weights"), "key 'weights' is missing"),
    "level": (top(level="molecule"), "level 'molecule' is not supported; supported are edge, graph, node"),
    "level of the last step": (
        top(level="node"),
        "step 'o' (linear) returns 2 values a graph, but level is 'node', and the last step is the output",
    ),
    "inputs no object": (top(inputs=[4]), "inputs: expected an object, got [4]"),
    "inputs missing": (lambda c: c["inputs"].pop("edge_type"), "inputs: key 'edge_type' is missing"),
    "inputs unknown": (inputs(pos=3), "inputs: unknown key 'pos'"),
    "x none": (inputs(x=0), "inputs: x: expected an integer from 1 to 2147483647, got 0"),
    "weight a number": (inputs(edge_weight=1), "inputs: edge_weight: expected true or false, got 1"),
    "too many types": (inputs(edge_type=2**24 + 1), "inputs: edge_type: expected at most 16777216 types"),
    "input that nothing uses": (inputs(graph_attr=2), "inputs.graph_attr is 2, but no step uses it"),
    "weights that nothing uses": (inputs(edge_weight=True), "inputs.edge_weight is 1, but no step uses it"),
    "input that is not read": (
        inputs(edge_attr=0),
        "step 'h' (gine): edge_attr: 'edge_attr' is not read: inputs.edge_attr of config.json says so",
    ),
    "width of an input": (inputs(edge_attr=2), "step 'h' (gine) takes 3 values an edge, but inputs.edge_attr is 2"),
    "width of x": (inputs(x=5), "step 'h' (gine) takes 4 values a node, but inputs.x is 5"),
    "outputs": (top(outputs=["a"]), "step 'o' (linear) returns 2 values a graph, but outputs names 1: a"),
    "output twice": (top(outputs=["a", "a"]), "outputs[1]: 'a' occurs twice"),
    "output reserved": (top(outputs=["a", "graph_id"]), "outputs[1]: 'graph_id' is a column of its own"),
    "weights path": (top(weights=["../m.safetensors"]), "weights[0]: '../m.safetensors' is not the name of a"),
    "weights pickle": (top(weights=["m.pt"]), "weights[0]: 'm.pt' is not the name of a .safetensors file"),
    "weights twice": (top(weights=["model.safetensors"] * 2), "weights[1]: 'model.safetensors' occurs twice"),
    "weights absent": (top(weights=["other.safetensors"]), "has no other.safetensors"),
    "std of one": (top(std=True), "std is true, but weights names one file"),
    "steps none": (top(steps=[]), "steps: expected a list that is not empty, got []"),
    "step no object": (top(steps=["gcn"]), "steps[0]: expected an object, got 'gcn'"),
    "step without name": (lambda c: c["steps"][1].pop("name"), "steps[1]: key 'name' is missing"),
    "two of one name": (step(1, name="h"), "steps[1]: name: 'h' is the name of steps[0] too; names must be unique"),
    "name of an input": (step(1, name="edge_type"), "steps[1]: name: 'edge_type' is the name of an input"),
    "op": (step(1, op="lstm"), "step 'r': op 'lstm' is not supported; supported are activation, add"),
    "inputs no list": (
        step(1, inputs="h"),
        "step 'r' (activation): inputs: expected a list that is not empty, got 'h'",
    ),
    "inputs number": (step(1, inputs=[0]), "step 'r' (activation): inputs[0]: expected the name of an input or of an"),
    "inputs too many": (step(2, inputs=["r", "r"]), "step 'g' (mean_pool): inputs: expected 1 name, got 2"),
    "no such step": (step(1, inputs=["H"]), "step 'r' (activation): inputs[0]: 'H' is neither an input nor a step"),
    "later step": (step(0, inputs=["o"]), "step 'h' (gine): inputs[0]: 'o' is a later step; a step takes inputs and"),
    "itself": (step(1, inputs=["r"]), "step 'r' (activation): inputs[0]: 'r' is the step itself"),
    "cycle": (step(0, edge_attr="r"), "step 'h' (gine): edge_attr: 'r' is a later step"),
    "kind": (
        step(0, edge_attr="x"),
        "step 'h' (gine): edge_attr: inputs.x is 4 values a node, expected values an edge",
    ),
    "kind of a pool": (
        appended(name="p", op="sum_pool", inputs=["o"]),
        "step 'p' (sum_pool): inputs[0]: step 'o' (linear) returns 2 values a graph, expected values a node or an edge",
    ),
    "unused step": (
        lambda c: c["steps"].insert(1, {"name": "u", "op": "gin", "inputs": ["h"]}),
        "step 'u' (gin): no step uses it, and only the last step is the output; remove it",
    ),
    "unknown key of a step": (step(2, eps=1), "step 'g' (mean_pool): unknown key 'eps'; known are inputs, name, op"),
    "unknown parameter": (step(1, alpha=1.0), "step 'r' (activation): unknown key 'alpha'"),
    "parameter": (step(0, eps="0"), "step 'h' (gine): eps: expected a number, got '0'"),
    "parameter too large": (step(0, eps=10**400), "step 'h' (gine): eps: expected a number, got 1000"),
    "choice": (step(0, aggr="median"), "step 'h' (gine): aggr 'median' is not supported; supported are add, max, mean"),
    "no such tensor": (step(3, weight="w"), "no tensor 'w' (step 'o' (linear), weight); the file has e.bias, e.weight"),
    "tensor a number": (step(3, weight=1), "step 'o' (linear): weight must name a tensor, got 1"),
    "no tensor": (lambda c: c["steps"][3].pop("weight"), "step 'o' (linear): weight must name a tensor"),
    "bias alone": (step(0, weight=None), "step 'h' (gine): bias is there without weight"),
    "shape": (step(3, bias="e.bias"), "step 'o' (linear): bias 'e.bias' has shape [4], expected [2] to match weight"),
    "unused tensor": (lambda c: c["steps"][3].pop("bias"), "no step uses tensor o.bias; scores would be wrong"),
    "ignored and used": (top(ignored=["o.bias"]), "tensor 'o.bias' is in ignored, but step 'o' (linear), bias uses it"),
    "embedding of a step": (
        lambda c: c["steps"].insert(
            1, {"name": "u", "op": "embedding", "inputs": ["h"], "columns": [0], "tables": ["o"]}
        ),
        "step 'u' (embedding): inputs[0]: step 'h' (gine) returns 4 values a node; categories are columns of an input",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_wrong_config(change: Callable[[Config], object], message: str, tmp_path: Path) -> None:
    folder = write(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    assert message in refusal(folder)


def test_tensors_that_are_not_finite(tmp_path: Path) -> None:
    folder = write(tmp_path)
    values = load_file(folder / "model.safetensors")
    values["o.bias"][1] = np.nan
    save_file(values, folder / "model.safetensors")
    assert "tensor 'o.bias' (step 'o' (linear), bias) has 1 values that are not finite" in refusal(folder)


def test_members_have_the_same_tensors(tmp_path: Path) -> None:
    folder = write(tmp_path, 2)
    values = load_file(folder / "m1.safetensors")
    save_file(values | {"more": np.zeros(1, np.float32)}, folder / "m1.safetensors")
    assert "m1.safetensors: tensor more has shape [1], but in m0.safetensors it is absent" in refusal(folder)
    save_file(values | {"o.bias": np.zeros(3, np.float32)}, folder / "m1.safetensors")
    assert "tensor o.bias has shape [3], but in m0.safetensors it has shape [2]" in refusal(folder)


def test_an_ensemble_is_the_mean_of_its_members(tmp_path: Path) -> None:
    folder = write(tmp_path / "all", 3, std=True)
    model = graphscore.load_model(folder)
    assert model.outputs == ("a", "b", "a_std", "b_std")
    parts = [hashlib.sha256((folder / name).read_bytes()).digest() for name in ("config.json", "m0.safetensors")]
    parts += [hashlib.sha256((folder / f"m{i}.safetensors").read_bytes()).digest() for i in (1, 2)]
    assert model.digest == "sha256:" + hashlib.sha256(b"".join(parts)).hexdigest()
    graphs = batch([graph(seed, nodes=seed + 1) for seed in range(5)])
    single: list[Array] = []
    for i in range(3):
        one = write(tmp_path / f"{i}")
        (one / "model.safetensors").write_bytes((folder / f"m{i}.safetensors").read_bytes())
        single.append(graphscore.Engine(graphscore.load_model(one)).score(graphs).values.astype(np.float64))
    wanted = np.concatenate([np.mean(single, axis=0), np.std(single, axis=0)], axis=1)
    for chunk in (None, 1):
        values = graphscore.Engine(model, chunk_nodes=chunk).score(graphs).values
        np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=1e-7)
    assert graphscore.load_model(write(tmp_path / "all", 3)).outputs == ("a", "b")


def test_names_of_deviations_are_taken(tmp_path: Path) -> None:
    folder = write(tmp_path, 2, std=True, outputs=["a", "a_std"])
    assert "outputs[0]: a_std is the name of an output too; rename it" in refusal(folder)


def test_graphs_without_nodes_and_edges(tmp_path: Path) -> None:
    engine = graphscore.Engine(graphscore.load_model(write(tmp_path)))
    empty, lonely, usual = graph(nodes=0, edges=0), graph(1, nodes=1, edges=0), graph(2)
    values = engine.score(batch([empty, usual, empty, lonely, empty])).values
    assert values[[0, 2, 4]].tolist() == [[0, 0]] * 3
    assert values[1].tobytes() == engine.score(batch([usual])).values.tobytes()
    assert values[3].tobytes() == engine.score(batch([lonely])).values.tobytes()
    assert engine.score(batch([empty, empty])).values.tolist() == [[0, 0]] * 2


def test_columns_that_a_request_lacks(tmp_path: Path) -> None:
    engine = graphscore.Engine(graphscore.load_model(write(tmp_path)))
    good = batch([graph()])
    for features, found in ((None, "absent"), (np.ones((good.edges, 2), np.float32), "2")):
        bad = graphscore.GraphBatch(
            good.node_counts, good.features, good.in_degrees, good.sources, edge_features=features
        )
        with pytest.raises(graphscore.BatchError, match=f"edge_features: {found}, but the model takes 3"):
            engine.score(bad)


TYPED: list[dict[str, Any]] = [
    {"name": "t", "op": "embedding", "inputs": ["edge_type"], "columns": [0], "tables": ["t"]},
    {"name": "e", "op": "embedding", "inputs": ["edge_attr"], "columns": [2], "tables": ["e"]},
    {"name": "n", "op": "embedding", "inputs": ["x"], "columns": [1], "tables": ["n"]},
    {"name": "g", "op": "embedding", "inputs": ["graph_attr"], "columns": [0], "tables": ["g"]},
    {"name": "te", "op": "add", "inputs": ["t", "e"]},
    {"name": "s", "op": "gather", "inputs": ["n"], "end": "source"},
    {"name": "p", "op": "spread", "inputs": ["g"], "kind": "edge"},
    {"name": "a", "op": "add", "inputs": ["te", "s"]},
    {"name": "o", "op": "add", "inputs": ["a", "p"]},
]


def typed(folder: Path) -> graphscore.Engine:
    write(
        folder,
        level="edge",
        inputs={"x": 4, "edge_attr": 3, "edge_type": 3, "graph_attr": 1, "edge_weight": False},
        steps=TYPED,
    )
    tables = {"t": 4, "e": 5, "n": 6, "g": 7}
    save_file({key: np.ones((rows, 2), np.float32) for key, rows in tables.items()}, folder / "model.safetensors")
    return graphscore.Engine(graphscore.load_model(folder))


def whole(seed: int, **changes: Any) -> Graph:
    """A graph of categories that are all there; changes are (row, column, value)."""
    random = np.random.default_rng(seed)
    result = Graph(
        random.integers(0, 6, (4, 4)).astype(np.float32),
        np.array([[0, 1], [3, 2], [1, 2]]),
        edge_features=random.integers(0, 5, (3, 3)).astype(np.float32),
        edge_types=random.integers(0, 3, 3).astype(np.uint32),
        graph_features=np.array([6], np.float32),
    )
    for name, (place, value) in changes.items():
        getattr(result, name)[place] = value
    return result


def test_categories_out_of_range(tmp_path: Path) -> None:
    engine = typed(tmp_path)
    good = whole(0)
    bad = {
        "x[1] of node 2 is 6, but the model knows the categories 0 to 5 there": whole(1, features=((2, 1), 6)),
        "x[1] of node 0 is 1.5, but the model knows the categories 0 to 5 there": whole(2, features=((0, 1), 1.5)),
        "x[1] of node 3 is nan, but the model knows the categories 0 to 5 there": whole(3, features=((3, 1), np.nan)),
        "edge_attr[2] of the edge from node 3 to node 2 is -1, but the model knows the categories 0 to 4 there": whole(
            4, edge_features=((1, 2), -1)
        ),
        "edge_type of the edge from node 1 to node 2 is 3, but the model knows the categories 0 to 2 there": whole(
            5, edge_types=(2, 3)
        ),
        "edge_type of the edge from node 0 to node 1 is 4294967295, but the model knows the categories 0 to 2 there": (
            whole(6, edge_types=(0, 2**32 - 1))
        ),
        "graph_attr[0] is 7, but the model knows the categories 0 to 6 there": whole(7, graph_features=(0, 7)),
    }
    graphs = [good]
    for one in bad.values():
        graphs += [one, good]
    scores = engine.score(batch(graphs))
    assert [(failure.graph, failure.code, failure.message) for failure in scores.failed] == [
        (2 * place + 1, "category_out_of_range", message) for place, message in enumerate(bad)
    ]
    rows = scores.values.reshape(len(graphs), 3, 2)
    assert (rows[1::2] == 0).all()
    assert {row.tobytes() for row in rows[::2]} == {engine.score(batch([good])).values.tobytes()}
    # A column that no table is for may have any value.
    assert not engine.score(batch([whole(8, features=((0, 0), 99))])).failed


def test_an_edge_that_leaves_its_graph_comes_before_its_category(tmp_path: Path) -> None:
    engine = typed(tmp_path)
    good = batch([whole(0), whole(1, edge_types=(0, 9))])
    sources = good.sources.copy()
    sources[3] = 0
    columns = (good.edge_features, good.edge_types, good.graph_features)
    broken = graphscore.GraphBatch(good.node_counts, good.features, good.in_degrees, sources, None, *columns)
    assert [(failure.graph, failure.code) for failure in engine.score(broken).failed] == [(1, "edge_out_of_range")]
