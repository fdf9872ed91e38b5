"""The names that a pickle of chemprop may have, and what is built for each. Every other name is refused.

A name is a text: nothing is imported, whatever it is. What the model needs (tensors, dictionaries, numbers of numpy) is
built here; anything else of the packages that a checkpoint of chemprop names becomes a Record.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final

from graphscore.export.chemprop._records import Name, Record, Storage, Tensor

_Build = Callable[[Sequence[object]], object]

_PACKAGES: Final = (
    "chemprop",
    "lightning",
    "lightning_fabric",
    "pytorch_lightning",
    "torch.nn.modules",
    "torchmetrics",
)
"""Classes and functions of these become records."""

_RECORDS: Final = frozenset(
    {
        "__builtin__.set",
        "__builtin__.frozenset",
        "builtins.set",
        "builtins.frozenset",
        "argparse.Namespace",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "pathlib._local.PosixPath",
        "pathlib._local.WindowsPath",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "sklearn.preprocessing._data.StandardScaler",
        "torch.Size",
        "torch.device",
        "torch.dtype",
        "torch.serialization._get_layout",
    }
)

_DTYPES: Final = frozenset(
    {"bfloat16", "bool", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "uint8"}
)

STORAGES: Final = {
    "torch.BFloat16Storage": "bfloat16",
    "torch.BoolStorage": "bool",
    "torch.ByteStorage": "uint8",
    "torch.CharStorage": "int8",
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.IntStorage": "int32",
    "torch.LongStorage": "int64",
    "torch.ShortStorage": "int16",
}
"""The types of numbers that an entry may hold."""

_NUMPY: Final = {
    "b1": "?",
    "f4": "f",
    "f8": "d",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
}


_SHORT: Final = 64
"""Bytes of the longest number of numpy, and more."""
_DIMENSIONS: Final = 8
_LARGEST: Final = 1 << 40
"""No size, stride or offset of a tensor is as large."""
_NAME: Final = 256
"""Characters of the longest name of a module or class."""


class FoundError(ValueError):
    """Something that no checkpoint of chemprop has; the message says what."""


def known(name: Name) -> bool:
    """Return whether a pickle may have a name."""
    if len(name.module) > _NAME or len(name.name) > _NAME:
        return False
    full = f"{name.module}.{name.name}"
    if full in _BUILDERS or full in _RECORDS or full in STORAGES:
        return True
    if name.module == "torch":
        return name.name in _DTYPES
    return any(name.module == package or name.module.startswith(f"{package}.") for package in _PACKAGES)


def build(name: Name, arguments: Sequence[object]) -> object:
    """Return what is built for a name and what it would be called with."""
    builder = _BUILDERS.get(f"{name.module}.{name.name}")
    return builder(arguments) if builder else Record(name, tuple(arguments))


def _tensor(arguments: Sequence[object]) -> Tensor:
    match arguments:
        case [Storage() as storage, int(offset), tuple(shape), tuple(strides), *_]:
            if len(shape) > _DIMENSIONS or len(strides) > _DIMENSIONS:
                raise FoundError(
                    f"a tensor in it has more than {_DIMENSIONS} dimensions; the file is damaged, copy it again"
                )
            numbers = (offset, *shape, *strides)
            sizes = [size for size in numbers if type(size) is int and 0 <= size < _LARGEST]
            if len(shape) == len(strides) and len(sizes) == 1 + 2 * len(shape):
                return Tensor(storage, offset, tuple(sizes[1 : 1 + len(shape)]), tuple(sizes[1 + len(shape) :]))
    raise FoundError("a tensor in it has no shape, or one of impossible sizes; the file is damaged, copy it again")


def _parameter(arguments: Sequence[object]) -> object:
    match arguments:
        case [Tensor() as tensor, *_]:
            return tensor
    raise FoundError("a parameter in it is no tensor; the file is damaged, copy it again")


def _dictionary(arguments: Sequence[object]) -> dict[object, object]:
    match arguments:
        case [] | [Name()]:
            return {}
    raise FoundError("a dictionary in it is made of other values than torch.save writes")


def _encode(arguments: Sequence[object]) -> object:
    """Return what pickles of protocol 2 have for bytes: a text whose characters they are."""
    match arguments:
        case [str(text), _] if len(text) > _SHORT:  # the numbers of an array, which nothing here reads
            return Record(Name("builtins", "bytes"))
        case [str(text), "latin1"]:
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                pass
    raise FoundError("bytes in it are not as Python writes them; the file is damaged, copy it again")


def _bytes(arguments: Sequence[object]) -> bytes:
    match arguments:
        case []:
            return b""
    raise FoundError("bytes in it are not as Python writes them; the file is damaged, copy it again")


def _scalar(arguments: Sequence[object]) -> object:
    """Return a number of numpy as a Python number; what is no number stays a record."""
    match arguments:
        case [Record(of=Name("numpy", "dtype"), args=(str(code), *_)) as dtype, bytes(data)] if code in _NUMPY:
            order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "<"
            form = struct.Struct((">" if order == ">" else "<") + _NUMPY[code])
            if form.size == len(data):
                value: object = form.unpack(data)[0]
                return value
    return Record(Name("numpy", "generic"), tuple(arguments))


_BUILDERS: Final[dict[str, _Build]] = {
    "__builtin__.bytes": _bytes,
    "_codecs.encode": _encode,
    "builtins.bytes": _bytes,
    "collections.OrderedDict": _dictionary,
    "collections.defaultdict": _dictionary,
    "lightning.fabric.utilities.data.AttributeDict": _dictionary,
    "lightning.pytorch.utilities.parsing.AttributeDict": _dictionary,
    "lightning_fabric.utilities.data.AttributeDict": _dictionary,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.multiarray.scalar": _scalar,
    "pytorch_lightning.utilities.parsing.AttributeDict": _dictionary,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor_v2": _tensor,
}
