"""The header of a safetensors file, read and checked before anything else of the file.

A file is 8 bytes that say how long the header is, the header (a JSON object: name of a tensor -> type, shape and
place), and the data of all tensors, without gaps. What is read here is bounded by `HEADER_BYTES`, however large
the file is or says it is. https://github.com/huggingface/safetensors#format; pipeline/local/weights.go makes the
same checks with the same words.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from graphscore._config import ModelError, decode, one_line, printable

HEADER_BYTES: Final = 4 << 20
"""The largest header: about 40,000 tensors. config.json, which names each of them, has at most 1 MiB."""

_LENGTH_BYTES: Final = 8
_ENDS: Final = 2
_METADATA: Final = "__metadata__"
_BITS: Final = (
    dict.fromkeys(("C64", "F64", "I64", "U64"), 64)
    | dict.fromkeys(("F32", "I32", "U32"), 32)
    | dict.fromkeys(("BF16", "F16", "I16", "U16"), 16)
    | dict.fromkeys(("BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8"), 8)
)


@dataclass(frozen=True)
class Entry:
    """What the header says about one tensor."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    """The first byte of its values, counted from the beginning of the file."""
    end: int
    """The byte after its values."""


class DamagedError(ModelError):
    """A file that is not what its header says."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is not a whole safetensors file: {why}; save it again")


def read_header(path: Path, file: BinaryIO) -> dict[str, Entry]:
    """Return the tensors of an open safetensors file by name.

    Raises ModelError, also where the data is shorter, longer or laid out otherwise than the header says, and OSError.
    """
    size = os.fstat(file.fileno()).st_size
    first = file.read(_LENGTH_BYTES)
    if len(first) < _LENGTH_BYTES:
        raise DamagedError(path, f"it has only {len(first)} bytes")
    length = int.from_bytes(first, "little")
    data = _LENGTH_BYTES + length
    if data > size:
        raise DamagedError(path, f"its header would have {length} bytes, the file has {size}")
    if length > HEADER_BYTES:
        raise ModelError(
            f"{path}: its header has {length} bytes, more than {HEADER_BYTES}; no model has so many tensors"
        )
    try:
        parsed = decode(file.read(length).decode())
    except ValueError as error:
        raise DamagedError(path, f"its header is not JSON: {one_line(error)}") from None
    if not isinstance(parsed, dict):
        raise DamagedError(path, "its header is not a JSON object")
    entries = {name: _entry(path, name, value, data, size) for name, value in parsed.items() if name != _METADATA}
    at = data
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != at:
            raise DamagedError(path, f"tensor {printable(name)} does not begin where the one before it ends")
        at = entry.end
    if at != size:
        raise DamagedError(path, f"its header describes {at} bytes, the file has {size}")
    return entries


def _entry(path: Path, name: str, value: object, data: int, size: int) -> Entry:
    """Check one entry of the header. `data` is where values begin, `size` where the file ends."""
    fields = value if isinstance(value, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), _counts(fields.get("shape")), _counts(fields.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or offsets is None or len(offsets) != _ENDS:
        raise DamagedError(path, f"its header does not say type, shape and place of tensor {printable(name)}")
    begin, end = offsets
    if not begin <= end <= size - data:
        raise DamagedError(path, f"tensor {printable(name)} lies outside of the file")
    if dtype in _BITS and _bytes(shape, _BITS[dtype] // 8, end - begin) != end - begin:
        raise DamagedError(path, f"tensor {printable(name)} has another number of bytes than its type and shape say")
    return Entry(dtype, shape, data + begin, data + end)


def _counts(value: object) -> tuple[int, ...] | None:
    """Return a list of integers that are not negative as a tuple; None where it is anything else."""
    if not isinstance(value, list) or not all(type(item) is int and item >= 0 for item in value):
        return None
    return tuple(value)


def _bytes(shape: tuple[int, ...], width: int, enough: int) -> int:
    """Return the bytes of a tensor; of one with more than `enough`, some number above that."""
    if 0 in shape:
        return 0
    total = width
    for size in shape:
        total *= size
        if total > enough:  # a product of many sizes has millions of digits
            break
    return total
