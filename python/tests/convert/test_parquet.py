"""Parquet inputs: types of columns, and a bound on the memory that a part takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphscore import convert
from graphscore.convert._parquet import ParquetSource
from graphscore.convert._sizes import row_sizes, rows_at_once

SMILES = ["CCO", "C1CC", None, "", "[Na+].[Cl-]"]


def converted(table: pa.Table, folder: Path, **settings: Any) -> pa.Table:
    pq.write_table(table, folder / "a.parquet")
    convert.smiles([folder / "a.parquet"], folder / "out", convert.Settings(features="molecules", **settings))
    return pq.read_table(folder / "out")


def rows(source: Path, **settings: Any) -> list[int]:
    return [chunk.rows for chunk in ParquetSource(source, convert.Settings(features="molecules", **settings)).chunks()]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_smiles_are_text_of_any_type(kind: pa.DataType, tmp_path: Path) -> None:
    table = pa.table({"smiles": pa.array(SMILES).cast(kind), "id": pa.array(["a", "b", "c", "d", None]).cast(kind)})
    made = converted(table, tmp_path, carry=("smiles",))
    assert made["graph_id"].to_pylist() == ["a", "a.parquet#4"]
    assert made["smiles"].to_pylist() == ["CCO", "[Na+].[Cl-]"]


@pytest.mark.parametrize(
    ("column", "sizes"),
    [
        (pa.array(["x", "yy", None, "", "x"]), [1, 2, 0, 0, 1]),
        (pa.array(["x", "yy", None, "", "x"]).dictionary_encode(), [1, 2, 0, 0, 1]),
        (pa.array([b"x", b"\xff", None, b"", b"x"], pa.binary_view()), [1, 1, 0, 0, 1]),
        (pa.array([1, 2, None, 4, 5], pa.decimal128(5, 1)), [16] * 5),
        (pa.array([1, 2, None, 4, 5], pa.int32()), [4] * 5),
        (pa.array([bytes(16)] * 5, pa.uuid()), [16] * 5),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_columns_are_copied_and_measured(column: pa.Array, sizes: list[int], tmp_path: Path) -> None:
    table = pa.table({"smiles": SMILES, "kept": column})
    assert row_sizes(table.select(["kept"]).to_batches()[0]).tolist() == sizes
    made = converted(table, tmp_path, carry=("kept",))
    assert made["kept"].to_pylist() == [column[0].as_py(), column[4].as_py()]


def test_lists_are_measured_by_what_is_in_them() -> None:
    column = pa.array([[1.0] * 100, [1.0], []], pa.list_(pa.float32()))
    long, short, none = row_sizes(pa.record_batch([column], ["graph_attr"])).tolist()
    assert 400 <= long <= 408
    assert 4 <= short <= 12
    assert none <= 8


def test_a_column_that_cannot_be_copied_is_refused(tmp_path: Path) -> None:
    table = pa.table({"smiles": SMILES, "kept": pa.array([["q"]] * 5, pa.list_(pa.string_view()))})
    with pytest.raises(
        convert.ConvertError, match=r"'kept' is list<.*string_view>, which --carry does not copy"
    ) as failed:
        converted(table, tmp_path, carry=("kept",))
    assert failed.value.code == 65


@pytest.mark.parametrize("row_group", [3, 7, 1000])
def test_long_rows_end_a_part(row_group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphscore.convert._parquet.MOST_BYTES", 1000)
    source = tmp_path / "a.parquet"
    table = pa.table({"smiles": ["C"] * 400, "note": ["x" * 300] * 10 + ["y"] * 390})
    pq.write_table(table, source, row_group_size=row_group)
    assert rows(source, part_rows=150) == [150, 150, 100]
    assert rows(source, part_rows=150, carry=("note",)) == [4, 4, 150, 150, 92]


def test_few_long_rows_are_decoded_at_once(tmp_path: Path) -> None:
    source = tmp_path / "a.parquet"
    table = pa.table({"smiles": ["C"] * 4, "note": [str(number) * 9_000_000 for number in range(4)]})
    pq.write_table(table, source, compression="none", use_dictionary=False)
    metadata = pq.read_metadata(source)
    assert rows_at_once(metadata, ["smiles"]) == 128
    assert rows_at_once(metadata, ["smiles", "note"]) == 1


def test_memory_does_not_grow_with_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group is not decoded as a whole, nor are the rows of a part where they are long."""
    monkeypatch.setattr("graphscore.convert._parquet.MOST_BYTES", 1 << 18)
    peaks = []
    before = pa.default_memory_pool()
    for count in (4000, 40_000):
        source = tmp_path / f"{count}.parquet"
        table = pa.table({"smiles": ["C"] * count, "note": [f"{row}{'x' * 1000}" for row in range(count)]})
        pq.write_table(table, source, use_dictionary=False, row_group_size=count)
        del table
        pool = pa.proxy_memory_pool(before)
        pa.set_memory_pool(pool)
        try:
            assert sum(rows(source, carry=("note",))) == count
        finally:
            pa.set_memory_pool(before)
        peaks.append(pool.max_memory())
    assert peaks[0] > 1 << 18
    assert peaks[1] < 1.5 * peaks[0]
