"""Compares a written folder with the module: |ours - b| <= max(1e-5 size, min(2 |b32 - b|, 1e-2 size)) on every graph.

b is what the module computes in float64 for one graph at a time, size is max(1, |b|), b32 what it computes in
float32, ours what graphscore's engine computes with the folder, for all graphs in one batch.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.overrides import TorchFunctionMode

from graphscore._batch import BatchError
from graphscore._config import ModelError
from graphscore._engines import EngineError
from graphscore._engines.scipy_engine import ScipyEngine
from graphscore._model import load_model
from graphscore.export._error import ExportError
from graphscore.export._graphs import Graph, batch, order
from graphscore.export._inputs import Arguments, data_object

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
        self._arguments = arguments
        self._dtype = dtype

    def run(self, graph: Graph) -> Any:
        """Return what forward returns for one graph."""
        types = {name: torch.int64 for name, column in self._arguments.columns.items() if column.integer}
        given = graph.given(types, self._dtype)
        before = torch.get_default_dtype()
        mode = _Doubled() if self._dtype is torch.float64 else None
        try:
            torch.set_default_dtype(self._dtype)
            with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state = torch.get_rng_state()
                with mode or contextlib.nullcontext():
                    result = self._arguments.call(self.module, given, data_object)
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


def scores(value: Any, graph: Graph, level: str, outputs: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return the module's result as one row for each row of scores: [rows, outputs].

    None for a graph of one row or none of which it has none, as after global_add_pool(edges, batch[edge_index[0]]).
    """
    rows = graph.rows(level)
    flat = value.detach().double().reshape(-1)
    if not flat.numel() and _is_small(graph):
        return None
    if flat.numel() != rows * outputs:
        raise ExportError(
            f"forward returns {list(value.shape)} for {graph.what}, which is not {outputs} scores for each of"
            f" {rows} rows; a graph's scores must not depend on more than its own size"
        )
    return np.asarray(flat.reshape(rows, outputs).numpy())


def check(
    folder: Path, module: torch.nn.Module, arguments: Arguments, found: Sequence[Graph], inputs: dict[str, int | bool]
) -> None:
    """Raise ExportError where the folder does not load, or its scores are not those of the module."""
    try:
        model = load_model(folder)
        with threadpool_limits(limits=1, user_api="blas"):  # as in the workers
            ours = ScipyEngine(model).score(batch(found, inputs))
    except EngineError as error:
        raise ExportError(f"the scores cannot be compared on this machine: {error}") from None
    except (ModelError, BatchError) as error:
        raise ExportError(
            f"graphscore does not load what was exported, which is a bug of graphscore: {error}"
        ) from None
    if ours.failed:
        graph = found[ours.failed[0].graph]
        raise ExportError(
            f"graphscore refuses a graph ({graph.what}) that forward is fine with: {ours.failed[0].message}"
        )
    double, single = reference(module, arguments, torch.float64), reference(module, arguments, torch.float32)
    level, width, row, finite = model.level, len(model.outputs), 0, 0
    for graph in found:
        own = np.asarray(ours.values[row : row + graph.rows(level)], np.float64)
        row += graph.rows(level)
        values = [_run(one, graph) for one in (double, single)]
        if values[0] is None or values[1] is None:
            continue
        exact, rough = (scores(value, graph, level, width) for value in values)
        if exact is None or rough is None:
            continue
        if level == "edge":
            places = order(graph).numpy()
            exact, rough = exact[places], rough[places]
        finite += int(np.isfinite(exact).sum())
        _compare(graph, model.outputs, own, exact, rough)
    if not finite:
        raise ExportError("none of the module's own scores of random graphs is finite; nothing can be compared")


def _is_small(graph: Graph) -> bool:
    return bool(min(graph.nodes, graph.edges.shape[1]) <= 1)


def _run(one: Reference, graph: Graph) -> Any:
    """Return what forward returns; None for a graph of one row that it cannot take, as after x.squeeze()."""
    try:
        return one.run(graph)
    except ExportError:
        raise
    except Exception as error:
        if _is_small(graph):
            return None
        raise ExportError(f"forward fails for {graph.what}: {type(error).__name__}: {error}") from error


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
