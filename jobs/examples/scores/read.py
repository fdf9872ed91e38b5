"""Read an output of the molecules with DuckDB, Polars and pyarrow.

usage: python/.venv/bin/python jobs/examples/scores/read.py jobs/examples/molecules/out jobs/examples/molecules/data

Only parts end in .parquet. pyarrow opens the folder as one data set, as it leaves names that begin with _ out; DuckDB
and Polars take a pattern: Polars refuses a folder in which not all files end alike.
"""

import json
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset as ds

output, data = sys.argv[1:]

rows, r2 = duckdb.execute(
    """
    WITH truth AS (
      SELECT graph_id, unnest(range(len(charge))) AS node_id, unnest(charge)::DOUBLE AS actual
      FROM read_parquet($data || '/held-back.parquet')
    ), scores AS (FROM read_parquet($output || '/**/*.parquet'))
    SELECT (SELECT count(*) FROM scores), 1 - sum((actual - charge) ** 2) / (var_pop(actual) * count(*))
    FROM truth JOIN scores USING (graph_id, node_id)
    """,
    {"data": data, "output": output},
).fetchone()
print(f"DuckDB:  {rows} scores, R2 on held-back molecules {r2:.3f}")

charges = pl.scan_parquet(f"{output}/**/*.parquet").select(pl.len(), pl.col("charge").mean()).collect()
print(f"Polars:  {charges['len'].item()} scores, their mean {charges['charge'].item():.3f}")

scores = ds.dataset(output, format="parquet")
graphs = scores.to_table(columns=["graph_id"])["graph_id"].unique()
record = json.loads(max(Path(output).glob("_runs/*.json")).read_text())  # names sort by time
print(f"pyarrow: {scores.count_rows()} scores of {len(graphs)} graphs, model {record['model']['name']}")
