"""Programs: steps whose rows are changed while the step before them makes them, and what keeps them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from graphscore import _products
from graphscore._arrays import Floats
from graphscore._engines.scipy_engine import _Compiler
from graphscore._graphs import Graphs
from graphscore._network import SLOTS, Network, PlacedStep
from graphscore._ops import Compiler, Finishing, Function, Rowwise, Step
from graphscore._products import Finish
from graphscore._program import Program

WIDTH = 3
X = SLOTS["x"]
FIRST = len(SLOTS)
"""The number of the value of the first step."""


def product(joined: list[bool]) -> Step:
    """A step that doubles, and notes whether other steps change its rows."""

    def finishing(_: Compiler) -> Finishing:
        def run(values: Sequence[Floats], _: Graphs, finish: Finish | None) -> Floats:
            joined.append(finish is not None)
            result: Floats = values[0] * np.float32(2)
            if finish is not None:
                half = len(result) // 2
                finish(result[half:], slice(half, len(result)))
                finish(result[:half], slice(0, half))
            return result

        return run

    def unused(_: Compiler) -> Function:
        raise AssertionError("it was compiled twice")

    return Step("node", WIDTH, unused, finishing=finishing)


def total() -> Step:
    """A step that adds its second value to its first one."""

    def compile_(_: Compiler) -> Function:
        return lambda values, _: np.add(values[0], values[1], out=values[0])

    def rowwise(_: Compiler) -> Rowwise:
        def change(rows: Floats, others: Sequence[Floats]) -> None:
            rows += others[0]

        return change

    return Step("node", WIDTH, compile_, rowwise=rowwise, consumes=True)


@pytest.mark.parametrize(
    ("steps", "joined", "factor"),
    [
        pytest.param([(X,), (FIRST, X)], [True], 3, id="what follows a product"),
        pytest.param([(X,), (FIRST, X), (FIRST + 1, X)], [True], 4, id="several that follow it"),
        pytest.param([(X,), (X,), (FIRST + 1, FIRST)], [False, True], 4, id="with a value from before it"),
        pytest.param([(X,), (X,), (FIRST, FIRST + 1)], [False, False], 4, id="with a value that comes after it"),
        pytest.param([(X,), (FIRST, FIRST)], [False], 4, id="a product that is added to itself"),
        pytest.param([(X,), (FIRST, X), (FIRST + 1, FIRST)], [False], 5, id="a product that others need too"),
        pytest.param([(X,), (X, FIRST)], [False], 3, id="a product that is the second value"),
    ],
)
def test_steps_that_change_rows_of_a_product(steps: list[tuple[int, ...]], joined: list[bool], factor: float) -> None:
    found: list[bool] = []
    network = Network(
        tuple(
            PlacedStep(f"step {i}", "", product(found) if len(slots) == 1 else total(), slots, weighted=False)
            for i, slots in enumerate(steps)
        ),
        frozenset(),
    )
    program = Program(network, _Compiler(_products.STRATEGIES))
    x = np.arange(5 * WIDTH, dtype=np.float32).reshape(5, WIDTH)
    graphs = Graphs(np.array([0, 5], np.int32), np.zeros(6, np.int32), np.zeros(0, np.int32))
    assert program.run({"x": x.copy()}, graphs).tolist() == (x * factor).tolist()
    assert found == joined

    for place in range(len(steps)):  # a value that is kept is whole, whatever follows it
        result, kept = program.run_keeping(place, {"x": x.copy()}, graphs)
        assert result.tolist() == (x * factor).tolist()
        until = Program(network.until(place), _Compiler(_products.STRATEGIES))
        assert kept.tolist() == until.run({"x": x.copy()}, graphs).tolist()
