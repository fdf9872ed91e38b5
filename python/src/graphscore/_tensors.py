"""model.safetensors of a model folder; every tensor is checked when it is read, and none is left out unsaid."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import numpy as np

from graphscore._arrays import Floats
from graphscore._config import ModelError, printable, show
from graphscore._header import DamagedError, Entry, read_header

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""The shape of each tensor of a file."""

_LISTED: Final = 8
_COUNTER: Final = "num_batches_tracked"  # of a BatchNorm: counts training steps, no score depends on it
_LOOKS: Final = (
    (("running_mean", "running_var"), "a BatchNorm, which config.json has no layer for"),
    (("mean_scale",), "a GraphNorm, which config.json has no layer for"),
    (("att", "att_src", "att_dst", "att_edge"), "the attention of a GAT, which config.json has no layer for"),
    (("lin_r.weight",), "the root weight of a sage layer, which config.json names under root"),
    (("bias",), "the bias of a layer, which config.json names under bias"),
)


class Tensors:
    """The tensors of an open safetensors file.

    Args:
        path: the file, for messages.
        file: the file itself, at its beginning. It must stay open while tensors are read.

    Raises ModelError where the file is not what its header says, and OSError.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._entries = read_header(path, file)
        self._used: dict[str, str] = {}  # by name, where config.json names it first

    def shape(self, name: str, where: str, dimensions: tuple[str, ...]) -> tuple[int, ...]:
        """Return the shape of tensor `name`, which counts as used from now on: F32, with as many dimensions as named.

        Raises ModelError naming the tensor and `where` the configuration names it.
        """
        entry = self._entry(name, where)
        self._used.setdefault(name, where)
        if entry.dtype != "F32":
            raise ModelError(
                f"{self._path}: tensor {show(name)} ({where}) is {printable(entry.dtype)}, only F32 is supported;"
                " save the model after model.float()"
            )
        if len(entry.shape) != len(dimensions) or 0 in entry.shape:
            raise ModelError(
                f"{self._path}: tensor {show(name)} ({where}) has shape {list(entry.shape)},"
                f" expected [{', '.join(dimensions)}]"
            )
        return entry.shape

    def read(self, name: str, where: str) -> Floats:
        """Return tensor `name`, whose shape was asked for: a read-only float32 copy, finite.

        Raises ModelError naming the tensor and `where` the configuration names it, and OSError.
        """
        entry = self._entry(name, where)
        count = math.prod(entry.shape)
        self._file.seek(entry.begin)
        try:
            value = np.fromfile(self._file, "<f4", count).astype(np.float32, copy=False)
            broken = value.size - int(np.isfinite(value).sum())
        except MemoryError:
            raise ModelError(
                f"{self._path}: tensor {show(name)} ({where}) has {entry.end - entry.begin} bytes,"
                " more than there is memory for"
            ) from None
        if value.size < count:
            raise DamagedError(self._path, f"it became shorter while tensor {printable(name)} was read")
        if broken:
            raise ModelError(
                f"{self._path}: tensor {show(name)} ({where}) has {broken} values that are not finite; train it again"
            )
        value = value.reshape(entry.shape)
        value.flags.writeable = False
        return value

    def check_shapes(self, shapes: Shapes | None, other: str) -> Shapes:
        """Return names and shapes of all tensors.

        Raises ModelError where they are not `shapes`, which are those of a file `other`.
        """
        own = {name: entry.shape for name, entry in self._entries.items()}
        if shapes is None:
            return own
        for name in sorted(own.keys() | shapes.keys()):
            if own.get(name) != shapes.get(name):
                raise ModelError(
                    f"{self._path}: tensor {printable(name)} {_said(own.get(name))}, but in {other} it"
                    f" {_said(shapes.get(name))}; the files of weights of one model have the same tensors"
                )
        return own

    def check_used(self, ignored: Collection[str], unit: str = "layer") -> None:
        """Refuse tensors that nothing has asked for and that are not in `ignored`.

        `unit` is what asks for tensors: a layer or a step.

        Raises ModelError naming the first ones of them, or a name in `ignored` that is no tensor or is used.
        """
        for name in ignored:
            self._entry(name, "ignored")
            if name in self._used:
                raise ModelError(f"{self._path}: tensor {show(name)} is in ignored, but {self._used[name]} uses it")
        unused = self._entries.keys() - self._used.keys() - set(ignored)
        unused = {name for name in unused if not _ends(name, _COUNTER)}
        if unused:
            raise ModelError(f"{self._path}: {_unused(sorted(unused), unit)}")

    def maybe_transposed(self) -> list[str]:
        """Return the used tensors that may be [in, out] without anybody noticing.

        They are square, so that either way fits, and their names lack the `lin` that PyTorch Geometric has had since
        it stores weights as [out, in].
        """
        return sorted(name for name in self._used if _square(self._entries[name].shape) and _old_name(name))

    def _entry(self, name: str, where: str) -> Entry:
        if name not in self._entries:
            some = _listed(sorted(self._entries)) if self._entries else "no tensors"
            raise ModelError(f"{self._path}: no tensor {show(name)} ({where}); the file has {some}")
        return self._entries[name]


def _said(shape: tuple[int, ...] | None) -> str:
    return "is absent" if shape is None else f"has shape {list(shape)}"


def _unused(names: list[str], unit: str) -> str:
    what = f"{len(names)} tensors: {_listed(names)}" if len(names) > 1 else f"tensor {_listed(names)}"
    looks = ""
    for endings, look in _LOOKS if unit == "layer" else ():
        found = next((name for name in names if any(_ends(name, ending) for ending in endings)), None)
        if found is not None:
            looks = f"; {printable(found)} looks like {look}"
            break
    return (
        f"no {unit} uses {what}{looks}; scores would be wrong without what the model was trained with:"
        f" describe it in {unit}s, or name it in ignored of config.json if no score depends on it"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(map(printable, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _square(shape: tuple[int, ...]) -> bool:
    match shape:
        case (rows, columns):
            return rows == columns > 1
    return False


def _old_name(name: str) -> bool:
    return _ends(name, "weight") and not any(part.startswith("lin") for part in name.split("."))
