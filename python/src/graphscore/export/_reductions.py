"""Reductions over the rows of a graph or over columns, and functions that are linear in the columns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch

from graphscore.export._arithmetic import binary, kind_of, maximum, minimum
from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._shapes import arrange, columns, trail_dim
from graphscore.export._values import (
    PLURALS,
    Count,
    EdgeEnd,
    EdgeIndex,
    GraphOf,
    Rows,
    Stacked,
    Unknown,
    Value,
)

_CELLS: Final = 1 << 22  # of the matrix of a function

_EXTREMES: Final = {"max": "maximum", "min": "minimum"}

Reduction = str  # sum, mean, max, min


def reduce_(m: Mapper, how: Reduction, value: Value, dim: Any, keepdim: bool) -> Value:
    """Reduce rows over some of their dimensions; None: all."""
    if isinstance(value, Stacked):
        return _stacked(m, how, value, dim)
    if isinstance(value, GraphOf) and how == "max" and dim is None:
        return Count("graph", last=True)
    if isinstance(value, (EdgeIndex, EdgeEnd)) and how == "max" and dim is None:
        return Unknown("the largest node number of an edge is not the number of nodes; use x.size(0)")
    if not isinstance(value, Rows):
        raise m.error(f"{how} of {kind_of(value)} has no equal among the steps of a model folder")
    dims = range(value.dims) if dim is None else [dim] if isinstance(dim, int) else dim
    places = sorted({d + value.dims if d < 0 else d for d in dims}, reverse=True)
    for place in places:
        if value.lead and place == 0:
            value = _pool_all(m, how, value, keepdim=keepdim)
        else:
            value = _trail(m, how, value, place, keepdim=keepdim)
    return value


def _stacked(m: Mapper, how: Reduction, value: Stacked, dim: Any) -> Value:
    if dim != 0:
        raise m.error("torch.stack(..., dim=0) may only be reduced over dim 0; stack along dim=1 or dim=-1")
    if how in _EXTREMES:
        return m.rows(_EXTREMES[how], value.parts[0], value.parts[0].trail, value.parts)
    total: Value = value.parts[0]
    for part in value.parts[1:]:
        total = binary(m, "multiply" if how == "prod" else "add", total, part)
    if how == "prod":
        return total
    return total if how == "sum" else binary(m, "divide", total, len(value.parts))


def _pool_all(m: Mapper, how: Reduction, value: Rows, *, keepdim: bool) -> Rows:
    if value.kind == "graph":  # the only row of the graph
        return Rows(value.step, "graph", value.trail, keepdim, value.pick, value.integer, value.cut)
    return Rows(pool(m, how, value).step, "graph", value.trail, keepdim)


def pool(m: Mapper, how: Reduction, value: Rows) -> Rows:
    """Reduce the nodes or edges of each graph."""
    if how == "prod":
        raise m.error(f"a product over the {PLURALS[value.kind]} of a graph has no equal; sum, mean, max and min have")
    step = m.emit(f"{how}_pool", value.width, [value])
    return Rows(step, "graph", value.trail)


def _trail(m: Mapper, how: Reduction, value: Rows, dim: int, *, keepdim: bool) -> Value:
    place = trail_dim(m, value, dim)
    if how == "sum" and len(value.trail) == 1 and value.pick is None:
        product = m.steps.get(value.step)
        if product is not None and product["op"] == "multiply" and _equally_wide(m, product["inputs"]):
            step = m.step(m.hint, "dot", product["inputs"], 1)
            return Rows(step, value.kind, (1,) if keepdim else (), value.lead)
    if how == "prod":
        raise m.error(f"a product over columns of {whole(value)} has no equal here; multiply them one by one")
    if how in ("max", "min"):
        pieces = columns(m, value).unbind(place)
        parts = [arrange(m, value, lambda _, piece=piece: piece) for piece in pieces]  # type: ignore[misc]
        result = m.rows(_EXTREMES[how], value, parts[0].trail, parts) if len(parts) > 1 else parts[0]
    elif 1 < value.trail[place] <= value.width // value.trail[place]:
        pieces = columns(m, value).unbind(place)
        parts = [arrange(m, value, lambda _, piece=piece: piece) for piece in pieces]  # type: ignore[misc]
        result = functools.reduce(lambda total, part: binary(m, "add", total, part), parts)
        result = binary(m, "divide", result, len(parts)) if how == "mean" else result
    else:
        result = along(m, value, lambda eye: getattr(eye, how)(place + 1))
    return arrange(m, result, lambda numbers: numbers.unsqueeze(place)) if keepdim else result


def _equally_wide(m: Mapper, names: Sequence[str]) -> bool:
    """Report whether there are two factors, and neither is repeated over the columns of the other."""
    return len(names) == 2 and m.widths[names[0]] == m.widths[names[1]]  # noqa: PLR2004


def along(m: Mapper, rows: Rows, function: Callable[..., torch.Tensor], *constants: torch.Tensor) -> Rows:
    """Apply a function of tensors [rows, *trail] and constants that is linear in the trail.

    Each column of the result is computed of those columns that it depends on and of no others, whose values, were
    they infinite, would make it NaN.
    """
    eye = torch.eye(rows.width, dtype=torch.float64).reshape(rows.width, *rows.trail)
    result = function(eye, *constants)
    if result.numel() > _CELLS:
        raise m.error(
            f"it would be a matrix of {result.numel()} numbers for {whole(rows)}; rewrite it with fewer columns"
        )
    weight = result.reshape(rows.width, -1).T
    reads = function(eye, *map(torch.ones_like, constants)).reshape(rows.width, -1).T != 0
    trail = tuple(result.shape[1:])
    if bool((reads.sum(dim=1) == 1).all()):
        places = reads.to(torch.uint8).argmax(dim=1)
        factors = weight.gather(1, places[:, None])[:, 0]
        taken = arrange(m, rows, lambda numbers: numbers.reshape(-1)[places].reshape(trail))
        if bool((factors == 1).all()):
            return taken
        return m.rows("multiply", taken, trail, tensor=m.tensor(factors, "factors"))
    parts, order = [], []
    patterns, groups = reads.unique(dim=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        own = (groups == number).nonzero()[:, 0]
        part = weight[own][:, pattern]
        taken = arrange(m, rows, lambda numbers, pattern=pattern: numbers.reshape(-1)[pattern])  # type: ignore[misc]
        parts.append(m.rows("linear", taken, (len(own),), weight=m.tensor(part, "weight")))
        order += own.tolist()
    if len(parts) == 1:
        return Rows(parts[0].step, rows.kind, trail, rows.lead)
    step = m.emit("concatenate", len(order), parts)
    pick = tuple(torch.tensor(order).argsort().tolist())
    return Rows(step, rows.kind, trail, rows.lead, pick)


def _reduction(how: Reduction) -> Handler:
    def handler(
        m: Mapper, input: Value, dim: Any = None, keepdim: bool = False, *, axis: Any = None, dtype: Any = None
    ) -> Value:
        return reduce_(m, how, input, dim if axis is None else axis, keepdim)

    return handler


def var(
    m: Mapper,
    input: Value,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> Value:
    """torch.var over one dimension of columns."""
    if not isinstance(input, Rows) or not isinstance(dim, int):
        raise m.error("a variance has an equal only over one dimension of columns, as dim=-1")
    count = input.trail[trail_dim(m, input, dim)]
    less = (1 if unbiased else 0) if correction is None else correction
    if count <= less:
        raise m.error(f"a variance of {count} columns is not a number")
    away = binary(m, "subtract", input, reduce_(m, "mean", input, dim, keepdim=True))
    total = reduce_(m, "sum", m.rows("activation", away, away.trail, function="square"), dim, keepdim)
    return binary(m, "divide", total, count - less)


def std(m: Mapper, input: Value, *args: Any, **kwargs: Any) -> Value:
    """torch.std over one dimension of columns."""
    value = var(m, input, *args, **kwargs)
    return m.rows("activation", value, value.trail, function="sqrt")


def _extreme(how: Reduction) -> Handler:
    """Max and min return the places too where a dimension is given, and compare two tensors."""

    def handler(m: Mapper, input: Value, dim: Any = None, keepdim: bool = False) -> Value:
        if isinstance(dim, Rows):
            return maximum(m, input, dim) if how == "max" else minimum(m, input, dim)
        value = reduce_(m, how, input, dim, keepdim)
        places = Unknown(f"the places that {how} returns have no equal among the steps of a model folder")
        return value if dim is None else (value, places)

    return handler


HANDLERS: Final[dict[str, Handler]] = {
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    "max": _extreme("max"),
    "mean": _reduction("mean"),
    "min": _extreme("min"),
    "prod": _reduction("prod"),
    "std": std,
    "sum": _reduction("sum"),
    "var": var,
}
"""By the name of the function or method."""
