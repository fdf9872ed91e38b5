"""Dense products: the strategies, and the self-test that must catch a product that depends on the place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import graphscore
from graphs import write_model
from graphscore import _products
from graphscore._arrays import Floats
from graphscore._products import TILE, ColumnBlocks, Einsum, Framed, WholeWidth

SHAPES = [(1, 1), (3, 8), (16, 32), (32, 1), (64, 64), (7, 20), (100, 17)]


def matrix(inner: int, columns: int) -> Floats:
    return np.random.default_rng(inner * 1000 + columns).standard_normal((inner, columns), np.float32)


@pytest.mark.parametrize("strategy", [WholeWidth, Framed, ColumnBlocks, Einsum])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [0, 1, TILE - 1, TILE, 2 * TILE + 5])
def test_right_values(strategy: type[WholeWidth], shape: tuple[int, int], rows: int) -> None:
    weight = matrix(*shape)
    x = np.random.default_rng(rows).standard_normal((rows, shape[0]), np.float32)
    result = strategy(weight)(x)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert result.flags.writeable
    np.testing.assert_allclose(result, x.astype(np.float64) @ weight, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("strategy", [ColumnBlocks, Einsum])
@pytest.mark.parametrize("shape", SHAPES)
def test_strategies_hold_on_this_machine(strategy: type[WholeWidth], shape: tuple[int, int]) -> None:
    assert _products.place_invariant(strategy(matrix(*shape)), shape[0])


def test_chosen_product_is_the_first_that_passes() -> None:
    weight = matrix(16, 32)
    chosen = _products.Chooser()(weight)
    products = (strategy(weight) for strategy in _products.STRATEGIES)
    assert type(chosen) is type(next(product for product in products if _products.place_invariant(product, 16)))


def test_only_wide_matrices_are_framed() -> None:
    assert isinstance(_products.framed(matrix(5, 24)), Framed)
    assert isinstance(_products.framed(matrix(5, 23)), ColumnBlocks)


def rotated(place: Callable[[int], bool]) -> _products.Strategy:
    """A product that adds its last term first at some places of a tile: other rounding, right values."""

    def strategy(weight: Floats) -> _products.Product:
        def product(rows: Floats) -> Floats:
            result: Floats = np.einsum("ik,kj->ij", rows, weight)
            backwards = np.einsum("ik,kj->ij", rows[:, ::-1].copy(), weight[::-1].copy())
            at = np.array([place(i % TILE) for i in range(len(rows))], np.bool_)
            result[at] = backwards[at]
            return result

        return product

    return strategy


@pytest.mark.parametrize("place", [0, 1, 17, 120, TILE - 1])
def test_self_test_catches_one_place_of_a_tile(place: int) -> None:
    weight = matrix(33, 9)
    assert not _products.place_invariant(rotated(lambda i: i == place)(weight), 33)
    assert _products.place_invariant(rotated(lambda i: False)(weight), 33)


def test_self_test_catches_neighbours() -> None:
    """A product whose rows touch those beside them, if only by zero times their value."""
    weight = matrix(8, 8)

    def product(rows: Floats) -> Floats:
        result: Floats = np.einsum("ik,kj->ij", rows, weight)
        result[1:] += result[:-1] * np.float32(0)
        return result

    assert not _products.place_invariant(product, 8)


def test_self_test_catches_the_number_of_rows() -> None:
    weight = matrix(8, 8)

    def product(rows: Floats) -> Floats:
        backwards = len(rows) % TILE == 1
        result: Floats = np.einsum(
            "ik,kj->ij", rows[:, ::-1].copy() if backwards else rows, weight[::-1].copy() if backwards else weight
        )
        return result

    assert not _products.place_invariant(product, 8)


def test_a_product_that_fails_is_not_used(tmp_path: Path) -> None:
    model = graphscore.load_model(write_model(tmp_path, ("gcn",), (33, 9)))
    bad = rotated(lambda i: i == 5)
    used: list[str] = []

    def good(weight: Floats) -> _products.Product:
        used.append("good")
        return ColumnBlocks(weight)

    graphscore.Engine(model, strategies=[bad, good])
    assert used == ["good"]
    graphscore.Engine(model, strategies=[good, bad])
    with pytest.raises(graphscore.EngineError, match="no dense product of 33 x 9 returns the same bits"):
        graphscore.Engine(model, strategies=[bad])


def test_plain_blas_without_tiles_is_what_this_is_for() -> None:
    """`rows @ weight` returns other bytes for a row among other rows, on every kernel seen; the self-test finds it."""

    def product_of(weight: Floats) -> _products.Product:
        return lambda rows: rows @ weight

    shapes = [(16, 32), (64, 64), (32, 1), (33, 9), (100, 17), (128, 20)]
    assert not all(_products.place_invariant(product_of(matrix(*shape)), shape[0]) for shape in shapes)


def test_one_test_a_shape() -> None:
    made: list[int] = []

    def strategy(weight: Floats) -> _products.Product:
        made.append(0)

        def product(rows: Floats) -> Floats:
            made[-1] += 1
            return ColumnBlocks(weight)(rows)

        return product

    chooser = _products.Chooser([strategy])
    chooser(matrix(5, 3))
    chooser(matrix(5, 3))
    chooser(matrix(3, 5))
    assert made[1] == 0
    assert min(made[0], made[2]) > TILE
