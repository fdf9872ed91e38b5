"""Read the column embedding of a part with pyarrow, Polars and DuckDB, and say whether they agree.

usage: read_embedding.py PART WIDTH
"""

import sys

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

part, width = sys.argv[1], int(sys.argv[2])
column = pq.read_table(part)["embedding"]
if not pa.types.is_fixed_size_list(column.type) or column.type.list_size != width or column.null_count:
    raise SystemExit(f"pyarrow reads {column.type}")
values = column.combine_chunks().flatten().to_numpy().reshape(-1, width)
frame = pl.read_parquet(part)["embedding"]
if frame.dtype != pl.Array(pl.Float32, width) or frame.to_numpy().tobytes() != values.tobytes():
    raise SystemExit(f"Polars reads {frame.dtype}")
rows = duckdb.sql(f"SELECT embedding FROM '{part}'")
if str(rows.types[0]) != "FLOAT[]" or np.array([row[0] for row in rows.fetchall()], np.float32).tobytes() != values.tobytes():
    raise SystemExit(f"DuckDB reads {rows.types}")
print("same" if len(values) else "nothing to compare")
