"""Open an output as its users do, in pyarrow and in DuckDB, and say what is there.

usage: read_output.py OUTPUT HELD_BACK_INPUT
"""

import json
import sys

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

output, held_back = sys.argv[1], sys.argv[2]
part = f"{output}/held-back.parquet"

table = pq.read_table(part)
source = pq.read_table(held_back, columns=["graph_id", "charge"])
lengths = [len(charges) for charges in source["charge"]]
graph_ids = [name.as_py() for name, length in zip(source["graph_id"], lengths) for _ in range(length)]
node_ids = [node for length in lengths for node in range(length)]

r2 = """
    WITH truth AS (
      SELECT graph_id, unnest(range(len(charge))) AS node_id, unnest(charge)::DOUBLE AS actual
      FROM read_parquet($truth)
    )
    SELECT count(*), 1 - sum((actual - charge) ** 2) / (var_pop(actual) * count(*))
    FROM truth JOIN read_parquet($scores) USING (graph_id, node_id)
"""
atoms, value = duckdb.execute(r2, {"truth": held_back, "scores": part}).fetchone()
everything = duckdb.execute(f"FROM '{output}/**/*.parquet'")
json.dump(
    {
        "schema": {field.name: str(field.type) for field in table.schema},
        "nullable": [field.name for field in table.schema if field.nullable],
        "ordered": table["graph_id"].to_pylist() == graph_ids and table["node_id"].to_pylist() == node_ids,
        "compression": pq.ParquetFile(part).metadata.row_group(0).column(2).compression,
        "duckdb": {column[0]: str(column[1]) for column in everything.description},
        "duckdb_rows": len(everything.fetchall()),
        "dataset_rows": ds.dataset(output, format="parquet").count_rows(),
        "finite": pa.compute.all(pa.compute.is_finite(table["charge"])).as_py(),
        "atoms": atoms,
        "r2": value,
    },
    sys.stdout,
)
