"""Model folders: what loads, and one clear sentence for everything that does not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import graphscore
from graphs import write_model


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def tensors(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = load_file(folder / "model.safetensors")
    change(values)
    save_file(values, folder / "model.safetensors")


def test_loads(tmp_path: Path) -> None:
    folder = write_model(tmp_path, ("gcn", "sage"), (3, 8, 2))
    model = graphscore.load_model(str(folder))
    assert (model.name, model.in_features, model.outputs) == ("test-model", 3, ("s0", "s1"))
    assert (model.level, model.inputs) == ("node", {"x": 3, "edge_weight": 1})
    (network,) = model.members
    assert [(placed.where, placed.op, placed.step.width) for placed in network.steps] == [
        ("layer 0 (gcn)", "gcn", 8),
        ("layer 0 (gcn)", "activation", 8),
        ("layer 1 (sage)", "sage", 2),
    ]


def test_digest(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    parts = [hashlib.sha256((folder / name).read_bytes()).digest() for name in ("config.json", "model.safetensors")]
    assert graphscore.load_model(folder).digest == "sha256:" + hashlib.sha256(b"".join(parts)).hexdigest()


def test_links_as_in_the_hugging_face_cache(tmp_path: Path) -> None:
    write_model(tmp_path / "plain")
    (tmp_path / "blobs").mkdir()
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "plain" / name).rename(tmp_path / "blobs" / name[:5])
        (snapshot / name).symlink_to(f"../../blobs/{name[:5]}")
    assert graphscore.load_model(snapshot).name == "test-model"


REQUIRED = ("convs.0.lin.weight", "convs.1.lin_l.weight")


def test_optional_parts(tmp_path: Path) -> None:
    folder = write_model(tmp_path, ("gcn", "sage"))

    def change(config: dict[str, Any]) -> None:
        config["layers"][0]["bias"] = None
        del config["layers"][1]["bias"], config["layers"][1]["root"], config["output_activation"]

    edit(folder, change)
    tensors(folder, lambda values: [values.pop(name) for name in list(values) if name not in REQUIRED])
    assert len(graphscore.load_model(folder).members[0].steps) == 3


def first_layer(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda config: config["layers"][0].update(changes)


def top(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda config: config.update(changes)


def only(**keys: Any) -> Callable[[dict[str, Any]], object]:
    def change(config: dict[str, Any]) -> None:
        config.clear()
        config.update(keys)

    return change


CONFIGS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "format": (
        top(format="graphscore/3"),
        "format is 'graphscore/3', only 'graphscore/1' and 'graphscore/2' can be read",
    ),
    "no format": (lambda c: c.pop("format"), "format is None"),
    "of transformers": (
        only(architectures=["BertModel"], model_type="bert"),
        r"another program \(model_type is 'bert'\), .* graphscore/1 needs the keys format, name, in_features",
    ),
    "of PyG": (only(in_channels=3), r"of another program \(in_channels is 3\)"),
    "unknown key": (top(ouputs=["a"]), "unknown key 'ouputs'; known are format, ignored, in_features"),
    "missing key": (lambda c: c.pop("name"), "key 'name' is missing"),
    "name": (top(name=""), "name: expected a string that is not empty, got ''"),
    "name of lines": (top(name="a\nb"), "characters that cannot be printed"),
    "in_features": (top(in_features=0), "in_features: expected an integer from 1 to 2147483647, got 0"),
    "in_features true": (top(in_features=True), "in_features: expected an integer from 1 to 2147483647, got True"),
    "in_features other": (top(in_features=4), r"layer 0 \(gcn\) takes 3 values a node, but in_features is 4"),
    "outputs none": (top(outputs=[]), r"outputs: expected a list that is not empty, got \[\]"),
    "outputs text": (top(outputs="score"), "outputs: expected a list that is not empty, got 'score'"),
    "outputs twice": (top(outputs=["a", "a"]), r"outputs\[1\]: 'a' occurs twice"),
    "outputs reserved": (top(outputs=["node_id"]), r"outputs\[0\]: 'node_id' is a column of its own"),
    "outputs empty": (top(outputs=[""]), r"outputs\[0\]: expected a string that is not empty"),
    "outputs many": (top(outputs=["a", "b"]), r"layer 1 \(gcn\) returns 1 values a node, but outputs names 2"),
    "output activation": (top(output_activation="tanh"), "output_activation 'tanh' is not supported; supported are"),
    "layers none": (top(layers=[]), r"layers: expected a list that is not empty, got \[\]"),
    "layers text": (top(layers=["gcn"]), "layer 0: expected an object, got 'gcn'"),
    "layer type": (first_layer(type="gat"), "layer 0: type 'gat' is not supported; supported are gcn, sage"),
    "layer key": (first_layer(wieght="x"), r"layer 0 \(gcn\): unknown key 'wieght'; known are activation, bias"),
    "layer other key": (first_layer(root="x"), r"layer 0 \(gcn\): unknown key 'root'"),
    "no activation": (lambda c: c["layers"][0].pop("activation"), r"layer 0 \(gcn\): key 'activation' is missing"),
    "activation": (
        first_layer(activation="gelu"),
        r"layer 0 \(gcn\): activation 'gelu' is not supported; supported are",
    ),
    "activation list": (first_layer(activation=["relu"]), r"activation \['relu'\] is not supported"),
    "no weight": (first_layer(weight=None), r"layer 0 \(gcn\): weight must name a tensor"),
    "weight number": (first_layer(weight=3), r"layer 0 \(gcn\): weight must name a tensor, got 3"),
    "absent tensor": (
        first_layer(weight="w"),
        r"no tensor 'w' \(layer 0 \(gcn\), weight\); the file has convs",
    ),
    "vector": (first_layer(weight="convs.0.bias"), r"'convs.0.bias' \(layer 0 \(gcn\), weight\) has shape \[8\]"),
    "matrix": (first_layer(bias="convs.0.lin.weight"), r"has shape \[8, 3\], expected \[out\]"),
    "bias length": (
        first_layer(bias="convs.1.bias"),
        r"bias 'convs.1.bias' has shape \[1\], expected \[8\] to match weight",
    ),
    "chain": (
        first_layer(weight="convs.1.lin.weight", bias=None),
        r"layer 0 \(gcn\) takes 8 values a node, but in_features is 3",
    ),
}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_wrong_config(name: str, tmp_path: Path) -> None:
    change, message = CONFIGS[name]
    folder = write_model(tmp_path)
    edit(folder, change)
    refused(folder, message)


def test_chain_of_layers(tmp_path: Path) -> None:
    folder = write_model(tmp_path, ("sage", "gcn"), (3, 8, 1))
    tensors(folder, lambda values: values.update({"convs.1.lin.weight": np.zeros((1, 9), np.float32)}))
    refused(folder, r"layer 1 \(gcn\) takes 9 values a node, but layer 0 \(sage\) returns 8")


def test_root_of_another_shape(tmp_path: Path) -> None:
    folder = write_model(tmp_path, ("sage",), (3, 2))
    tensors(folder, lambda values: values.update({"convs.0.lin_r.weight": np.zeros((2, 4), np.float32)}))
    refused(folder, r"root 'convs.0.lin_r.weight' has shape \[2, 4\], expected \[2, 3\] to match neighbor")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "config.json is not JSON"),
        ("", "config.json is not JSON"),
        ("[1]", r"config.json: expected an object, got \[1\]"),
        ('{"format": "graphscore/1", "format": "graphscore/1"}', "key 'format' occurs twice"),
        ('{"format": NaN}', "NaN is not a JSON value"),
        ("[" * 100_000, "config.json is not JSON"),
        ("\xff", "config.json is not JSON"),
        (" " * (1 << 21), "larger than 1048576 bytes"),
    ],
)
def test_config_that_is_none(text: str, message: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    refused(folder, message)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tensors(folder, lambda values: values["convs.1.bias"].fill(value))
    refused(folder, r"tensor 'convs.1.bias' \(layer 1 \(gcn\), bias\) has 1 values that are not finite")


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32])
def test_other_types(kind: type[np.generic], tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tensors(folder, lambda values: values.update({"convs.0.bias": values["convs.0.bias"].astype(kind)}))
    refused(folder, r"tensor 'convs.0.bias' .* is (F64|F16|I32), only F32 is supported")


@pytest.mark.fault(
    "28",
    "weights whose header claims 100 GB or is no JSON, that are cut, empty, of zeros, too long, or a pickle",
    "refused in one line, nothing is unpickled",
)
def test_safetensors_that_are_none(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    path = folder / "model.safetensors"
    good = path.read_bytes()
    broken = {
        "a header of 100 GB": struct.pack("<Q", 100 << 30) + good[8:],
        "cut in the header": good[:20],
        "cut in the data": good[:-4],
        "empty": b"",
        "zeros": bytes(4096),
        "a pickle": b"\x80\x02}q\x00.",
        "too long": good + b"\0" * 8,
        "no JSON": struct.pack("<Q", 8) + b"{{{{{{{{",
    }
    for what, data in broken.items():
        path.write_bytes(data)
        with pytest.raises(graphscore.ModelError, match="is not a whole safetensors file") as caught:
            graphscore.load_model(folder)
        assert "\n" not in str(caught.value), what


def test_folders(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "model folder .*absent does not exist")
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "is not a folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "has no model.safetensors; a model is a folder with")
    folder = write_model(tmp_path / "no config")
    (folder / "config.json").unlink()
    refused(folder, "has no config.json")
    os.mkfifo(folder / "config.json")  # opening it would wait for ever
    refused(folder, "config.json is not a regular file")
    (folder / "model.safetensors").rename(folder / "model.safetensors.index.json")
    refused(folder, "weights in several files; save them as one")
    folder = write_model(tmp_path / "config is a folder")
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    refused(folder, "config.json is not a regular file")


@pytest.mark.fault("28", "pickles that would create a file, as weights", "refused, nothing is unpickled")
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth"])
def test_pickles_are_never_read(name: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "model.safetensors").unlink()
    # Unpickled, this would create a file.
    (folder / name).write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "ran") + b"'\ntR.")
    refused(folder, f"only {name}, which is never unpickled; convert it with safetensors.torch.save_file")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_of_a_model_folder_names_the_folder(name: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    refused(folder / name, f"is not a folder; a model is a folder with .*: name {re.escape(str(folder))}$")


@pytest.mark.fault("28", "a pickle that would create a file, as the model", "refused, nothing is unpickled")
@pytest.mark.parametrize("name", ["gcn.pt", "gcn.pkl", "pytorch_model.bin"])
def test_a_pickle_as_model_is_never_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "ran") + b"'\ntR.")
    refused(path, "is not a folder; nothing is unpickled here: convert it with safetensors.torch.save_file")
    assert not (tmp_path / "ran").exists()


def refused(folder: Path, message: str) -> None:
    with pytest.raises(graphscore.ModelError, match=message) as caught:
        graphscore.load_model(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder) in text
