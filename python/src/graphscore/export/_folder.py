"""Writes a model folder: config.json for people, and model.safetensors."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from graphscore.export._error import ExportError

FORMAT: Final = "graphscore/2"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
CARD: Final = "README.md"
"""What people write about a model, beside it; it stays."""

_ALIGNMENT: Final = 8
_MEMBER: Final = re.compile(r"member_\d+\.safetensors")
"""The weights of one of several models."""

Tensors = Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, which takes its place at the end of the block, or is removed.

    Raises ExportError where the folder cannot be written or has files that are not of a model.
    """
    others = sorted(path.name for path in folder.iterdir() if not _of_model(path)) if folder.is_dir() else []
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file; name a folder for the model")
    if others:
        raise ExportError(f"{folder} has {others[0]}, which is no part of a model; name a new or an empty folder")
    missing = [parent for parent in folder.absolute().parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    except OSError as error:
        raise ExportError(f"{error.filename or folder}: {error.strerror or error}") from None
    try:
        yield made
        _take_place(made, folder)
    except OSError as error:
        raise ExportError(f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
        for parent in missing:
            with suppress(OSError):  # the model is in it, or something of somebody else
                parent.rmdir()


def _take_place(made: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)  # with the modes of the user's umask, which the temporary folder does not have
    if (folder / CONFIG).exists():
        (folder / CONFIG).unlink()  # no configuration beside other weights than its own
    for old in folder.glob("*.safetensors"):
        old.unlink()
    for new in sorted(made.iterdir(), key=lambda path: path.name == CONFIG):
        new.replace(folder / new.name)


def _of_model(path: Path) -> bool:
    return path.name in (CONFIG, WEIGHTS, CARD) or _MEMBER.fullmatch(path.name) is not None


def write(
    folder: Path,
    *,
    name: str,
    level: str,
    inputs: Mapping[str, int | bool],
    outputs: Sequence[str],
    steps: Sequence[Mapping[str, Any]],
    tensors: Tensors,
    others: Sequence[Tensors] = (),
    std: bool = False,
) -> None:
    """Write the files of a model; `others` are the tensors of the further members of an ensemble."""
    files = [WEIGHTS] if not others else [f"member_{place}.safetensors" for place in range(1 + len(others))]
    text = config_text(name, level, inputs, outputs, steps, files, std=std)
    (folder / CONFIG).write_text(text, encoding="utf-8")
    for file, member in zip(files, (tensors, *others), strict=True):
        with (folder / file).open("wb") as weights:
            weights.write(_header(member))
            for tensor in member.values():
                weights.write(np.ascontiguousarray(tensor, "<f4").tobytes())


def config_text(
    name: str,
    level: str,
    inputs: Mapping[str, int | bool],
    outputs: Sequence[str],
    steps: Sequence[Mapping[str, Any]],
    weights: Sequence[str] = (WEIGHTS,),
    *,
    std: bool = False,
) -> str:
    """Return config.json: a line a step, so that a person sees the network in it."""
    head: dict[str, object] = {
        "format": FORMAT,
        "name": name,
        "level": level,
        "inputs": dict(inputs),
        "outputs": list(outputs),
    }
    head |= {"weights": list(weights), "ignored": []} | ({"std": True} if std else {})
    lines = [f"  {_json(key)}: {_json(value)}," for key, value in head.items()]
    rows = ",\n".join(f"    {_json(dict(step))}" for step in steps)
    return "\n".join(["{", *lines, '  "steps": [', rows, "  ]", "}"]) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _header(tensors: Tensors) -> bytes:
    """Return the beginning of a safetensors file: 8 bytes of length and a JSON object, padded by spaces."""
    entries, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.size
        entries[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
