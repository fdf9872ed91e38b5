"""Parquet files of molecules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from graphscore._config import one_line
from graphscore._exit_codes import INPUT_OUTPUT, NO_INPUT
from graphscore.convert._bytes import digest
from graphscore.convert._columns import carried_columns, id_column, refuse_twice, smiles_column
from graphscore.convert._error import ConvertError
from graphscore.convert._settings import MOST_BYTES, Chunk, Reject, Settings
from graphscore.convert._sizes import row_sizes, rows_at_once

_BUFFER: Final = 1 << 20  # bytes of a column that are read at once


class ParquetSource:
    """A Parquet file of molecules, one a row."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.name = path.name
        self._path = path
        self._settings = settings
        try:
            with pq.ParquetFile(path) as file:
                schema = file.schema_arrow
                self._rows = file.metadata.num_rows
        except (OSError, ValueError, pa.ArrowException) as error:  # of names that are not UTF-8 as well
            raise ConvertError(NO_INPUT, f"{path} cannot be read: {_line(error)}; is the file whole?") from None
        columns = schema.names
        refuse_twice(str(path), columns)
        texts = [field.name for field in schema if _is_text(field.type)]
        smiles = smiles_column(str(path), columns, texts, settings)
        named = id_column(str(path), columns, smiles, settings)
        for name, fits, what, flag in (
            (smiles, _is_text, "text", "--smiles-column"),
            (named, _is_id, "text or integers", "--id-column"),
        ):
            if name is not None and not fits(schema.field(name).type):
                kind = schema.field(name).type
                raise ConvertError(
                    NO_INPUT,
                    f"{path}: column {name!r} is {kind}, not {what}; write it as text, or name another ({flag})",
                )
        self.columns: dict[str, str | None] = {"smiles": smiles, "id": named}
        self._carry = carried_columns(str(path), columns, settings)
        for name in self._carry:
            self._check_carried(schema.field(name))
        self._read = list(dict.fromkeys([smiles, *([named] if named else []), *self._carry]))
        self._at = 0

    def _check_carried(self, field: pa.Field) -> None:
        """Refuse a column of a type of which Arrow takes no single rows."""
        try:
            _plain(pa.array([], field.type)).take(pa.array([], pa.int64()))
        except pa.ArrowException:
            raise ConvertError(
                NO_INPUT,
                f"{self._path}: column {field.name!r} is {field.type}, which --carry does not copy; leave it out",
            ) from None

    def done(self) -> float:
        """Return how much of the file is read, from 0 to 1."""
        return self._at / self._rows if self._rows else 1.0

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, `part_rows` a chunk, fewer where they are long."""
        number = self._at = 0
        held: list[pa.RecordBatch] = []
        rows = size = 0
        try:
            with pq.ParquetFile(self._path, buffer_size=_BUFFER) as file:
                for batch in file.iter_batches(rows_at_once(file.metadata, self._read), columns=self._read):
                    first = 0
                    for row, bytes_ in enumerate(row_sizes(batch).tolist(), 1):
                        rows, size = rows + 1, size + bytes_
                        if rows == self._settings.part_rows or size >= MOST_BYTES:
                            yield self._chunk(number, [*held, batch.slice(first, row - first)])
                            number, held, first, rows, size = number + 1, [], row, 0, 0
                    if first < len(batch):
                        held.append(batch.slice(first))
        except (OSError, ValueError, pa.ArrowException) as error:  # of names that are not UTF-8 as well
            raise ConvertError(
                INPUT_OUTPUT, f"{self._path}: reading failed after row {self._at}: {_line(error)}; is the file whole?"
            ) from None
        if held or number == 0:
            yield self._chunk(number, held)

    def _chunk(self, number: int, batches: list[pa.RecordBatch]) -> Chunk:
        chunk = Chunk(self.name, number)
        content = digest()
        content.update(repr(self._read).encode())
        for name in self._read if batches else ():
            separator = b"["
            for batch in batches:
                values = repr(self._listed(name, batch.column(name)))[1:-1]
                content.update(separator + values.encode("utf-8", "backslashreplace"))
                separator = b", "
            content.update(b"]")
        chunk.content = content.hexdigest()
        kept = [self._take(chunk, batch) for batch in batches]
        if self._carry and kept:
            table = pa.Table.from_batches(kept).combine_chunks()
            chunk.carried = table.to_batches()[0] if len(table) else kept[0]
        return chunk

    def _listed(self, name: str, column: pa.Array) -> list[Any]:
        """Return a column's values; text that is not UTF-8 as bytes."""
        try:
            return list(column.to_pylist())
        except UnicodeDecodeError:
            if not _is_text(column.type):
                message = f"{self._path}: the column {name!r} has text that is not UTF-8; leave it out of --carry"
                raise ConvertError(NO_INPUT, message) from None
            return list(_texts(column))

    def _take(self, chunk: Chunk, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add a batch's rows to a chunk and return the carried columns of those that are kept."""
        smiles = _texts(batch.column(self.columns["smiles"]))
        named = self.columns["id"]
        ids = _texts(batch.column(named)) if named else [None] * len(batch)
        kept = []
        for place, (text, name) in enumerate(zip(smiles, ids, strict=True)):
            row = self._at + place
            if isinstance(text, bytes):
                shown = text.decode("utf-8", "backslashreplace")[:200]
                chunk.rejects.append(Reject(row, shown, "unreadable_row", "the SMILES is not UTF-8"))
                continue
            kept.append(place)
            chunk.lines.append(row)
            chunk.smiles.append(text)
            known = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
            chunk.ids.append(known or f"{self.name}#{row}")
        self._at += len(batch)
        columns = [_plain(batch.column(name)) for name in self._carry]
        carried = pa.RecordBatch.from_arrays(columns, names=list(self._settings.carry))
        return carried if len(kept) == len(batch) or not columns else carried.take(pa.array(kept, pa.int64()))


def _line(error: Exception) -> str:
    """Return what Arrow says in one line."""
    return one_line(error).rstrip(".")


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    kind = _values(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_id(kind: pa.DataType) -> bool:
    return _is_text(kind) or bool(pa.types.is_integer(_values(kind)) or pa.types.is_null(kind))


def _plain(column: pa.Array) -> pa.Array:
    """Return a column of views as one of values: Arrow takes no single rows of views."""
    if pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column.cast(pa.binary()) if pa.types.is_binary_view(column.type) else column


def _texts(column: pa.Array) -> list[str | bytes | None]:
    """Return a column's values as text; those that are not UTF-8 as bytes."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        return [None if value is None else str(value) for value in column.to_pylist()]
    raw = column.cast(pa.large_binary()).to_pylist()
    texts: list[str | bytes | None] = []
    for value in raw:
        try:
            texts.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            texts.append(value)
    return texts
