"""The engine of a model folder is chosen by its files, in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphscore
from graphs import write_model
from graphscore import _engines
from graphscore._engines import Engine, EngineInfo
from graphscore._engines.scipy_engine import ScipyEngine


def test_config_and_safetensors_are_scipy(tmp_path: Path) -> None:
    loaded = _engines.load(str(write_model(tmp_path)))
    assert isinstance(loaded, graphscore.Engine)
    assert loaded.info().name == "scipy"
    assert sorted(loaded.info().versions) == ["numpy", "scipy"]


def test_a_further_engine_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_model(tmp_path / "model")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.onnx").touch()

    class Other(ScipyEngine):
        def info(self) -> EngineInfo:
            return EngineInfo("other", {}, "unknown")

    def load(_: Path) -> Engine:
        return Other(graphscore.load_model(folder))

    monkeypatch.setattr(_engines, "_FORMATS", (*_engines._FORMATS, _engines._Format(("model.onnx",), load)))
    assert _engines.load(tmp_path / "other").info().name == "other"
    assert _engines.load(folder).info().name == "scipy"


def test_a_folder_of_no_kind_is_an_error_that_describes_a_model(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(
            graphscore.ModelError, match=r"a model is a folder with config\.json and model\.safetensors"
        ):
            _engines.load(folder)
