"""Readers of outputs see every part, also those of inputs whose names begin with an underscore or a dot."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

# Part names as graphscore writes them for a.parquet, _year=2025/b.parquet, _c.parquet and .d.parquet (readers/part.go).
PARTS = ["a.parquet", "%5Fyear=2025/b.parquet", "%5Fc.parquet", "%2Ed.parquet"]


def write(folder: Path, names: list[str]) -> None:
    """Write one row a part, its place in the list, beside what a run leaves in an output."""
    for row, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"score": pa.array([row], pa.float32())}), folder / name)
    (folder / "_SUCCESS").touch()


def test_escaped_names_are_read_whole(tmp_path: Path) -> None:
    write(tmp_path, PARTS)
    table = ds.dataset(tmp_path, format="parquet").to_table(columns=["score"])
    assert sorted(table["score"].to_pylist()) == [0, 1, 2, 3]
    found = duckdb.execute("SELECT score FROM read_parquet(?) ORDER BY score", [f"{tmp_path}/**/*.parquet"]).fetchall()
    assert found == [(0,), (1,), (2,), (3,)]


def test_plain_names_would_be_skipped(tmp_path: Path) -> None:
    write(tmp_path, [name.replace("%5F", "_").replace("%2E", ".") for name in PARTS])
    assert ds.dataset(tmp_path, format="parquet").count_rows() < len(PARTS)
