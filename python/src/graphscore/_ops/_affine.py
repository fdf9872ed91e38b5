"""What ends a normalisation: a scale and a shift for each column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graphscore._arrays import Floats
from graphscore._rows import Row


@dataclass(frozen=True, eq=False)
class Affine:
    """x * weight + bias, each [C] or None."""

    weight: Floats | None
    bias: Floats | None

    def compile(self) -> Callable[[Floats], Floats]:
        """Return the function; it changes its argument and returns it."""
        times = None if self.weight is None else Row(self.weight)
        plus = None if self.bias is None else Row(self.bias)

        def run(rows: Floats) -> Floats:
            if times is not None:
                times.apply(np.multiply, rows)
            if plus is not None:
                plus.apply(np.add, rows)
            return rows

        return run
