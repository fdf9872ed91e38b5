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
from graphscore._products import STEPS, TALL, TILE, ColumnBlocks, Einsum, Framed, WholeWidth

SHAPES = [(1, 1), (3, 8), (16, 32), (32, 1), (64, 64), (7, 20), (100, 17)]


def matrix(inner: int, columns: int) -> Floats:
    return np.random.default_rng(inner * 1000 + columns).standard_normal((inner, columns), np.float32)


def alone(function: Callable[[Floats], Floats]) -> _products.Product:
    """A product that nothing follows."""

    def product(rows: Floats, finish: _products.Finish | None = None, /) -> Floats:
        assert finish is None
        return function(rows)

    return product


@pytest.mark.parametrize("strategy", [WholeWidth, Framed, ColumnBlocks, Einsum])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [0, 1, TILE - 1, TILE, 2 * TILE + 5])
@pytest.mark.parametrize(("step", "tall"), [(TILE, TILE), (STEPS[0], TALL)])
def test_right_values(strategy: type[WholeWidth], shape: tuple[int, int], rows: int, step: int, tall: int) -> None:
    weight = matrix(*shape)
    x = np.random.default_rng(rows).standard_normal((rows, shape[0]), np.float32)
    product = strategy(weight)
    product.step, product.tall = step, tall
    result = product(x)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert result.flags.writeable
    np.testing.assert_allclose(result, x.astype(np.float64) @ weight, rtol=1e-4, atol=1e-4)

    added = np.random.default_rng(5).standard_normal(result.shape, np.float32)

    def add(made: Floats, where: slice) -> None:
        assert made.flags.c_contiguous
        made += added[where]

    assert product(x, add).tobytes() == (result + added).tobytes()


@pytest.mark.parametrize("strategy", [ColumnBlocks, Einsum])
@pytest.mark.parametrize("shape", SHAPES)
def test_strategies_hold_on_this_machine(strategy: type[WholeWidth], shape: tuple[int, int]) -> None:
    assert _products.place_invariant(strategy(matrix(*shape)), shape[0])


def test_chosen_product_is_the_first_that_passes() -> None:
    weight = matrix(16, 32)
    chosen = _products.Chooser()(weight)
    products = (strategy(weight) for strategy in _products.STRATEGIES)
    assert type(chosen) is type(next(product for product in products if _products.place_invariant(product, 16)))


@pytest.mark.parametrize("shape", [*SHAPES, (72, 300), (300, 300)])
def test_short_and_tall_tiles_have_the_bits_of_whole_ones(shape: tuple[int, int]) -> None:
    """Whatever the chooser took: rows of a last tile of any height, and of a tall one, are those of a whole tile."""
    product = _products.Chooser()(matrix(*shape))
    rows = np.random.default_rng(4).standard_normal((TILE, shape[0]), np.float32)
    wanted = product(rows)
    for count in range(1, TILE, 7):
        assert product(rows[-count:]).tobytes() == wanted[-count:].tobytes()
    for count in (TILE + 1, TALL - 7, TALL, TALL + 31, 2 * TALL + TILE + 5):
        order = np.random.default_rng(count).integers(0, TILE, count)
        assert product(rows[order]).tobytes() == wanted[order].tobytes()


class OneHeight(Einsum):
    """A product whose bits are others in tiles of one height."""

    wrong = 0

    def _multiply(self, rows: Floats, out: Floats) -> None:
        super()._multiply(rows, out)
        if rows.shape[1] == self.wrong:
            out[:, self.wrong // 2] *= np.float32(1 + 1e-6)


@pytest.mark.parametrize(
    ("wrong", "step", "tall"),
    [(0, 24, TALL), (3 * 24, 48, TALL), (2 * 48, 120, TALL), (TALL, 24, TILE)],
)
def test_heights_are_not_used_where_their_bits_differ(
    monkeypatch: pytest.MonkeyPatch, wrong: int, step: int, tall: int
) -> None:
    monkeypatch.setattr(OneHeight, "wrong", wrong)
    chooser = _products.Chooser([OneHeight])
    for _ in range(2):  # tested, then remembered
        chosen = chooser(matrix(5, 9))
        assert isinstance(chosen, OneHeight)
        assert (chosen.step, chosen.tall) == (step, tall)


def test_only_wide_matrices_are_framed() -> None:
    assert isinstance(_products.framed(matrix(5, 40)), Framed)
    assert isinstance(_products.framed(matrix(5, 39)), ColumnBlocks)


def rotated(place: Callable[[int], bool]) -> _products.Strategy:
    """A product that adds its last term first at some places of a tile: other rounding, right values."""

    def strategy(weight: Floats) -> _products.Product:
        @alone
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

    @alone
    def product(rows: Floats) -> Floats:
        result: Floats = np.einsum("ik,kj->ij", rows, weight)
        result[1:] += result[:-1] * np.float32(0)
        return result

    assert not _products.place_invariant(product, 8)


def test_self_test_catches_the_number_of_rows() -> None:
    weight = matrix(8, 8)

    @alone
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
    assert used == ["good", "good"]  # tested, then made
    graphscore.Engine(model, strategies=[good, bad])
    with pytest.raises(graphscore.EngineError, match="no dense product of 33 x 9 returns the same bits"):
        graphscore.Engine(model, strategies=[bad])


def test_plain_blas_without_tiles_is_what_this_is_for() -> None:
    """`rows @ weight` returns other bytes for a row among other rows, on every kernel seen; the self-test finds it."""

    def product_of(weight: Floats) -> _products.Product:
        return alone(lambda rows: rows @ weight)

    shapes = [(16, 32), (64, 64), (32, 1), (33, 9), (100, 17), (128, 20)]
    assert not all(_products.place_invariant(product_of(matrix(*shape)), shape[0]) for shape in shapes)


def test_one_test_a_shape() -> None:
    made: list[int] = []

    def strategy(weight: Floats) -> _products.Product:
        made.append(0)

        @alone
        def product(rows: Floats) -> Floats:
            made[-1] += 1
            return ColumnBlocks(weight)(rows)

        return product

    chooser = _products.Chooser([strategy])
    chooser(matrix(5, 3))
    chooser(matrix(5, 3))
    assert made[1:] == [0, 0]
    chooser(matrix(3, 5))
    assert made[4:] == [0]
    assert min(made[0], made[3]) > TILE


def test_a_matrix_of_zeros_is_not_what_is_tested() -> None:
    """In which order its terms are added cannot be seen, but the next matrix of its shape has another one."""
    wrong = rotated(lambda i: i == 0)
    chooser = _products.Chooser([wrong, ColumnBlocks])
    assert isinstance(chooser(np.zeros((33, 9), np.float32)), ColumnBlocks)
    assert isinstance(chooser(matrix(33, 9)), ColumnBlocks)


class Begun(WholeWidth):
    """Adds the terms in two halves where whole blocks are multiplied: other bits than a narrower matrix has."""

    def _multiply(self, rows: Floats, out: Floats) -> None:
        half = len(self._matrix) // 2
        out[:] = np.einsum("tik,kj->tij", rows[:, :, :half], self._matrix[:half])
        out += np.einsum("tik,kj->tij", rows[:, :, half:], self._matrix[half:])


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize("strategy", [ColumnBlocks, Begun])
def test_few_columns_have_the_bits_of_a_whole_block(strategy: type[WholeWidth], columns: int) -> None:
    for inner in (1, 3, 32, 72):
        weight = matrix(inner, columns)
        rows = np.random.default_rng(columns).standard_normal((2 * TALL + 31, inner), np.float32)
        rows[::7], rows[1::7] = 0, -0.0
        assert _products.Chooser([strategy])(weight)(rows).tobytes() == strategy(weight)(rows).tobytes()


class Joined(WholeWidth):
    """Has other bits where one call multiplies so many tiles of a height."""

    height = TILE

    def _multiply(self, rows: Floats, out: Floats) -> None:
        super()._multiply(rows, out)
        if len(rows) == self.tiles(self.height) > 1 and rows.shape[1] == self.height:
            out[-1] *= np.float32(1 + 1e-6)


class JoinedTall(Joined):
    """Likewise, of two tiles at once."""

    height = TALL


def test_calls_of_many_tiles_are_tested() -> None:
    assert isinstance(_products.Chooser([Joined, ColumnBlocks])(matrix(16, 32)), ColumnBlocks)
    tall = _products.Chooser([JoinedTall])(matrix(16, 32))
    assert isinstance(tall, JoinedTall)
    assert tall.tall == TILE


class OtherZero(Einsum):
    """Has -0 where others have 0, in tiles of few rows."""

    least = TILE

    def _multiply(self, rows: Floats, out: Floats) -> None:
        super()._multiply(rows, out)
        out[out == 0] = -0.0 if rows.shape[1] < self.least else 0.0


@pytest.mark.parametrize("least", [STEPS[-1], TILE])
def test_the_sign_of_zero_counts(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    monkeypatch.setattr(OtherZero, "least", least)
    chosen = _products.Chooser([OtherZero])(matrix(5, 9))
    assert isinstance(chosen, OtherZero)
    assert (chosen.step, chosen.tall) == (least, TALL)


@pytest.mark.parametrize("shape", [(16, 32), (64, 64), (64, 128), (64, 256), (128, 128), (256, 256)])
def test_sums_that_round_to_zero_have_one_sign(shape: tuple[int, int]) -> None:
    product = _products.Chooser()(matrix(*shape))
    rows = np.zeros((2 * TALL + TILE, shape[0]), np.float32)
    rows[:, -1] = np.float32(-1e-45)
    wanted = product(rows[:TILE])[:1].tobytes()
    for count in (1, 24, 48, 120, TILE + 1, 2 * TALL + TILE):
        assert {row.tobytes() for row in product(rows[:count])} == {wanted}


@pytest.mark.parametrize(("shape", "tall"), [((16, 32), TALL), ((64, 64), TILE), ((64, 72), TALL)])
def test_two_tiles_are_not_joined_where_a_small_product_becomes_a_large_one(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], tall: int
) -> None:
    monkeypatch.setattr(WholeWidth, "_multiply", vars(Einsum)["_multiply"])
    chosen = _products.Chooser([WholeWidth])(matrix(*shape))
    assert isinstance(chosen, WholeWidth)
    assert chosen.tall == tall
