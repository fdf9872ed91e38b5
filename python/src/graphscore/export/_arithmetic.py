"""Operators between values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

import torch

from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._shapes import arrange, made, spread
from graphscore.export._values import (
    PLURALS,
    Count,
    EdgeEnd,
    EdgeIndex,
    Filled,
    GraphOf,
    Rows,
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
_POWERS: Final[dict[float, tuple[str, ...]]] = {
    -2: ("square", "reciprocal"),
    -1: ("reciprocal",),
    -0.5: ("sqrt", "reciprocal"),
    0.5: ("sqrt",),
    1: (),
    2: ("square",),
    4: ("square", "square"),
}


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
            f"{whole(a)} and {whole(b)} would be combined across {PLURALS[a.kind]}; bring both to the same number of"
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
    step = m.step(
        str(one["name"]),
        "embedding",
        one["inputs"],
        a.width,
        columns=[*one["columns"], *other["columns"]],
        tables=[*one["tables"], *other["tables"]],
    )
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
    if isinstance(exponent, torch.Tensor) and exponent.numel() == 1:
        exponent = exponent.item()
    known = isinstance(input, Rows) and isinstance(exponent, (int, float))
    if known and exponent == 3:  # noqa: PLR2004
        return binary(m, "multiply", power(m, input, 2), input)
    if known and exponent in _POWERS:
        for function in _POWERS[exponent]:
            input = m.rows("activation", input, input.trail, function=function)  # noqa: A001
        return input
    said = f"power {exponent}" if isinstance(exponent, (int, float)) else f"power by {kind_of(exponent)}"
    powers = ", ".join(f"{one:g}" for one in sorted([*_POWERS, 3]))
    raise m.error(f"the {said} of {kind_of(input)} has no equal; those by {powers} have")


def kind_of(value: Value) -> str:
    return whole(value) if isinstance(value, Rows) else f"a {type(value).__name__.lower()}"


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


HANDLERS: Final[dict[str, Handler]] = {
    "add": add,
    "div": div,
    "divide": div,
    "maximum": maximum,
    "minimum": minimum,
    "mul": mul,
    "multiply": mul,
    "neg": neg,
    "negative": neg,
    "pow": power,
    "rdiv": rdiv,
    "rsub": rsub,
    "rtruediv": rdiv,
    "sub": sub,
    "subtract": sub,
    "true_divide": div,
    "truediv": div,
}
"""By the name of the function or method."""
