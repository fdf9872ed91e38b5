"""What a layer type reads of its entry in config.json."""

from __future__ import annotations

from pathlib import Path

from graphscore._arrays import Floats
from graphscore._config import Section, show
from graphscore._tensors import Tensors


class LayerSpec(Section):
    """One entry of `layers`, and the tensors that it names.

    Numbers, flags and choices are read as in any section. Tensors are read with names for their dimensions:
    `weight("weight", "out", "in")`. Tensors of one layer that share the name of a dimension must have one size
    there, which is checked here and nowhere else. Every error is a ModelError that names layer, key and value.

    Args:
        path, where, entry: see Section.
        tensors: the weights of the model.
    """

    def __init__(self, path: Path, where: str, entry: object, tensors: Tensors) -> None:
        super().__init__(path, where, entry)
        self._tensors = tensors
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
        value = self._tensors.read(name, f"{self._where}, {key}", dimensions)
        expected = [
            self._sizes.get(dimension, (size, key)) for dimension, size in zip(dimensions, value.shape, strict=True)
        ]
        for size, (wanted, other) in zip(value.shape, expected, strict=True):
            if size != wanted:
                raise self.error(
                    f"{key} {name!r} has shape {list(value.shape)}, expected {[size for size, _ in expected]}"
                    f" to match {other}"
                )
        self._sizes |= dict(zip(dimensions, expected, strict=True))
        return value
