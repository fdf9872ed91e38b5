"""Writing model folders, and what is said where PyTorch is missing; `make test-pyg` has the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import graphscore
from graphscore.export import ExportError, from_pyg, load_state_dict
from graphscore.export._folder import config_text, new_folder, write

STEPS: list[dict[str, Any]] = [
    {"name": "h", "op": "gcn", "inputs": ["x"], "weight": "conv.lin.weight", "bias": "conv.bias"},
    {"name": "größe", "op": "activation", "inputs": ["h"], "function": "relu"},
]
TENSORS = {
    "conv.lin.weight": np.array([[1, -2], [0.5, 3], [7, 0]], np.float32),
    "conv.bias": np.array([0.25, 0, -1], np.float32),
}
INPUTS = {"x": 2, "edge_attr": 0, "edge_type": 0, "graph_attr": 0, "edge_weight": False}
OUTPUTS = ["a", "b", "c"]


def fill(folder: Path) -> None:
    write(folder, name="tiny", level="node", inputs=INPUTS, outputs=OUTPUTS, steps=STEPS, tensors=TENSORS)


def test_a_written_folder_loads(tmp_path: Path) -> None:
    with new_folder(tmp_path / "models" / "tiny") as made:
        fill(made)
    folder = tmp_path / "models" / "tiny"
    model = graphscore.load_model(folder)
    assert (model.name, model.level, model.outputs, model.in_features) == ("tiny", "node", ("a", "b", "c"), 2)
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(saved[name], tensor)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]
    assert (folder / "config.json").stat().st_mode & 0o444 == 0o444 & ~_umask()


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_step_is_a_line() -> None:
    text = config_text("tiny", "node", INPUTS, OUTPUTS, STEPS)
    assert json.loads(text)["steps"] == STEPS
    lines = text.splitlines()
    assert [line for line in lines if '"op"' in line] == [
        '    {"name": "h", "op": "gcn", "inputs": ["x"], "weight": "conv.lin.weight", "bias": "conv.bias"},',
        '    {"name": "größe", "op": "activation", "inputs": ["h"], "function": "relu"}',
    ]
    assert len(lines) == len(STEPS) + 11


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        with new_folder(folder) as made:
            fill(made)
            raise ExportError("not the same scores")

    with pytest.raises(ExportError, match="not the same scores"):
        fails(tmp_path / "some" / "where" / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_model_that_is_there(tmp_path: Path) -> None:
    with new_folder(tmp_path / "tiny") as made:
        fill(made)
    before = {path: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}

    def stops(folder: Path) -> None:
        with new_folder(folder) as made:
            (made / "config.json").write_text("half of")
            raise ExportError("stopped")

    with pytest.raises(ExportError, match="stopped"):
        stops(tmp_path / "tiny")
    assert {path: path.read_bytes() for path in (tmp_path / "tiny").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_card_beside_a_model_stays(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("what the model is for")
    for _ in range(2):
        with new_folder(tmp_path) as made:
            fill(made)
    assert (tmp_path / "README.md").read_text() == "what the model is for"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_folders_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "graphs.parquet").write_text("")
    with pytest.raises(ExportError, match="file is a file; name a folder"), new_folder(tmp_path / "file"):
        pass
    with (
        pytest.raises(ExportError, match=r"has graphs\.parquet, which is no part of a model"),
        new_folder(tmp_path / "data"),
    ):
        pass
    with pytest.raises(ExportError, match="file: "), new_folder(tmp_path / "file" / "model"):
        pass


def test_without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("graphscore.export._pyg")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ExportError, match=r"needs torch >= 2.10 .* pip install 'graphscore\[export\]'"):
        from_pyg(object(), tmp_path / "model", example={})
    with pytest.raises(ExportError, match=r"pip install 'graphscore\[export\]'"):
        load_state_dict(object(), {})
    assert list(tmp_path.iterdir()) == []


def test_importing_export_imports_no_torch() -> None:
    import subprocess

    script = "import sys, graphscore.export; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
