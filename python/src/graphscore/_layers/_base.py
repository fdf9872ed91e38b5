"""What a layer type is: how it is read from a model folder, and how it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from graphscore._arrays import Floats
from graphscore._edges import Edges
from graphscore._products import Product

Forward: TypeAlias = Callable[[Floats, Edges], Floats]
"""Rows [N, in] and edges -> rows [N, out], before the activation: a new array that belongs to the caller.

The rows given are row-major and aligned; they are used up, that is, the function may write into them.
"""

MakeProduct: TypeAlias = Callable[[Floats], Product]
"""Makes a place-invariant product with a matrix [k, n]."""


class LayerSpec(Protocol):
    """One entry of `layers` in config.json. Every method raises ModelError naming layer and tensor."""

    def matrix(self, key: str) -> Floats:
        """Return the tensor [out, in] that config.json names under `key`; it must be there."""

    def optional_matrix(self, key: str) -> Floats | None:
        """Return the tensor [out, in] under `key`, or None where that is absent or null."""

    def optional_vector(self, key: str) -> Floats | None:
        """Return the tensor [out] under `key`, or None where that is absent or null."""


class Layer(Protocol):
    """The parameters of one layer."""

    @property
    def weight(self) -> Floats:
        """A weight [out, in] that tells the layer's widths."""

    def compile(self, make_product: MakeProduct) -> Forward:
        """Return the function that computes the layer."""


@dataclass(frozen=True)
class LayerType:
    """A layer type: its keys in config.json beside `type` and `activation`, and its reader."""

    keys: frozenset[str]
    read: Callable[[LayerSpec], Layer]
