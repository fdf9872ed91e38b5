"""Bytes that are more than float32: files and streams in which arrays are stored by mistake. See readers/binary.go."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

_HEAD: Final = 12
_ZLIB_BYTES: Final = 64 << 20
_TEXT_BYTES: Final = 32
_JSON_BYTES: Final = 8


def _is_message(b: bytes) -> bool:
    size = int.from_bytes(b[4:8], "little")
    return len(b) >= _HEAD and 0 < size <= len(b) - 8 and size % 8 == 0


def _is_pickle(b: bytes) -> bool:
    return 2 <= b[1] <= 5 and (b.endswith(b".") or b[2:4] == b"\x8a\n")  # noqa: PLR2004


def _is_zlib(b: bytes) -> bool:
    if b[0] & 0xF != 8 or (b[0] << 8 | b[1]) % 31:  # noqa: PLR2004
        return False
    stream = zlib.decompressobj()
    try:
        whole = stream.decompress(b, _ZLIB_BYTES)
    except zlib.error:
        return False
    return stream.eof or len(whole) == _ZLIB_BYTES


def _is_text(b: bytes) -> bool:
    ascii_only = all(0x20 <= c <= 0x7E or c in b"\n\r\t" for c in b)  # noqa: PLR2004
    if len(b) < _TEXT_BYTES:
        return len(b) >= _JSON_BYTES and b[:1] in b"[{" and b[-1:] in b"]}" and ascii_only
    return ascii_only and not _are_short(b)


def _are_short(b: bytes) -> bool:
    """Return whether all float32 are decimals of at most three digits, as people write them: 0.7 is "333?"."""
    if len(b) % 4:
        return False
    decimals = (np.format_float_scientific(v, trim="-") for v in np.unique(np.frombuffer(b, "<f4")))
    return all(d.index("e") <= len("1.23") for d in decimals)


_HEADS: Final[tuple[tuple[bytes, str, Callable[[bytes], bool] | None], ...]] = (
    (b"\x93NUMPY", "a .npy file", None),
    (b"PK\x03\x04", "a zip archive (.npz, torch.save)", None),
    (b"PK\x05\x06", "an empty zip archive", None),
    (b"ARROW1", "an Arrow file", None),
    (b"FEA1", "a Feather file", None),
    (b"\xff\xff\xff\xff", "an Arrow IPC message", _is_message),
    (b"PAR1", "a Parquet file", None),
    (b"\x28\xb5\x2f\xfd", "zstd data", None),
    (b"\x04\x22\x4d\x18", "LZ4 data", None),
    (b"\x1f\x8b\x08", "gzip data", lambda b: len(b) >= 18 and b[3] < 0x20),  # noqa: PLR2004
    (b"BZh", "bzip2 data", lambda b: b[4:10] == b"1AY&SY"),
    (b"\xfd7zXZ\x00", "xz data", None),
    (b"\xff\x06\x00\x00sNaPpY", "snappy data", None),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", None),
    (b"\x89PNG", "a PNG image", None),
    (b"\xac\xed\x00\x05", "a serialized Java object", None),
    (b"MATLAB 5.0", "a MATLAB file", None),
    (b"\x80", "a pickle", _is_pickle),
    (b"\x78", "zlib data", _is_zlib),
    (b"", "text", _is_text),
)


def serialized(b: bytes) -> str:
    """Name the format that bytes are in if they are more than numbers, else return an empty text."""
    if len(b) < 4:  # noqa: PLR2004
        return ""
    for magic, name, more in _HEADS:
        if b.startswith(magic) and (more is None or more(b)):
            return name
    if len(b) > 16 and b[4:10] == b'\x00\x00\x00\x00{"':  # noqa: PLR2004
        return "a safetensors file"
    return ""


def suspects(data: npt.NDArray[np.uint8], places: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return which values may be serialized, by their first bytes: all that are, and few others.

    Value i is data[places[i]] to before data[places[i + 1]].
    """
    sizes = np.diff(places)
    long = np.flatnonzero(sizes >= 4)  # noqa: PLR2004
    at = places[long][:, None] + np.arange(10)
    head = np.where(at < places[long + 1][:, None], data[np.minimum(at, max(len(data) - 1, 0))], 0).astype(np.uint8)
    found = np.zeros(len(long), np.bool_)
    for magic, _, _ in _HEADS[:-1]:
        wanted = np.frombuffer(magic[:10], np.uint8)
        found |= (head[:, : len(wanted)] == wanted).all(axis=1)
    first = head[:, :8]
    text = ((first >= 0x20) & (first <= 0x7E)) | np.isin(first, np.frombuffer(b"\n\r\t", np.uint8))  # noqa: PLR2004
    found |= text.all(axis=1)
    found |= (head[:, 4:10] == np.frombuffer(b'\x00\x00\x00\x00{"', np.uint8)).all(axis=1)
    return long[found]


def suspect(size: int, values: int) -> str:
    """Name the type that bytes of another size than that of so many float32 may have."""
    if not values:
        return ""
    guesses = {8 * values: "float64", 2 * values: "float16", values: "integers of 8 bits"}
    return f": are they {guesses[size]}?" if size in guesses else ""
