"""Products with constant matrices, and of two rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import torch

from graphscore.export._arithmetic import binary
from graphscore.export._mapper import Handler, Mapper, whole
from graphscore.export._reductions import along, reduce_
from graphscore.export._shapes import arrange, getitem, made
from graphscore.export._values import (
    Rows,
    Unknown,
    Value,
)


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
        result = along(m, input, lambda eye, matrix: eye @ matrix.T, weight.double())
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

    place = places[0]
    constants = [operand.double() for operand in operands if not isinstance(operand, Rows)]

    def function(eye: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        return torch.einsum(equation, *others[:place], eye, *others[place:])

    return along(m, operands[place], function, *constants)


def vector_names(m: Mapper, tensors: Sequence[tuple[str, torch.Tensor | None]]) -> dict[str, str]:
    """Keep the tensors that are there; return the names of their keys."""
    return {key: m.tensor(tensor, key, of=tensor) for key, tensor in tensors if tensor is not None}


HANDLERS: Final[dict[str, Handler]] = {
    "addmm": addmm,
    "bilinear": bilinear,
    "einsum": einsum,
    "linear": linear,
    "matmul": matmul,
    "mm": matmul,
}
"""By the name of the function or method."""
