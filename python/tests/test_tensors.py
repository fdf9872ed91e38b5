"""Tensors that no layer uses are refused by name, and weights stored as [in, out] are told from others."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import graphscore
from graphs import write_model

Values = dict[str, Any]


def norm(width: int = 8) -> Values:
    """The tensors of torch_geometric.nn.BatchNorm."""
    values: Values = {
        f"norms.0.module.{name}": np.ones(width, np.float32)
        for name in ("weight", "bias", "running_mean", "running_var")
    }
    return values | {"norms.0.module.num_batches_tracked": np.array(7)}


def add(folder: Path, values: Values) -> Path:
    path = folder / "model.safetensors"
    save_file(load_file(path) | values, path)
    return folder


def configure(folder: Path, **changes: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(graphscore.ModelError) as caught:
        graphscore.load_model(folder)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_batch_norm_without_a_layer(tmp_path: Path) -> None:
    folder = add(write_model(tmp_path, widths=(8, 8, 1)), norm())
    assert refusal(folder) == (
        f"{folder}/model.safetensors: no layer uses 4 tensors: norms.0.module.bias, norms.0.module.running_mean,"
        " norms.0.module.running_var, norms.0.module.weight; norms.0.module.running_mean looks like a BatchNorm, which"
        " config.json has no layer for; scores would be wrong without what the model was trained with: describe it in"
        " layers, or name it in ignored of config.json if no score depends on it"
    )
    configure(folder, ignored=[f"norms.0.module.{name}" for name in ("weight", "bias", "running_mean", "running_var")])
    assert graphscore.load_model(folder).name == "test-model"


LOOKS = {
    "norms.0.running_var": "looks like a BatchNorm",
    "norms.0.mean_scale": "looks like a GraphNorm",
    "convs.0.att_src": "looks like the attention of a GAT",
    "convs.0.lin_r.weight": "looks like the root weight of a sage layer, which config.json names under root",
    "head.bias": "looks like the bias of a layer, which config.json names under bias",
}


@pytest.mark.parametrize("name", sorted(LOOKS))
def test_what_an_unused_tensor_looks_like(name: str, tmp_path: Path) -> None:
    text = refusal(add(write_model(tmp_path), {name: np.zeros(3, np.float32)}))
    assert f"no layer uses tensor {name}; {name} {LOOKS[name]}" in text


def test_many_unused_tensors(tmp_path: Path) -> None:
    text = refusal(add(write_model(tmp_path), {f"head.{i:03}": np.zeros(1, np.float32) for i in range(300)}))
    assert "no layer uses 300 tensors: head.000, head.001, " in text
    assert "head.007, ...; scores" in text
    assert "head.008" not in text


def test_a_bias_that_config_leaves_out(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    del config["layers"][0]["bias"]
    configure(folder, **config | {"layers": config["layers"]})
    assert "no layer uses tensor convs.0.bias; convs.0.bias looks like the bias of a layer" in refusal(folder)


@pytest.mark.parametrize("name", ["num_batches_tracked", "norms.0.num_batches_tracked"])
def test_a_counter_of_training_steps_passes(name: str, tmp_path: Path) -> None:
    assert graphscore.load_model(add(write_model(tmp_path), {name: np.array(7)})).members


def test_a_name_that_only_ends_like_the_counter_does_not_pass(tmp_path: Path) -> None:
    assert "no layer uses tensor xnum_batches_tracked" in refusal(
        add(write_model(tmp_path), {"xnum_batches_tracked": np.array(7)})
    )


def test_ignored_tensors_may_hold_anything(tmp_path: Path) -> None:
    values = {"scaler": np.full(3, np.nan), "classes": np.zeros((0, 4), np.int64)}
    folder = configure(add(write_model(tmp_path), values), ignored=["scaler", "classes"])
    assert graphscore.load_model(folder).members
    assert graphscore.load_model(configure(write_model(tmp_path / "none"), ignored=[])).members


IGNORED: dict[str, tuple[object, str]] = {
    "absent": (["nope"], "no tensor 'nope' (ignored); the file has convs.0.bias, "),
    "used": (["convs.1.bias"], "tensor 'convs.1.bias' is in ignored, but layer 1 (gcn), bias uses it"),
    "twice": (["x", "x"], "ignored[1]: 'x' occurs twice; names must be unique"),
    "text": ("x", "ignored: expected a list of names, got 'x'"),
    "null": (None, "ignored: expected a list of names, got None"),
    "number": ([3], "ignored[0]: expected a name, got 3"),
}


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_ignored_that_is_wrong(name: str, tmp_path: Path) -> None:
    value, message = IGNORED[name]
    assert message in refusal(configure(add(write_model(tmp_path), {"x": np.zeros(1)}), ignored=value))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100).filter(
    lambda name: name != "__metadata__" and not name.startswith("convs.") and not name.endswith("num_batches_tracked")
)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["gcn", "sage"]), min_size=1, max_size=3), st.sets(NAMES, max_size=12))
def test_any_superset_is_refused_by_name_and_the_exact_set_loads(
    tmp_path: Path, kinds: list[str], more: set[str]
) -> None:
    folder = write_model(tmp_path, kinds, (3, 5, 4, 2)[: len(kinds) + 1])
    assert len(graphscore.load_model(folder).members[0].steps) == 2 * len(kinds) - 1
    add(folder, {name: np.zeros(2, np.float32) for name in more})
    if more:
        text = refusal(folder)
        assert (f"{len(more)} tensors: " if len(more) > 1 else "no layer uses tensor ") in text
        first = min(more)
        assert (first if first.isprintable() and len(first) <= 60 else repr(first)[:57]) in text
    assert graphscore.load_model(configure(folder, ignored=sorted(more))).members


def old_style(tmp_path: Path, kind: str = "gcn", widths: tuple[int, ...] = (3, 8, 1), *, bias: bool = True) -> Path:
    """A model whose weights are [in, out]."""
    kinds = (kind,) * (len(widths) - 1)
    folder = write_model(tmp_path, kinds, widths)
    values = load_file(folder / "model.safetensors")
    if not bias:
        values = {name: value for name, value in values.items() if not name.endswith("bias")}
        config = json.loads((folder / "config.json").read_text())
        configure(folder, layers=[{k: v for k, v in layer.items() if k != "bias"} for layer in config["layers"]])
    save_file({name: np.ascontiguousarray(value.T) for name, value in values.items()}, folder / "model.safetensors")
    return folder


FITS = "its transpose would fit: weights are [out, in], this one is [in, out], so save it transposed"


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["gcn", "sage"])
def test_weights_of_in_and_out(kind: str, bias: bool, tmp_path: Path) -> None:
    text = refusal(old_style(tmp_path, kind, bias=bias))
    assert f"layer 0 ({kind}) takes 8 values a node, but in_features is 3; convs.0.lin" in text
    assert f"is [3, 8] and {FITS}" in text


def test_a_later_weight_of_in_and_out(tmp_path: Path) -> None:
    """The first one is square, and so nobody can tell."""
    text = refusal(old_style(tmp_path, widths=(8, 8, 1)))
    assert "layer 1 (gcn) takes 1 values a node, but layer 0 (gcn) returns 8; convs.1.lin.weight is [8, 1]" in text
    assert FITS in text


def test_only_the_root_is_of_in_and_out(tmp_path: Path) -> None:
    folder = write_model(tmp_path, ("sage",), (3, 2))
    text = refusal(add(folder, {"convs.0.lin_r.weight": np.zeros((3, 2), np.float32)}))
    assert "root 'convs.0.lin_r.weight' has shape [3, 2], expected [2, 3] to match neighbor; convs.0.lin_r" in text
    assert FITS in text


def test_a_weight_that_fits_neither_way_is_not_called_transposed(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    assert "transpose" not in refusal(add(folder, {"convs.0.lin.weight": np.zeros((5, 4), np.float32)}))


def rename(folder: Path, name: str, other: str) -> Path:
    values = load_file(folder / "model.safetensors")
    save_file({other if key == name else key: value for key, value in values.items()}, folder / "model.safetensors")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace(json.dumps(name), json.dumps(other)))
    return folder


OLD_NAMES = {
    "convs.0.weight": True,
    "weight": True,
    "online.weight": True,
    "convs.0.lin.weight": False,
    "linear.weight": False,
    "w": False,
}


@pytest.mark.parametrize(("name", "warns"), OLD_NAMES.items())
def test_a_square_weight_of_an_old_name(
    name: str, warns: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = rename(write_model(tmp_path, widths=(8, 8, 1)), "convs.0.lin.weight", name)
    with caplog.at_level(logging.WARNING):
        graphscore.load_model(folder)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * warns
    if warns:
        assert f"{folder}/model.safetensors: {name} is square and may be [in, out], as PyG" in caplog.text


def test_square_weights_warn_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_model(tmp_path, ("gcn", "gcn", "gcn"), (8, 8, 8, 1))
    for index in range(3):
        rename(folder, f"convs.{index}.lin.weight", f"convs.{index}.weight")
    graphscore.load_model(folder)
    assert len(caplog.records) == 1
    assert "convs.0.weight is square" in caplog.text
    assert "(and 1 more like it)" in caplog.text


def test_a_weight_of_one_value_and_other_shapes_do_not_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graphscore.load_model(rename(write_model(tmp_path, ("gcn",), (1, 1)), "convs.0.lin.weight", "convs.0.weight"))
    folder = write_model(tmp_path / "wide", ("gcn",), (3, 1))
    graphscore.load_model(rename(folder, "convs.0.lin.weight", "convs.0.weight"))
    assert not caplog.records
