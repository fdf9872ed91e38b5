"""model.safetensors of a model folder; every tensor is checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._config import ModelError

_LISTED: Final = 8


class Tensors:
    """The tensors of an open safetensors file.

    Args:
        path: the file, for messages.
        file: what safetensors.safe_open returns for it. It must stay open while tensors are read.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        self._names = frozenset(file.keys())

    def read(self, name: str, where: str, dimensions: tuple[str, ...]) -> Floats:
        """Return tensor `name`: a read-only float32 copy, finite, with as many dimensions as named.

        Raises ModelError naming the tensor and `where` the configuration names it.
        """
        if name not in self._names:
            names = sorted(self._names)
            some = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "") if names else "no tensors"
            raise ModelError(f"{self._path}: no tensor {name!r} ({where}); the file has {some}")
        head = self._file.get_slice(name)
        kind, shape = head.get_dtype(), tuple(head.get_shape())
        if kind != "F32":
            raise ModelError(
                f"{self._path}: tensor {name!r} ({where}) is {kind}, only F32 is supported;"
                " save the model after model.float()"
            )
        if len(shape) != len(dimensions) or 0 in shape:
            raise ModelError(
                f"{self._path}: tensor {name!r} ({where}) has shape {list(shape)}, expected [{', '.join(dimensions)}]"
            )
        value: Floats = self._file.get_tensor(name)
        broken = value.size - int(np.isfinite(value).sum())
        if broken:
            raise ModelError(
                f"{self._path}: tensor {name!r} ({where}) has {broken} values that are not finite; train it again"
            )
        value.flags.writeable = False
        return value
