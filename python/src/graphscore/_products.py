"""Dense products whose rows do not depend on their place or their neighbours, to the bit.

Context: a BLAS picks its code by the shape of the matrices and by a row's place in them, so the same row can
have other bits when other graphs are in the batch. Decision: rows always go through the BLAS in tiles of one
fixed height, the last one padded, and when a model is loaded each of its products is tested at every place of
a tile before it is used. The fastest strategy that passes is taken. Price: some padding, and on AVX2 kernels
a frame of columns that nobody reads, or blocks of 8 columns instead of whole rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import numpy as np

from graphscore._arrays import Floats

TILE: Final = 240
"""Rows of a tile: a multiple of what every x86 kernel of OpenBLAS takes at once."""

BLOCK: Final = 8
"""Columns of a block. Narrower matrices are padded to it: a single column would take the gemv code."""


_WIDE: Final = 24
"""Columns from which on a frame costs less than blocks."""


class Product(Protocol):
    """Multiplies rows [N, k] with the matrix [k, n] it was made for."""

    def __call__(self, rows: Floats, /) -> Floats:
        """[N, k], row-major -> [N, n], row-major; a new array that belongs to the caller."""


Strategy: TypeAlias = Callable[[Floats], Product]
"""Makes the product for a matrix [k, n]."""


class ProductError(RuntimeError):
    """No strategy is place-invariant on this machine."""


class _Tiled:
    """Cuts rows into tiles; `_multiply` sees [tiles, TILE, k] and writes [tiles, TILE, padded n]."""

    def __init__(self, matrix: Floats) -> None:
        inner, self._columns = matrix.shape
        self._padded = -(-self._columns // BLOCK) * BLOCK
        self._matrix = np.zeros((inner, self._padded), np.float32)
        self._matrix[:, : self._columns] = matrix

    def __call__(self, rows: Floats, /) -> Floats:
        count, inner = rows.shape
        tiles, rest = divmod(count, TILE)
        out = np.empty((tiles + (rest > 0), TILE, self._padded), np.float32)
        if tiles:
            self._multiply(rows[: tiles * TILE].reshape(tiles, TILE, inner), out[:tiles])
        if rest:
            last = np.zeros((1, TILE, inner), np.float32)
            last[0, :rest] = rows[tiles * TILE :]
            self._multiply(last, out[tiles:])
        result = out.reshape(-1, self._padded)[:count]
        return result if self._columns == self._padded else np.ascontiguousarray(result[:, : self._columns])

    def _multiply(self, tiles: Floats, out: Floats) -> None:
        raise NotImplementedError


class WholeWidth(_Tiled):
    """One BLAS call a tile. Place-invariant on AVX-512 kernels."""

    def _multiply(self, tiles: Floats, out: Floats) -> None:
        np.matmul(tiles, self._matrix, out=out)


class Framed(_Tiled):
    """One BLAS call a tile, with 8 columns of zeros on both sides of the matrix.

    On AVX2 kernels only the first and the last 8 columns depend on a row's place; the others have the bits that
    `ColumnBlocks` returns. Narrow matrices are left to that: the frame would be most of the work.
    """

    def __init__(self, matrix: Floats) -> None:
        inner, self._inside = matrix.shape
        framed = np.zeros((inner, self._inside + 2 * BLOCK), np.float32)
        framed[:, BLOCK : BLOCK + self._inside] = matrix
        super().__init__(framed)

    def __call__(self, rows: Floats, /) -> Floats:
        return np.ascontiguousarray(self.with_frame(rows)[:, BLOCK : BLOCK + self._inside])

    def with_frame(self, rows: Floats) -> Floats:
        """Return the product with the columns of the frame: the first BLOCK and the last ones."""
        return super().__call__(rows)

    def _multiply(self, tiles: Floats, out: Floats) -> None:
        np.matmul(tiles, self._matrix, out=out)


class ColumnBlocks(_Tiled):
    """One BLAS call a tile and 8 columns. Place-invariant on the AVX2 kernels too."""

    def __init__(self, matrix: Floats) -> None:
        super().__init__(matrix)
        blocks = self._padded // BLOCK
        stacked = self._matrix.reshape(len(matrix), blocks, BLOCK).transpose(1, 0, 2)
        self._blocks = np.ascontiguousarray(stacked)

    def _multiply(self, tiles: Floats, out: Floats) -> None:
        blocked = out.reshape(len(out), TILE, len(self._blocks), BLOCK).transpose(0, 2, 1, 3)
        np.matmul(tiles[:, None], self._blocks, out=blocked)


class Einsum(_Tiled):
    """Without BLAS: slow, for kernels on which no other strategy passes."""

    def _multiply(self, tiles: Floats, out: Floats) -> None:
        for tile, target in zip(tiles, out, strict=True):
            np.einsum("ik,kj->ij", tile, self._matrix, out=target, optimize=False)


def framed(matrix: Floats) -> Product:
    """Return `Framed` for a wide matrix and `ColumnBlocks` for a narrow one."""
    return Framed(matrix) if matrix.shape[1] >= _WIDE else ColumnBlocks(matrix)


def parted(product: Product, widths: Sequence[int]) -> Callable[[Floats], tuple[Floats, ...]]:
    """Cut what a product returns into arrays of so many columns each; their sum is that of the product."""
    stops = np.cumsum(widths).tolist()
    columns = [slice(stop - width, stop) for stop, width in zip(stops, widths, strict=True)]

    def run(rows: Floats) -> tuple[Floats, ...]:
        whole = product.with_frame(rows)[:, BLOCK:] if isinstance(product, Framed) else product(rows)
        return tuple(np.ascontiguousarray(whole[:, part]) for part in columns)

    return run


STRATEGIES: Final[tuple[Strategy, ...]] = (WholeWidth, framed, ColumnBlocks, Einsum)
"""Fastest first."""


def place_invariant(product: Product, inner: int) -> bool:
    """Return whether rows have the same bytes at every place of a tile, whatever the other rows are.

    240 rows are laid out in 240 orders in which each of them is once at every place, with other neighbours
    each time; in every second order two thirds of them are not finite. The arrays are one to three
    tiles long, their last tile more or less full.
    """
    random = np.random.default_rng(1)
    base = random.standard_normal((TILE, inner), np.float32)
    with np.errstate(all="ignore"):
        wanted = product(base)
        steps = [step for step in range(1, TILE) if np.gcd(step, TILE) == 1]
        for shift in range(TILE):
            # A unit of the ring times the place, plus the shift: an order, another one for every shift.
            order = (np.arange(TILE) * steps[shift % len(steps)] + shift) % TILE
            rows = base[order]
            kept = np.ones(TILE, np.bool_)
            if shift % 2:
                kept = np.arange(TILE) % 3 == shift // 2 % 3
                rows[~kept] = np.nan
            if product(rows)[kept].tobytes() != wanted[order][kept].tobytes():
                return False
        for count in (1, 2, TILE - 1, TILE + 1, 2 * TILE, 2 * TILE + 17):
            order = np.arange(count) % TILE
            if product(base[order]).tobytes() != wanted[order].tobytes():
                return False
    return True


class Chooser:
    """Makes products, each with the first strategy that passes the self-test for its shape."""

    def __init__(self, strategies: Sequence[Strategy] = STRATEGIES) -> None:
        self._strategies = strategies
        # What a BLAS does depends on the shape, not on the numbers: a model of equal layers is tested once.
        self._chosen: dict[tuple[int, int], Strategy] = {}

    def __call__(self, matrix: Floats) -> Product:
        """Return the product for a matrix [k, n]; ProductError if no strategy passes."""
        inner, columns = matrix.shape
        if (inner, columns) in self._chosen:
            return self._chosen[inner, columns](matrix)
        for strategy in self._strategies:
            product = strategy(matrix)
            if place_invariant(product, inner):
                self._chosen[inner, columns] = strategy
                return product
        raise ProductError(
            f"no dense product of {inner} x {columns} returns the same bits at every place with this BLAS;"
            " use another numpy build, or set OPENBLAS_CORETYPE to another kernel"
        )
