"""Dense products whose rows do not depend on their place or their neighbours, to the bit.

Context: a BLAS picks its code by the shape of the matrices and by a row's place in them, so the same row can
have other bits when other graphs are in the batch. Decision: rows always go through the BLAS in tiles of one
fixed height, and when a model is loaded each of its products is tested at every place of a tile before it is
used. The fastest strategy that passes is taken. The last tile has as few rows as have the bits of a whole one, at
every place too, two tiles are multiplied at once where that has them, and matrices of a few columns are padded to as
few as have them. Price: some rows twice or padded, and on AVX2 kernels a frame of columns that nobody reads, or blocks
of 8 columns instead of whole rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol, TypeAlias

import numpy as np

from graphscore._arrays import Floats

TILE: Final = 240
"""Rows of a tile: a multiple of what every x86 kernel of OpenBLAS takes at once."""

TALL: Final = 2 * TILE
"""Rows that are multiplied in one call where they have the same bits: the BLAS lays the matrix out anew in each."""

SMALL: Final = 10**6
"""Multiplications up to which OpenBLAS's kernels for AVX-512 read a matrix where it lies, which is faster."""

STEPS: Final = (24, 48, 120)
"""The last tile has a multiple of so many rows, of the first of these where that has the same bits."""

_NEAR: Final = 1 << 17
"""Values that a call of numpy multiplies or makes, or that steps after a product change at a time, about: 512 KiB."""

BLOCK: Final = 8
"""Columns of a block. Narrower matrices are padded to it: a single column would take the gemv code."""

_NARROW: Final = (2, 4)
"""Columns to which a narrower matrix is padded where that has the bits of a whole block."""

_UNITS: Final = tuple(step for step in range(1, TILE) if np.gcd(step, TILE) == 1)

_SHIFTS: Final = 17
"""Every so many of the orders are tried in tiles of other heights."""

_WIDE: Final = 40
"""Columns from which on a frame costs less than blocks."""


Finish: TypeAlias = Callable[[Floats, slice], None]
"""Changes some rows of a result in place, [n, C] and row-major; the slice is which they are.

It may be given rows twice, with the values that they had the first time.
"""


class Product(Protocol):
    """Multiplies rows [N, k] with the matrix [k, n] it was made for."""

    def __call__(self, rows: Floats, finish: Finish | None = None, /) -> Floats:
        """[N, k], row-major -> [N, n], row-major; a new array that belongs to the caller.

        `finish` changes the rows of the result, some at a time, while they are near the processor; None: they stay.
        """


Strategy: TypeAlias = Callable[[Floats], Product]
"""Makes the product for a matrix [k, n]."""


class ProductError(RuntimeError):
    """No strategy is place-invariant on this machine."""


class _Tiled:
    """Cuts rows into tiles; `_multiply` sees [tiles, height, k] and writes [tiles, height, padded n].

    The last tile begins before the end of the one before it rather than to be padded: its rows have the same bits
    in both.

    Attributes:
        step: the height of the last tile is a multiple of it; TILE unless a test allows another.
        tall: rows that are multiplied in one call of the BLAS at most, TILE or TALL; likewise.
    """

    def __init__(self, matrix: Floats, before: int = 0, block: int = BLOCK) -> None:
        """Make the product for a matrix between so many columns of zeros, and then up to a multiple of a block."""
        self.step = self.tall = TILE
        inner, self._columns = matrix.shape
        self._inside = slice(before, before + self._columns)
        self._padded = -(-(self._columns + 2 * before) // block) * block
        self._matrix = np.zeros((inner, self._padded), np.float32)
        self._matrix[:, self._inside] = matrix

    def __call__(self, rows: Floats, finish: Finish | None = None, /) -> Floats:
        out = np.empty((len(rows), self._columns), np.float32)
        whole, room = self._padded == self._columns, None
        for first, tiles, height in self._cuts(len(rows)):
            count = tiles * height
            target = part = out[first : first + count]
            if not whole or len(target) < count:
                room = np.empty((count, self._padded), np.float32) if room is None or len(room) < count else room
                part = room[:count]
            shaped = _padded(rows[first : first + count], count).reshape(tiles, height, -1)
            self._multiply(shaped, part.reshape(tiles, height, -1, copy=False))
            if part is not target:
                # Before anything else: numpy is slower with rows that have gaps between them than with a copy of them.
                target[:] = part[: len(target), self._inside]
            if finish is not None:
                _finish(target, first, finish)
        return out

    @property
    def area(self) -> int:
        """Values of the matrix, with the columns of zeros."""
        return self._matrix.size

    def tiles(self, height: int) -> int:
        """Return how many tiles of a height are multiplied by one call of numpy at most."""
        widest: int = max(self._matrix.shape)
        return max(1, _NEAR // (height * widest))

    def _cuts(self, count: int) -> Iterator[tuple[int, int, int]]:
        """Yield where tiles of one height begin, how many they are, and their height."""
        first = 0
        for height in (self.tall, TILE):
            most = self.tiles(height)
            while first + height <= count:
                tiles = min(most, (count - first) // height)
                yield first, tiles, height
                first += tiles * height
        if first < count:
            height = -(-(count - first) // self.step) * self.step
            yield max(0, count - height), 1, height

    def _multiply(self, rows: Floats, out: Floats) -> None:
        raise NotImplementedError


def _finish(made: Floats, first: int, finish: Finish) -> None:
    """Finish rows, as many at a time as stay near the processor."""
    rows = max(1, _NEAR // made.shape[1])
    for at in range(0, len(made), rows):
        part = made[at : at + rows]
        finish(part, slice(first + at, first + at + len(part)))


def _padded(rows: Floats, height: int) -> Floats:
    """Return rows, and rows of zeros after them where they are fewer."""
    if len(rows) == height:
        return rows
    result = np.zeros((height, rows.shape[1]), np.float32)
    result[: len(rows)] = rows
    return result


class WholeWidth(_Tiled):
    """One BLAS call a tile. Place-invariant on AVX-512 kernels."""

    def _multiply(self, rows: Floats, out: Floats) -> None:
        np.matmul(rows, self._matrix, out=out)  # a loop in C: one call of the BLAS a tile


class Framed(WholeWidth):
    """One BLAS call a tile, with 8 columns of zeros on both sides of the matrix.

    On AVX2 kernels only the first and the last 8 columns depend on a row's place; the others have the bits that
    `ColumnBlocks` returns. Narrow matrices are left to that: the frame would be most of the work.
    """

    def __init__(self, matrix: Floats) -> None:
        super().__init__(matrix, BLOCK)


class ColumnBlocks(_Tiled):
    """One BLAS call a tile and 8 columns. Place-invariant on the AVX2 kernels too."""

    def __init__(self, matrix: Floats) -> None:
        super().__init__(matrix)
        blocks = self._padded // BLOCK
        stacked = self._matrix.reshape(len(matrix), blocks, BLOCK).transpose(1, 0, 2)
        self._blocks = np.ascontiguousarray(stacked)

    def _multiply(self, rows: Floats, out: Floats) -> None:
        blocked = out.reshape(*out.shape[:2], len(self._blocks), BLOCK, copy=False).transpose(0, 2, 1, 3)
        np.matmul(rows[:, None], self._blocks, out=blocked)


class Einsum(_Tiled):
    """Without BLAS: slow, for kernels on which no other strategy passes."""

    def _multiply(self, rows: Floats, out: Floats) -> None:
        for tile, result in zip(rows, out, strict=True):
            np.einsum("ik,kj->ij", tile, self._matrix, out=result, optimize=False)


def framed(matrix: Floats) -> Product:
    """Return `Framed` for a wide matrix and `ColumnBlocks` for a narrow one."""
    return Framed(matrix) if matrix.shape[1] >= _WIDE else ColumnBlocks(matrix)


def parted(product: Product, widths: Sequence[int]) -> Callable[[Floats], tuple[Floats, ...]]:
    """Cut what a product returns into arrays of so many columns each; their sum is that of the product."""
    stops = np.cumsum(widths).tolist()
    columns = [slice(stop - width, stop) for stop, width in zip(stops, widths, strict=True)]

    def run(rows: Floats) -> tuple[Floats, ...]:
        results = tuple(np.empty((len(rows), width), np.float32) for width in widths)

        def finish(rows: Floats, where: slice) -> None:
            for result, column in zip(results, columns, strict=True):
                result[where] = rows[:, column]

        product(rows, finish)
        return results

    return run


STRATEGIES: Final[tuple[Strategy, ...]] = (WholeWidth, framed, ColumnBlocks, Einsum)
"""Fastest first."""


def place_invariant(product: Product, inner: int) -> bool:
    """Return whether rows have the same bytes at every place of a tile, whatever the other rows are.

    240 rows are laid out in 240 orders in which each of them is once at every place, with other neighbours
    each time; in every second order two thirds of them are not finite. The arrays are one to three
    tiles long, or as long as what one call multiplies, and more; their last tile is more or less full.
    """
    random = np.random.default_rng(1)
    base = random.standard_normal((TILE, inner), np.float32)
    with np.errstate(all="ignore"):
        wanted = product(base)
        for shift in range(TILE):
            if not _same(product, base, wanted, shift, TILE):
                return False
        full = _full(product, TILE)
        for count in (1, 2, TILE - 1, TILE + 1, 2 * TILE, 2 * TILE + 17, full, full + TILE + 17):
            order = np.arange(count) % TILE
            if product(base[order]).tobytes() != wanted[order].tobytes():
                return False
    return True


def same_bits(product: Product, inner: int, heights: Sequence[int]) -> bool:
    """Return whether tiles of these heights have the bytes of whole ones, at every place of them.

    Args:
        product: one that is place-invariant, with tiles of these heights.
        inner: k of its matrix [k, n].
        heights: rows that it multiplies in one call.
    """
    base = np.random.default_rng(1).standard_normal((TILE, inner), np.float32)
    base[::15] = 0
    base[::15, -1] = np.float32(-1e-45)  # sums that round to zero: -0 where the code of a BLAS does not add 0 to them
    with np.errstate(all="ignore"):
        wanted = product(base)
        return all(
            _same(product, base, wanted, shift, height - (shift % 4 if height < TILE else 0))
            for height in heights
            for shift in range(0, TILE, _SHIFTS)
        )


def _same(product: Product, base: Floats, wanted: Floats, shift: int, count: int) -> bool:
    """Return whether some rows of a tile have the same bytes in another order, every second time beside NaN."""
    # A unit of the ring times the place, plus the shift: an order, another one for every shift.
    order = (np.arange(count) * _UNITS[shift % len(_UNITS)] + shift) % TILE
    rows = base[order]
    kept = np.ones(count, np.bool_)
    if shift % 2:
        kept = np.arange(count) % 3 == shift // 2 % 3
        rows[~kept] = np.nan
    return product(rows)[kept].tobytes() == wanted[order][kept].tobytes()


class Chooser:
    """Makes products, each with the first strategy that passes the self-test for its shape."""

    def __init__(self, strategies: Sequence[Strategy] = STRATEGIES) -> None:
        self._strategies = strategies
        # What a BLAS does depends on the shape, not on the numbers: a model of equal layers is tested once.
        self._chosen: dict[tuple[int, int], tuple[Strategy, int, int]] = {}

    def __call__(self, matrix: Floats) -> Product:
        """Return the product for a matrix [k, n]; ProductError if no strategy passes."""
        inner, columns = matrix.shape
        if (inner, columns) not in self._chosen:
            self._chosen[inner, columns] = self._choose(inner, columns)
        strategy, step, tall = self._chosen[inner, columns]
        return _cut(strategy(matrix), step, tall)

    def _choose(self, inner: int, columns: int) -> tuple[Strategy, int, int]:
        """Return the strategy for a shape, and what `_heights` returns for it.

        The numbers of the test are its own: a matrix of zeros passes in any order of addition.
        """
        matrix = np.random.default_rng(0).standard_normal((inner, columns), np.float32)
        for strategy in self._strategies:
            product = strategy(matrix)
            if place_invariant(product, inner):
                narrower = _narrower(product, matrix)
                return (strategy, *_heights(product, inner)) if narrower is None else narrower
        raise ProductError(
            f"no dense product of {inner} x {columns} returns the same bits at every place with this BLAS;"
            " use another numpy build, or set OPENBLAS_CORETYPE to another kernel"
        )


def _narrower(product: Product, matrix: Floats) -> tuple[Strategy, int, int] | None:
    """Return what has the bits of a product with fewer columns of zeros, and its heights, if there is such a thing."""
    inner, columns = matrix.shape
    rows = _odd_rows(inner)
    for block in _NARROW:
        if columns > block or not isinstance(product, _Tiled):
            continue
        strategy = partial(WholeWidth, block=block)
        narrow = strategy(matrix)
        with np.errstate(all="ignore"):
            same = narrow(rows).tobytes() == product(rows).tobytes()
        if same and place_invariant(narrow, inner):
            return strategy, *_heights(narrow, inner)
    return None


def _odd_rows(inner: int) -> Floats:
    """Return a tile of rows [TILE, k] whose sums differ between orders of addition, and between ways to begin it."""
    random = np.random.default_rng(2)
    rows = random.standard_normal((TILE, inner), np.float32)
    rows[::5] *= np.exp2(random.integers(-100, 100, rows[::5].shape)).astype(np.float32)
    rows[1::10] = 0
    rows[2::10] = -0.0
    rows[3::10] = 0
    rows[3::10, -1] = np.float32(-1e-45)  # sums that round to zero
    return rows


def _heights(product: Product, inner: int) -> tuple[int, int]:
    """Return the step and the most rows of a call that have the bits of whole tiles and are not the slower ones."""
    step = next((s for s in STEPS if same_bits(_cut(product, s, TILE), inner, range(s, TILE, s))), TILE)
    if type(product) is WholeWidth and TILE <= SMALL // product.area < TALL:
        return step, TILE
    tall = _cut(product, step, TALL)
    return step, TALL if same_bits(tall, inner, [TALL, _full(tall, TALL)]) else TILE


def _full(product: Product, height: int) -> int:
    """Return the most rows that one call of numpy multiplies, in tiles of a height."""
    return height * product.tiles(height) if isinstance(product, _Tiled) else height


def _cut(product: Product, step: int, tall: int) -> Product:
    """Return a product with tiles of these heights, if it is one that has tiles."""
    if isinstance(product, _Tiled):
        product.step, product.tall = step, tall
    return product
