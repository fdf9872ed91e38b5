"""Parquet files of molecules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graphscore.convert._bytes import digest
from graphscore.convert._columns import carried_columns, id_column, refuse_twice, smiles_column
from graphscore.convert._error import INPUT_OUTPUT, NO_INPUT, ConvertError
from graphscore.convert._settings import Chunk, Reject, Settings


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
        except (OSError, pa.ArrowException) as error:
            raise ConvertError(NO_INPUT, f"{path} cannot be read: {error}") from None
        columns = schema.names
        refuse_twice(str(path), columns)
        texts = [field.name for field in schema if _is_text(field.type)]
        smiles = smiles_column(str(path), columns, texts, settings)
        named = id_column(str(path), columns, smiles, settings)
        for name, fits, what in ((smiles, _is_text, "text"), (named, _is_id, "text or integers")):
            if name is not None and not fits(schema.field(name).type):
                raise ConvertError(NO_INPUT, f"{path}: column {name!r} is {schema.field(name).type}, not {what}")
        self.columns: dict[str, str | None] = {"smiles": smiles, "id": named}
        self._carry = carried_columns(str(path), columns, settings)
        self._read = list(dict.fromkeys([smiles, *([named] if named else []), *self._carry]))
        self._at = 0

    def done(self) -> float:
        """Return how much of the file is read, from 0 to 1."""
        return self._at / self._rows if self._rows else 1.0

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, `part_rows` a chunk."""
        size = self._settings.part_rows
        number = self._at = 0
        held: list[pa.RecordBatch] = []
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(size, columns=self._read):
                    rest = batch
                    while (missing := size - sum(map(len, held))) <= len(rest):
                        yield self._chunk(number, [*held, rest.slice(0, missing)])
                        number, held, rest = number + 1, [], rest.slice(missing)
                    if len(rest):
                        held.append(rest)
        except (OSError, pa.ArrowException) as error:
            raise ConvertError(
                INPUT_OUTPUT, f"{self._path}: reading failed after row {self._at}: {error}; is the file whole?"
            ) from None
        if held or number == 0:
            yield self._chunk(number, held)

    def _chunk(self, number: int, batches: list[pa.RecordBatch]) -> Chunk:
        chunk = Chunk(self.name, number)
        content = digest()
        content.update(repr(self._read).encode())
        kept = []
        for batch in batches:
            for name in self._read:
                content.update(repr(batch.column(name).to_pylist()).encode("utf-8", "backslashreplace"))
            kept.append(self._take(chunk, batch))
        chunk.content = content.hexdigest()
        if self._carry and kept:
            table = pa.Table.from_batches(kept).combine_chunks()
            chunk.carried = table.to_batches()[0] if len(table) else kept[0]
        return chunk

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
        columns = [batch.column(name) for name in self._carry]
        carried = pa.RecordBatch.from_arrays(columns, names=list(self._settings.carry))
        return carried if len(kept) == len(batch) or not columns else carried.take(pa.array(kept, pa.int64()))


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    kind = _values(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_id(kind: pa.DataType) -> bool:
    return _is_text(kind) or bool(pa.types.is_integer(_values(kind)))


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
