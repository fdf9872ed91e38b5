"""What a layer type is: how it is read from a model folder, and how it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from graphscore._arrays import Floats
from graphscore._edges import Edges
from graphscore._layers._spec import LayerSpec
from graphscore._products import Product

Forward: TypeAlias = Callable[[Floats, Edges], Floats]
"""Rows [N, in] and edges -> rows [N, out], before the activation: a new array that belongs to the caller.

The rows passed are row-major and aligned; they are used up, that is, the function may write into them.
"""

MakeProduct: TypeAlias = Callable[[Floats], Product]
"""Makes a place-invariant product with a matrix [k, n]."""


class Layer(Protocol):
    """The parameters of one layer."""

    @property
    def in_width(self) -> int:
        """Columns of the rows that the layer takes."""

    @property
    def out_width(self) -> int:
        """Columns of the rows that the layer returns."""

    def compile(self, make_product: MakeProduct) -> Forward:
        """Return the function that computes the layer."""


@dataclass(frozen=True)
class LayerType:
    """A layer type: its keys in config.json beside `type` and `activation`, and its reader.

    The reader takes each of the keys from the LayerSpec once; any other key of an entry is an error.
    """

    keys: frozenset[str]
    read: Callable[[LayerSpec], Layer]
