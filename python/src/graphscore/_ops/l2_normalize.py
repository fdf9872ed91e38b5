"""Rows of length 1: torch.nn.functional.normalize(x, p=2, dim=-1).

    y = x / max(|x|, eps)

[., C] -> [., C], of any kind. Lengths are computed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graphscore._arrays import Floats
from graphscore._graphs import Graphs
from graphscore._ops._spec import StepSpec
from graphscore._ops._step import Operation, Step
from graphscore._rows import normalize_rows


def read(spec: StepSpec) -> Step:
    """Read the step."""
    value = spec.value(0)
    eps = spec.number("eps", default=1e-12, minimum=0)

    def run(values: Sequence[Floats], _: Graphs) -> Floats:
        return normalize_rows(values[0], eps)

    return Step(value.kind, value.width, lambda _: run, consumes=True)


OPERATION: Final = Operation(read, frozenset({"eps"}))
