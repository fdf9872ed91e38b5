"""graphscore: scores batches of graphs with a graph convolutional network.

Words: a *model* is a folder with `config.json` and `model.safetensors`; an *engine* turns a *batch* (many
graphs side by side, in columns) into *scores*; a *server* offers an engine over gRPC.

    >>> import graphscore
    >>> engine = graphscore.Engine(graphscore.load_model("model"))      # doctest: +SKIP
    >>> scores = engine.score(graphscore.GraphBatch(...))               # doctest: +SKIP

README.md describes the model folder, shapes and options. Names are imported when they are first used: numpy reads
its thread settings when it is imported, and the server sets them before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphscore._batch import BatchError, Failure, GraphBatch, Scores
    from graphscore._config import ModelError
    from graphscore._engines import EngineError
    from graphscore._engines.scipy_engine import ScipyEngine as Engine
    from graphscore._library import TableScorer, TableScores, load
    from graphscore._model import Model, load_model
    from graphscore._serving.options import OptionError, ServerOptions
    from graphscore._serving.server import ServeError, Server
    from graphscore._tables.faults import TableError
    from graphscore._version import __version__

__all__ = [
    "BatchError",
    "Engine",
    "EngineError",
    "Failure",
    "GraphBatch",
    "Model",
    "ModelError",
    "OptionError",
    "Scores",
    "ServeError",
    "Server",
    "ServerOptions",
    "TableError",
    "TableScorer",
    "TableScores",
    "__version__",
    "load",
    "load_model",
]

_HOMES = {  # the module of each name, and its name there where that differs
    "BatchError": "_batch",
    "Engine": "_engines.scipy_engine:ScipyEngine",
    "EngineError": "_engines",
    "Failure": "_batch",
    "GraphBatch": "_batch",
    "Model": "_model",
    "ModelError": "_config",
    "OptionError": "_serving.options",
    "Scores": "_batch",
    "ServeError": "_serving.server",
    "Server": "_serving.server",
    "ServerOptions": "_serving.options",
    "TableError": "_tables.faults",
    "TableScorer": "_library",
    "TableScores": "_library",
    "__version__": "_version",
    "load": "_library",
    "load_model": "_model",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'graphscore' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    module, _, attribute = _HOMES[name].partition(":")
    value: object = getattr(import_module(f"graphscore.{module}"), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
