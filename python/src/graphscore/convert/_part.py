"""A part: the graphs of one chunk, its rejects, and the ledger in its footer."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from graphscore._exit_codes import CANNOT_CREATE
from graphscore.convert._error import ConvertError
from graphscore.convert._settings import Chunk, Reject

KEY: Final = b"graphscore.convert"
REJECTS: Final = "_rejects"
TEMPORARY: Final = "_temporary"
_LEVEL: Final = 3  # of zstd
_PLAIN: Final = frozenset({"node_feat", "edge_attr"})
BLOCK_ATOMS: Final = 1 << 17  # a row group has no more atoms, so that memory does not depend on the size of molecules


@dataclass(frozen=True)
class Ledger:
    """What the footer of a part says of it."""

    file: str
    number: int
    rows: int
    converted: int
    rejected: int
    content: str
    settings: Mapping[str, Any]
    reasons: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """Return the ledger as JSON."""
        return json.dumps({"format": "convert/1", **asdict(self)}, sort_keys=True)


def part_name(file: str, number: int) -> str:
    """Return the name of a part; graphscore does not read files that begin with `_` or `.`."""
    shown = {"_": "%5F", ".": "%2E"}.get(file[0], file[0]) + file[1:]
    return f"{shown}.{number:06d}.parquet"


def read_ledger(path: Path) -> Ledger | None:
    """Return the ledger of a part; None where the file is no part of a conversion."""
    try:
        kept = (pq.read_metadata(path).metadata or {}).get(KEY)
    except (OSError, ValueError, pa.ArrowException):
        return None
    if kept is None:
        return None
    try:
        values = json.loads(kept)
        return Ledger(**values) if values.pop("format") == "convert/1" else None
    except (ValueError, KeyError, TypeError):
        return None


def write_part(
    out: Path,
    chunk: Chunk,
    settings: Mapping[str, Any],
    fill: Callable[[Chunk, Callable[[pa.Table], None]], list[Reject]],
    columns: pa.Schema,
) -> Ledger:
    """Write a chunk's part; the rejects get their name before it. Returns its ledger.

    Args:
        out: the folder of parts.
        chunk: the rows.
        settings: the settings, for the ledger.
        fill: converts the chunk, calls its second argument with each row group, and returns what it rejected.
        columns: the schema of a part.
    """
    part = part_name(chunk.file, chunk.number)
    place = out / TEMPORARY / f"{part}.{os.getpid()}.tmp"
    try:
        with place.open("wb") as file:
            with pq.ParquetWriter(
                file, columns, compression="zstd", compression_level=_LEVEL, use_dictionary=_dictionaries(columns)
            ) as writer:
                rejects = sorted([*chunk.rejects, *fill(chunk, writer.write_table)], key=lambda reject: reject.line)
                made = Ledger(
                    file=chunk.file,
                    number=chunk.number,
                    rows=chunk.rows,
                    converted=chunk.rows - len(rejects),
                    rejected=len(rejects),
                    content=chunk.content,
                    settings=settings,
                    reasons=dict(sorted(Counter(reject.code for reject in rejects).items())),
                )
                writer.add_key_value_metadata({KEY.decode(): made.text()})
            _sync(file)
        _write_rejects(out, part, chunk.file, rejects)
        place.replace(out / part)
        sync_folder(out)
    except OSError as error:
        place.unlink(missing_ok=True)
        raise ConvertError(
            CANNOT_CREATE, f"{out / part}: {error.strerror or error}; the parts that exist stay"
        ) from None
    return made


def _dictionaries(columns: pa.Schema) -> list[str]:
    """Return the paths of the leaves with dictionaries: without them features are written in two thirds of the time."""
    footer = pa.BufferOutputStream()
    pq.write_metadata(columns, footer)
    leaves = pq.read_metadata(pa.BufferReader(footer.getvalue())).schema
    paths = [leaves.column(place).path for place in range(len(leaves.names))]
    return [path for path in paths if path.partition(".")[0] not in _PLAIN]


def rejects_of(out: Path, part: str) -> Path:
    """Return the file with the rejects of a part."""
    return out / REJECTS / f"{part.removesuffix('.parquet')}.jsonl"


def _write_rejects(out: Path, part: str, file: str, rejects: list[Reject]) -> None:
    final = rejects_of(out, part)
    if not rejects:
        final.unlink(missing_ok=True)
        return
    final.parent.mkdir(exist_ok=True)
    place = out / TEMPORARY / f"{final.name}.{os.getpid()}.tmp"
    with place.open("wb") as to:
        for reject in rejects:
            line = json.dumps({"file": file, **asdict(reject)}, ensure_ascii=False)
            to.write(line.encode("utf-8", "backslashreplace") + b"\n")
        _sync(to)
    place.replace(final)
    sync_folder(final.parent)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the names in a folder survive a power failure."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
