"""Compares a written folder with the module: |ours - b| <= max(1e-5 size, min(2 |b32 - b|, 1e-2 size)) on every graph.

b is what the module computes in float64 for one graph at a time, size is max(1, |b|), b32 what it computes in
float32, ours what graphscore's engine computes with the folder, for all graphs in one batch.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.overrides import TorchFunctionMode

from graphscore._batch import BatchError, Scores
from graphscore._config import ModelError
from graphscore._engines import EngineError
from graphscore._engines.scipy_engine import ScipyEngine
from graphscore._model import Model, load_model
from graphscore.export._error import ExportError
from graphscore.export._graphs import Graph, batch, beside, order
from graphscore.export._inputs import Arguments, data_object

_Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_SHOWN: Final = 120  # characters of somebody else's message
_TOLERANCE: Final = 1e-5
_MOST: Final = 1e-2
"""However far the module's own float32 is from its float64: what lies between the two need not be rounding."""
_DOUBLE: Final = {torch.float32: torch.float64, torch.float: torch.float64}


class _Doubled(TorchFunctionMode):  # type: ignore[misc]
    """Makes a forward that asks for float32 compute in float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = {key: self._twice(value) for key, value in (kwargs or {}).items()}
        if func is torch.Tensor.float:
            return args[0].double()
        return func(*map(self._twice, args), **kwargs)

    @staticmethod
    def _twice(value: Any) -> Any:
        return _DOUBLE.get(value, value) if isinstance(value, torch.dtype) else value


class Reference:
    """A module as it is in eval mode on the CPU, in one type of floating point numbers.

    Args:
        module: a copy of the user's module, which belongs to the reference from now on.
        arguments: how its forward is called.
        dtype: torch.float32 or torch.float64.
    """

    def __init__(self, module: torch.nn.Module, arguments: Arguments, dtype: torch.dtype) -> None:
        self.module: Final = module.to(dtype).eval()
        self.arguments: Final = arguments
        self._dtype = dtype

    def run(self, graph: Graph) -> Any:
        """Return what forward returns for one graph."""
        make = functools.partial(data_object, graphs=graph.rows("graph"))
        types = {name: torch.int64 for name, column in self.arguments.columns.items() if column.integer}
        given = graph.given(types, self._dtype)
        before = torch.get_default_dtype()
        mode = _Doubled() if self._dtype is torch.float64 else None
        try:
            torch.set_default_dtype(self._dtype)
            with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state = torch.get_rng_state()
                with mode or contextlib.nullcontext():
                    result = self.arguments.call(self.module, given, make)
                if not torch.equal(state, torch.get_rng_state()):
                    raise ExportError(
                        "forward draws random numbers in eval mode, so that a graph has no one score; draw them only"
                        " if self.training"
                    )
                return result
        finally:
            torch.set_default_dtype(before)


def reference(module: torch.nn.Module, arguments: Arguments, dtype: torch.dtype) -> Reference:
    """Return a reference of a copy of a module."""
    return Reference(copy.deepcopy(module), arguments, dtype)


def check(
    folder: Path,
    module: torch.nn.Module,
    arguments: Arguments,
    found: Sequence[Graph],
    inputs: dict[str, int | bool],
    refused: Callable[[str], ExportError],
) -> list[str]:
    """Raise ExportError where the folder does not load, or its scores are not those of the module.

    Args:
        folder: the model.
        module: the user's, which is copied.
        arguments: how its forward is called.
        found: the graphs.
        inputs: the columns that the model reads.
        refused: makes the error of what the engine says of a step.

    Returns:
        a sentence for each kind of graph that the folder scores and the module, called with it alone, does not.
    """
    model, ours = _score(folder, found, inputs, refused)
    if ours.failed:
        graph = found[ours.failed[0].graph]
        raise ExportError(
            f"graphscore refuses a graph ({graph.what}) that forward is fine with: {ours.failed[0].message}"
        )
    pair = [reference(module, arguments, dtype) for dtype in (torch.float64, torch.float32)]
    other = next(graph for graph in reversed(found) if not graph.kind)
    row, finite = 0, 0
    missing: dict[tuple[str, bool], list[str]] = {}
    for graph in found:
        own = np.asarray(ours.values[row : row + graph.rows(model.level)], np.float64)
        row += graph.rows(model.level)
        if not own.size:
            continue
        alone = [_scores(one, graph, model) for one in pair]
        why = next((one for one in alone if isinstance(one, str)), None)
        if why is not None:
            missing.setdefault((why, _scored_beside(pair, graph, other, model, own)), []).append(graph.kind)
            continue
        exact, rough = alone
        finite += int(np.isfinite(exact).sum())
        _compare(graph, model.outputs, own, exact, rough)
    if not finite:
        raise ExportError("none of the module's own scores of random graphs is finite; nothing can be compared")
    return [_said(kinds, why, compared) for (why, compared), kinds in missing.items()]


def _said(kinds: Sequence[str], why: str, compared: bool) -> str:
    said = f"the module {why} for {', for '.join(kinds)}, when it is called with that alone"
    if compared:
        return f"{said}; the folder has the scores that the module has for it in a batch with another graph"
    return (
        f"{said}; the folder has scores for such graphs, which could be compared with nothing: leave them out of the"
        " input where they must not be scored"
    )


def _score(
    folder: Path, found: Sequence[Graph], inputs: dict[str, int | bool], refused: Callable[[str], ExportError]
) -> tuple[Model, Scores]:
    try:
        model = load_model(folder)
        with threadpool_limits(limits=1, user_api="blas"):  # as in the workers
            return model, ScipyEngine(model).score(batch(found, inputs))
    except EngineError as error:
        raise ExportError(f"the scores cannot be compared on this machine: {error}") from None
    except (ModelError, BatchError) as error:
        raise refused(str(error)) from None


def _scores(one: Reference, graph: Graph, model: Model) -> _Numbers | str:
    """Return the module's scores of a graph, or of the first one of a batch: a row for each of ours.

    For a graph of a small kind it may have none: then it is said why.
    """
    try:
        value = one.run(graph)
    except ExportError:
        raise
    except Exception as error:
        if graph.kind:
            return f"raises {type(error).__name__} ({' '.join(str(error).split())[:_SHOWN]})"
        raise ExportError(f"forward fails for {graph.what}: {type(error).__name__}: {error}") from error
    rows, outputs = graph.rows(model.level), len(model.outputs)
    flat = value.detach().double().reshape(-1)
    if flat.numel() != rows * outputs:
        if graph.kind and not flat.numel():
            return "returns no scores"
        raise ExportError(
            f"forward returns {list(value.shape)} for {graph.what}, which is not {outputs} scores for each of"
            f" {rows} rows; a graph's scores must not depend on more than its own size"
        )
    numbers = np.asarray(flat.reshape(rows, outputs).numpy())
    return numbers[order(graph).numpy()] if model.level == "edge" else numbers


def _scored_beside(pair: Sequence[Reference], graph: Graph, other: Graph, model: Model, own: _Numbers) -> bool:
    """Report whether the module has our scores of a graph where it is in a batch with another one."""
    both = beside(graph, other, pair[0].arguments)
    if both is None:
        return False
    try:
        exact, rough = (_scores(one, both, model) for one in pair)
        # The edges of the first graph come first by target too, as its nodes do.
        _compare(graph, model.outputs, own, exact[: len(own)], rough[: len(own)])
    except ExportError:  # it fails there as well, or has other scores, as one that knows of no batch
        return False
    return True


def _compare(graph: Graph, outputs: Sequence[str], own: Any, exact: Any, rough: Any) -> None:
    with np.errstate(all="ignore"):
        size = np.maximum(1, np.abs(exact))
        allowed = np.maximum(_TOLERANCE * size, np.minimum(2 * np.abs(rough - exact), _MOST * size))
        far = np.where(np.isfinite(exact), ~(np.abs(own - exact) <= allowed), np.isfinite(own))
        # Where float32 itself has no number, neither need we have one.
        far &= np.isfinite(rough) | np.isfinite(own)
    if far.any():
        place = int(np.flatnonzero(far)[0])
        line, column = divmod(place, len(outputs))
        raise ExportError(
            f"the exported steps do not compute what the module does: for {graph.what}, row {line}, output"
            f" {outputs[column]!r}, graphscore has {own[line, column]:.9g}, the module {exact[line, column]:.9g}"
            f" ({int(far.sum())} of {far.size} scores differ). What forward does in place, in hooks, or with values"
            " that it keeps between calls cannot be seen by tracing; rewrite that part, or score with the module itself"
        )
