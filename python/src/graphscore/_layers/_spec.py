"""What a layer type reads of its entry in config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphscore._arrays import Floats
from graphscore._config import ModelError, Section, printable, show
from graphscore._tensors import Tensors


@dataclass(frozen=True)
class Width:
    """How many values a node the rows have that a layer is given."""

    size: int
    source: str
    """Where the number comes from, e.g. 'in_features is 16'."""


class LayerSpec(Section):
    """One entry of `layers`, and the tensors that it names.

    Numbers, flags and choices are read as in any section. Tensors are read with names for their dimensions:
    `weight("weight", "out", "in")`. Tensors of one layer that share the name of a dimension must have one size
    there, and `in` is the width of the rows that the layer takes; both are checked here and nowhere else, before
    values are read. Every error is a ModelError that names layer, key and value.

    Args:
        path, where, entry: see Section.
        tensors: the weights of the model.
        width: what the layer is given; None: of any width.
    """

    def __init__(self, path: Path, where: str, entry: object, tensors: Tensors, width: Width | None = None) -> None:
        super().__init__(path, where, entry)
        self._tensors = tensors
        self._width = width
        self._sizes: dict[str, tuple[int, str]] = {}  # of each named dimension, and the key that set it

    def weight(self, key: str, *dimensions: str) -> Floats:
        """Return the tensor that is named under `key`: read-only, finite float32, with these dimensions."""
        value = self.optional_weight(key, *dimensions)
        if value is None:
            raise self.error(f"{key} must name a tensor")
        return value

    def optional_weight(self, key: str, *dimensions: str) -> Floats | None:
        """Return the tensor that is named under `key`, or None where the key is absent or null."""
        name = self.get(key)
        if name is None:
            return None
        if not isinstance(name, str) or not name:
            raise self.error(f"{key} must name a tensor, got {show(name)}")
        where = f"{self._where}, {key}"
        self._fit(key, name, dimensions, self._tensors.shape(name, where, dimensions))
        return self._tensors.read(name, where)

    def check_width(self, taken: int, hint: str = "") -> None:
        """Compare the width of the rows that the layer takes with what it is given."""
        if self._width is not None and taken != self._width.size:
            raise ModelError(f"{self._path}: {self._where} takes {taken} values a node, but {self._width.source}{hint}")

    def _fit(self, key: str, name: str, dimensions: tuple[str, ...], shape: tuple[int, ...]) -> None:
        """Compare a shape with those of the tensors before it and with what the layer is given."""
        sizes = dict(zip(dimensions, shape, strict=True))
        expected = [self._sizes.get(dimension, (size, key)) for dimension, size in sizes.items()]
        hint = self._transposed(name, dimensions, shape)
        for size, (wanted, other) in zip(shape, expected, strict=True):
            if size != wanted:
                raise self.error(
                    f"{key} {name!r} has shape {list(shape)}, expected {[size for size, _ in expected]}"
                    f" to match {other}{hint}"
                )
        if "in" in sizes:
            self.check_width(sizes["in"], hint)
        self._sizes |= dict(zip(dimensions, expected, strict=True))

    def _transposed(self, name: str, dimensions: tuple[str, ...], shape: tuple[int, ...]) -> str:
        """Return what to do about a tensor that does not fit, where its transpose would; else nothing."""
        known = {dimension: size for dimension, (size, _) in self._sizes.items()}
        if self._width is not None:
            known["in"] = self._width.size
        reverse = zip(dimensions, reversed(shape), strict=True)
        if set(dimensions) != {"out", "in"} or any(known.get(key, size) != size for key, size in reverse):
            return ""
        return (
            f"; {printable(name)} is {list(shape)} and its transpose would fit: weights are [out, in], this one is"
            " [in, out], so save it transposed"
        )
