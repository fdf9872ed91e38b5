"""Engines: what computes a model. Each is a module here; whatever serves or calls one uses the protocol `Engine`.

A further engine is one module with a `load(folder) -> Engine`, and one line in `_FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphscore._engines import scipy_engine
from graphscore._engines._engine import Engine, EngineError, EngineInfo, ModelFacts
from graphscore._model import CONFIG, WEIGHTS

__all__ = ["Engine", "EngineError", "EngineInfo", "ModelFacts", "load"]


@dataclass(frozen=True)
class _Format:
    """A kind of model folder: the files that distinguish it, and the engine that computes it."""

    files: tuple[str, ...]
    load: Callable[[Path], Engine]


_FORMATS: Final = (_Format((CONFIG, WEIGHTS), scipy_engine.load),)
"""The first one whose files a folder has is used."""


def load(folder: str | Path) -> Engine:
    """Load a model folder with the engine that its files ask for.

    Raises ModelError if the folder is none of the known kinds or does not load, and EngineError if the engine
    cannot compute the model on this machine.
    """
    folder = Path(folder)
    for form in _FORMATS:
        if _has(folder, form.files):
            return form.load(folder)
    return _FORMATS[0].load(folder)  # whose error names what is missing


def _has(folder: Path, files: tuple[str, ...]) -> bool:
    try:
        return all((folder / name).exists() for name in files)
    except OSError:
        return False
