"""Operators between values, reductions, and products with constant matrices."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch

from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._shapes import arrange, columns, getitem, made, spread, trail_dim
from graphscore.export._values import (
    PLURALS,
    Count,
    EdgeEnd,
    EdgeIndex,
    Filled,
    GraphOf,
    Rows,
    Stacked,
    Unknown,
    Value,
)

_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}
_NEUTRAL: Final = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0}
_CELLS: Final = 1 << 22  # of a matrix that does the same to each part of a row

_EXTREMES: Final = {"max": "maximum", "min": "minimum"}

Reduction = str  # sum, mean, max, min


def binary(m: Mapper, op: str, a: Value, b: Value) -> Value:
    """A op b, where op is add, subtract, multiply or divide."""
    if isinstance(a, Count) or isinstance(b, Count):
        return _counted(op, a, b)
    a, b = _filled(m, a, b)
    if isinstance(a, (EdgeIndex, EdgeEnd, GraphOf)) or isinstance(b, (EdgeIndex, EdgeEnd, GraphOf)):
        raise m.error("arithmetic on edge_index or batch has no equal among the steps of a model folder")
    if isinstance(a, Rows) and isinstance(b, Rows):
        return _rows(m, op, a, b)
    if isinstance(a, Rows):
        return _with_constant(m, op, a, b)
    if isinstance(b, Rows):
        return _from_constant(m, op, a, b)
    if all(isinstance(x, (int, float, torch.Tensor)) for x in (a, b)):
        return _OPERATORS[op](a, b)
    raise m.error(f"{op} of a {type(a).__name__} and a {type(b).__name__} has no equal here")


def _filled(m: Mapper, a: Value, b: Value) -> tuple[Value, Value]:
    """Return rows of one number as that number where the other value has all their rows and columns; else as a step."""
    found = []
    for one, other in ((a, b), (b, a)):
        covered = (
            isinstance(one, Filled) and isinstance(other, Rows) and (other.kind, other.trail) == (one.kind, one.trail)
        )
        found.append(one.number if covered else made(m, one))
    return found[0], found[1]


def _counted(op: str, a: Value, b: Value) -> Value:
    if op == "add" and isinstance(a, Count) and a.last and b == 1:
        return Count(a.kind)
    if op == "add" and isinstance(b, Count) and b.last and a == 1:
        return Count(b.kind)
    return Unknown("it is computed from the number of nodes, edges or graphs, which no step can read")


def _rows(m: Mapper, op: str, a: Rows, b: Rows) -> Rows:
    a, b = _levelled(m, a, b)
    try:
        trail = torch.broadcast_shapes(a.trail, b.trail)
    except RuntimeError:
        raise m.error(f"{whole(a)} and {whole(b)} do not fit each other") from None
    if a.lead and b.lead and len(a.trail) != len(b.trail):
        raise m.error(
            f"{whole(a)} and {whole(b)} would be combined across {PLURALS[a.kind]}; give both the same number of"
            " dimensions, as by unsqueeze(-1)"
        )
    trail = tuple(trail)
    if op in ("maximum", "minimum") or min(a.width, b.width) > 1:  # a step repeats a single column itself
        a, b = (arrange(m, x, lambda numbers: numbers.expand(trail)) if x.trail != trail else x for x in (a, b))
    return m.rows(op, a if a.lead else b, trail, [a, b])


def _levelled(m: Mapper, a: Rows, b: Rows) -> tuple[Rows, Rows]:
    """Bring rows to one kind: the row of one graph to each of its nodes or edges."""
    if a.kind == b.kind:
        return a, b
    if a.kind == "graph":
        return spread(m, a, b.kind), b
    if b.kind == "graph":
        return a, spread(m, b, a.kind)
    raise m.error(
        f"{whole(a)} and {whole(b)} are values of {PLURALS[a.kind]} and of {PLURALS[b.kind]}; bring a node's row to"
        " edges by x[edge_index[0]]"
    )


def _with_constant(m: Mapper, op: str, a: Rows, b: Any, *, reversed_: bool = False) -> Rows:
    if isinstance(b, bool) or not isinstance(b, (int, float, torch.Tensor)):
        raise m.error(f"{op} with a {type(b).__name__} has no equal here")
    if isinstance(b, torch.Tensor) and b.numel() == 1 and b.dim() <= max(a.dims, 1):
        b = float(b)
    if not isinstance(b, torch.Tensor):
        if not math.isfinite(b):
            raise m.error(f"{op} with {b} has no equal here; numbers must be finite")
        if b == _NEUTRAL[op] and not reversed_:
            return a
        return m.rows(op, a, a.trail, value=float(b), reversed=True if reversed_ else None)
    vector, trail = _vector(m, a, b)
    if a.trail != trail:
        a = arrange(m, a, lambda numbers: numbers.expand(trail))
    name = m.tensor(vector, "tensor", of=b if b.dim() == 1 else None)
    return m.rows(op, a, trail, tensor=name, reversed=True if reversed_ else None)


def _vector(m: Mapper, a: Rows, b: torch.Tensor) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Return a constant as one value a column, and the trail of what a is combined to."""
    if a.lead and b.dim() == a.dims:
        if b.shape[0] != 1:
            raise m.error(
                f"a constant of shape {list(b.shape)} has a row for each of the {PLURALS[a.kind]}; it must not"
            )
        b = b[0]
    if b.dim() > len(a.trail):
        raise m.error(f"a constant of shape {list(b.shape)} does not fit {whole(a)}")
    try:
        trail = tuple(torch.broadcast_shapes(a.trail, b.shape))
    except RuntimeError:
        raise m.error(f"a constant of shape {list(b.shape)} does not fit {whole(a)}") from None
    return b.expand(trail).reshape(-1), trail


def _from_constant(m: Mapper, op: str, a: Any, b: Rows) -> Rows:
    if op in ("add", "multiply"):
        return _with_constant(m, op, b, a)
    return _with_constant(m, op, b, a, reversed_=True)


def add(m: Mapper, input: Value, other: Value, *, alpha: float = 1, out: None = None) -> Value:
    """torch.add; of two embeddings of one input, one step of both."""
    if alpha != 1:
        other = binary(m, "multiply", other, alpha)
    fused = _embeddings(m, input, other)
    return binary(m, "add", input, other) if fused is None else fused


def _embeddings(m: Mapper, a: Value, b: Value) -> Rows | None:
    if not isinstance(a, Rows) or not isinstance(b, Rows) or a.trail != b.trail or a.pick or b.pick:
        return None
    one, other = m.steps.get(a.step), m.steps.get(b.step)
    if one is None or other is None or {one["op"], other["op"]} != {"embedding"} or one["inputs"] != other["inputs"]:
        return None
    step = m.steps.add(
        str(one["name"]),
        "embedding",
        one["inputs"],
        columns=[*one["columns"], *other["columns"]],
        tables=[*one["tables"], *other["tables"]],
    )
    m.widths[step] = a.width
    return Rows(step, a.kind, a.trail, a.lead)


def sub(m: Mapper, input: Value, other: Value, *, alpha: float = 1) -> Value:
    """torch.sub."""
    return binary(m, "subtract", input, binary(m, "multiply", other, alpha) if alpha != 1 else other)


def rsub(m: Mapper, input: Value, other: Value, *, alpha: float = 1) -> Value:
    """torch.rsub."""
    return sub(m, other, input, alpha=alpha)


def rdiv(m: Mapper, input: Value, other: Value) -> Value:
    """Other / input."""
    return div(m, other, input)


def mul(m: Mapper, input: Value, other: Value) -> Value:
    """torch.mul."""
    return binary(m, "multiply", input, other)


def div(m: Mapper, input: Value, other: Value, *, rounding_mode: str | None = None) -> Value:
    """torch.div."""
    if rounding_mode is not None:
        raise m.error("a division that rounds has no equal among the steps of a model folder")
    return binary(m, "divide", input, other)


def neg(m: Mapper, input: Value) -> Value:
    """-input."""
    return binary(m, "multiply", input, -1)


def power(m: Mapper, input: Value, exponent: Any) -> Value:
    """Input ** exponent, for a few exponents."""
    if isinstance(input, Rows) and exponent in (1, 2, 3, 0.5, -1):
        if exponent == 3:  # noqa: PLR2004
            return binary(m, "multiply", power(m, input, 2), input)
        function = {2: "square", 0.5: "sqrt", -1: "reciprocal"}.get(exponent)
        return input if function is None else m.rows("activation", input, input.trail, function=function)
    raise m.error(f"the power {exponent} of {_kind(input)} has no equal; 2, 3, 0.5 and -1 have")


def _kind(value: Value) -> str:
    return whole(value) if isinstance(value, Rows) else f"a {type(value).__name__}"


def maximum(m: Mapper, input: Value, other: Value) -> Value:
    """torch.maximum."""
    if isinstance(input, Rows) and isinstance(other, Rows):
        return _rows(m, "maximum", input, other)
    raise m.error("a maximum with a constant has no equal here; write clamp or relu")


def minimum(m: Mapper, input: Value, other: Value) -> Value:
    """torch.minimum."""
    if isinstance(input, Rows) and isinstance(other, Rows):
        return _rows(m, "minimum", input, other)
    raise m.error("a minimum with a constant has no equal here; write clamp")


# Reductions.


def reduce_(m: Mapper, how: Reduction, value: Value, dim: Any, keepdim: bool) -> Value:
    """Reduce rows over some of their dimensions; None: all."""
    if isinstance(value, Stacked):
        return _stacked(m, how, value, dim)
    if isinstance(value, GraphOf) and how == "max" and dim is None:
        return Count("graph", last=True)
    if isinstance(value, (EdgeIndex, EdgeEnd)) and how == "max" and dim is None:
        return Unknown("the largest node number of an edge is not the number of nodes; use x.size(0)")
    if not isinstance(value, Rows):
        raise m.error(f"{how} of {_kind(value)} has no equal among the steps of a model folder")
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
        if product is not None and product["op"] == "multiply" and len(product["inputs"]) == 2:  # noqa: PLR2004
            step = m.steps.add(m.hint, "dot", product["inputs"])
            m.widths[step] = 1
            return Rows(step, value.kind, (1,) if keepdim else (), value.lead)
    if how == "prod":
        raise m.error(f"a product over columns of {whole(value)} has no equal here; multiply them one by one")
    if how in ("max", "min"):
        pieces = columns(m, value).unbind(place)
        parts = [arrange(m, value, lambda _, piece=piece: piece) for piece in pieces]  # type: ignore[misc]
        result = m.rows(_EXTREMES[how], value, parts[0].trail, parts) if len(parts) > 1 else parts[0]
    else:
        result = along(m, value, lambda eye: getattr(eye, how)(place + 1))
    return arrange(m, result, lambda numbers: numbers.unsqueeze(place)) if keepdim else result


def along(m: Mapper, rows: Rows, function: Callable[[torch.Tensor], torch.Tensor]) -> Rows:
    """Apply a linear function of the trail, given for tensors [rows, *trail], as a product with its matrix."""
    eye = torch.eye(rows.width, dtype=torch.float64).reshape(rows.width, *rows.trail)
    result = function(eye)
    if result.numel() > _CELLS:
        raise m.error(
            f"it would be a matrix of {result.numel()} numbers for {whole(rows)}; rewrite it with fewer columns"
        )
    weight = result.reshape(rows.width, -1).T
    return m.rows("linear", rows, tuple(result.shape[1:]), weight=m.tensor(weight, "weight"))


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


# Products.


def linear(m: Mapper, input: Value, weight: Value, bias: Value = None) -> Value:
    """F.linear: of the last dimension."""
    input = made(m, input)  # noqa: A001
    if not isinstance(input, Rows) or not isinstance(weight, torch.Tensor):
        raise m.error(
            "a product with a matrix that depends on the graph has no equal among the steps of a model folder"
        )
    if weight.dim() == 1:
        weight = weight[None]
    if not input.trail or input.trail[-1] != weight.shape[1]:
        raise m.error(f"{whole(input)} does not fit a weight of shape {list(weight.shape)}, which is [out, in]")
    if len(input.trail) > 1:
        result = along(m, input, lambda eye: eye @ weight.double().T)
        return result if bias is None else binary(m, "add", result, bias)
    keys = {"weight": m.tensor(weight, "weight")}
    if bias is not None:
        keys["bias"] = m.tensor(bias.expand(weight.shape[0]), "bias", of=bias)
    return m.rows("linear", input, (weight.shape[0],), **keys)


def matmul(m: Mapper, input: Value, other: Value) -> Value:
    """Rows @ matrix."""
    if isinstance(input, Rows) and isinstance(other, torch.Tensor):
        if other.dim() == 1:
            return getitem(m, linear(m, input, other[None]), (Ellipsis, 0))
        if other.dim() == 2:  # noqa: PLR2004
            return linear(m, input, other.T)
    if isinstance(input, torch.Tensor) and isinstance(other, Rows) and not other.lead:
        return linear(m, other, input)
    if any(isinstance(value, Unknown) for value in (input, other)):
        raise m.error(next(value.reason for value in (input, other) if isinstance(value, Unknown)))
    raise m.error(
        "a product of two values of the graph has no equal among the steps of a model folder; for edges write"
        " (x[src] * x[dst]).sum(dim=-1)"
    )


def bilinear(m: Mapper, input1: Value, input2: Value, weight: Value, bias: Value = None) -> Value:
    """F.bilinear: for each output the product of both rows with a matrix."""
    if not (isinstance(input1, Rows) and isinstance(input2, Rows) and len(input1.trail) == len(input2.trail) == 1):
        raise m.error("a bilinear product of other than two values of rows has no equal here")
    out, first, second = weight.shape
    matrix = weight.permute(0, 2, 1).reshape(out * second, first)
    left = arrange(m, linear(m, input1, matrix), lambda numbers: numbers.reshape(out, second))
    right = arrange(m, input2, lambda numbers: numbers.expand(out, second))
    result = reduce_(m, "sum", binary(m, "multiply", left, right), -1, keepdim=False)
    return result if bias is None else binary(m, "add", result, bias)


def addmm(m: Mapper, input: Value, mat1: Value, mat2: Value) -> Value:
    """Input + mat1 @ mat2."""
    return binary(m, "add", matmul(m, mat1, mat2), input)


def einsum(m: Mapper, equation: str, *operands: Value) -> Value:
    """torch.einsum with one operand of rows and constants: linear in the rows; or dot products of two."""
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    if len(operands) == 2 and all(isinstance(one, Rows) and len(one.trail) == 1 for one in operands):  # noqa: PLR2004
        left, right, result = re.split(r",|->", equation.replace(" ", ""))
        if left == right and result == left[0] and len(set(left)) == 2:  # noqa: PLR2004
            return reduce_(m, "sum", binary(m, "multiply", *operands), -1, keepdim=False)
    places = [place for place, operand in enumerate(operands) if isinstance(operand, Rows)]
    terms, _, result = equation.replace(" ", "").partition("->")
    if len(places) != 1 or not operands[places[0]].lead or terms.split(",")[places[0]][:1] != result[:1]:
        raise m.error("torch.einsum has an equal only for one value of the graph, whose rows come first, and constants")

    def function(eye: torch.Tensor) -> torch.Tensor:
        return torch.einsum(equation, *[eye if i == places[0] else operands[i].double() for i in range(len(operands))])

    return along(m, operands[places[0]], function)


def vector_names(m: Mapper, tensors: Sequence[tuple[str, torch.Tensor | None]]) -> dict[str, str]:
    """Keep the tensors that are there; return the names of their keys."""
    return {key: m.tensor(tensor, key, of=tensor) for key, tensor in tensors if tensor is not None}


HANDLERS: Final[dict[str, Handler]] = {
    "add": add,
    "addmm": addmm,
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    "bilinear": bilinear,
    "div": div,
    "divide": div,
    "einsum": einsum,
    "linear": linear,
    "matmul": matmul,
    "max": _extreme("max"),
    "maximum": maximum,
    "mean": _reduction("mean"),
    "min": _extreme("min"),
    "minimum": minimum,
    "mm": matmul,
    "mul": mul,
    "multiply": mul,
    "neg": neg,
    "negative": neg,
    "pow": power,
    "prod": _reduction("prod"),
    "rdiv": rdiv,
    "rsub": rsub,
    "rtruediv": rdiv,
    "std": std,
    "sub": sub,
    "subtract": sub,
    "sum": _reduction("sum"),
    "true_divide": div,
    "truediv": div,
    "var": var,
}
"""By the name of the function or method."""
