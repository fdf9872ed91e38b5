"""CSV, TSV and .smi files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from graphscore._exit_codes import NO_INPUT, USAGE
from graphscore.convert._bytes import Bytes, digest
from graphscore.convert._columns import carried_columns, id_column, listed, refuse_twice, smiles_column
from graphscore.convert._error import ConvertError
from graphscore.convert._lines import Line, Record, decoded, lines, separated, smi
from graphscore.convert._molecules import is_molecule
from graphscore.convert._settings import MOST_BYTES, Chunk, Reject, Settings

_LOOKED_AT: Final = 1000  # rows from which the types of columns are found
_CUT: Final = 200
_SEPARATORS: Final = {";": "a semicolon", "|": "a vertical bar", "\t": "a tab", ",": "a comma"}
_SMI: Final = ("smiles", "name")


class TextSource:
    """A text file of molecules, one a row.

    `delimiter` is that of a CSV or TSV file, empty for .smi: these have SMILES and name, and may have a header.
    """

    def __init__(self, path: Path, settings: Settings, delimiter: str) -> None:
        self.name = path.name
        self._path = path
        self._settings = settings
        self._delimiter = delimiter
        self._bytes: Bytes | None = None
        with Bytes(path) as file:
            records = self._records(file)
            first = next(records, None)
            if first is None:
                raise ConvertError(NO_INPUT, f"{path} is empty")
            if delimiter:
                self._header = self._read_header(first)
                smiles = self._smiles(records)
                named = id_column(str(path), self._header, smiles, settings)
                carry = carried_columns(str(path), self._header, settings)
            else:
                self._header = [*_SMI]
                self._has_header = bool(first.fields) and first.fields[0].lower() in {"smiles", "canonical_smiles"}
                smiles, named = _SMI
                carry = []
                self._check_smi()
        self.columns: dict[str, str | None] = {"smiles": smiles, "id": named}
        self._smiles_at = self._header.index(smiles)
        self._id_at = None if named is None else self._header.index(named)
        self._carry_at = [self._header.index(column) for column in carry]

    def _check_smi(self) -> None:
        flags = {
            "--smiles-column": self._settings.smiles_column,
            "--id-column": self._settings.id_column,
            "--carry": self._settings.carry,
        }
        for flag, value in flags.items():
            if value:
                raise ConvertError(
                    USAGE,
                    f"{self._path}: {flag}: a .smi file has no named columns; its first field is the SMILES, "
                    "its second the id",
                )

    def _records(self, file: Bytes) -> Iterator[Record]:
        source = lines(file.read)
        first = next(source, None)
        if first is None:
            return iter(())
        text = first.text.removeprefix(b"\xef\xbb\xbf")
        if b"\r" in text:
            raise ConvertError(
                NO_INPUT, f"{self._path}: its lines end in CR alone, or in CR CR LF; write them with LF or CR LF"
            )
        whole = chain([Line(first.number, text, first.size)], source)
        return separated(whole, self._delimiter) if self._delimiter else smi(whole)

    def _read_header(self, first: Record) -> list[str]:
        if first.problem:
            raise ConvertError(NO_INPUT, f"{self._path}: line {first.line}, the header: {first.problem}")
        if any("\0" in name for name in first.fields):
            raise ConvertError(NO_INPUT, f"{self._path} is no text file")
        if not any(map(str.strip, first.fields)):
            raise ConvertError(NO_INPUT, f"{self._path}: line {first.line}, the header, has no names; remove the line")
        refuse_twice(str(self._path), first.fields)
        self._refuse_separator(first.fields)
        return first.fields

    def _refuse_separator(self, header: list[str]) -> None:
        """Refuse a header of one field that has another separator in it, but where just this column is asked for."""
        if len(header) > 1 or header == [self._settings.smiles_column]:
            return
        for separator, name in _SEPARATORS.items():
            if separator != self._delimiter and separator in header[0]:
                fits = "name the file .tsv" if separator == "\t" else f"write it with {_SEPARATORS[self._delimiter]}"
                raise ConvertError(
                    NO_INPUT,
                    f"{self._path}: line 1, the header, is one field, {listed(header)}: its separator seems to be "
                    f"{name}, and is read as {_SEPARATORS[self._delimiter]}; {fits}",
                )

    def _smiles(self, records: Iterator[Record]) -> str:
        """Return the column of the SMILES, by its name or because it is the only one that is not numbers."""
        try:
            return smiles_column(str(self._path), self._header, None, self._settings)
        except LookupError:
            pass
        rows = [record.fields for record in islice(records, _LOOKED_AT) if len(record.fields) == len(self._header)]
        texts = [name for at, name in enumerate(self._header) if not all(_is_number(row[at]) for row in rows)]
        if len(self._header) == 1:
            texts = self._header
        column = smiles_column(str(self._path), self._header, texts, self._settings)
        if any(map(is_molecule, self._header)):
            raise ConvertError(
                NO_INPUT,
                f"{self._path}: line 1 reads like a molecule, not like a header; "
                "add a header, or name the column with --smiles-column",
            )
        return column

    def done(self) -> float:
        """Return how much of the file is read, from 0 to 1."""
        return 0.0 if self._bytes is None else self._bytes.done()

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, `part_rows` a chunk, fewer where their text is long."""
        with Bytes(self._path) as file:
            self._bytes = file
            records = self._records(file)
            if self._delimiter or self._has_header:
                next(records)
            number = 0
            while (chunk := self._chunk(number, records)).rows or number == 0:
                yield chunk
                number += 1

    def _chunk(self, number: int, records: Iterator[Record]) -> Chunk:
        """Return the next rows; of each only what is converted or copied stays in memory."""
        chunk = Chunk(self.name, number)
        content = digest()
        content.update(repr(self._header).encode())
        carried: list[list[str]] = [[] for _ in self._carry_at]
        size = 0
        while chunk.rows < self._settings.part_rows and size < MOST_BYTES:
            row = next(records, None)
            if row is None:
                break
            content.update(b"%d %d\n%b\n" % (row.line, row.size, row.raw))
            problem = row.problem or self._ragged(row.fields)
            if problem:
                chunk.rejects.append(Reject(row.line, decoded(row.raw[:_CUT]), "unreadable_row", problem))
                continue
            chunk.lines.append(row.line)
            chunk.smiles.append(row.fields[self._smiles_at])
            named = self._id_at is not None and self._id_at < len(row.fields) and row.fields[self._id_at]
            chunk.ids.append(named or f"{self.name}#{row.line}")
            size += len(row.fields[self._smiles_at]) + len(chunk.ids[-1])
            for column, at in zip(carried, self._carry_at, strict=True):
                column.append(row.fields[at])
                size += len(row.fields[at])
        chunk.content = content.hexdigest()
        if self._carry_at:
            columns = [pa.array(column, pa.string()) for column in carried]
            chunk.carried = pa.RecordBatch.from_arrays(columns, names=list(self._settings.carry))
        return chunk

    def _ragged(self, fields: list[str]) -> str:
        if not self._delimiter or len(fields) == len(self._header):
            return ""
        return f"{len(fields)} fields, and the header has {len(self._header)}; is a delimiter or a quote missing?"


def _is_number(text: str) -> bool:
    if not text.strip():
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
