"""What pyarrow takes to read the columns that are needed, and to write the scores: the measure of reading and writing.

Run as a script: ``columns.py read IN BATCH`` or ``columns.py write FILE GRAPHS`` prints graphs per second. Writing
is `pyarrow.parquet.write_table` of a table that lies in memory, the graph ids as strings or, which is faster, as a
dictionary: the better of both. `BenchmarkRead` of readers and `BenchmarkWrite` of writers do the same in Go.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rival import batches, files

NODES = 16


def read(source: Path, batch: int) -> float:
    """Graphs per second, one thread."""
    graphs = 0
    begun = time.perf_counter()
    for f in files(source):
        for b in batches(f, batch, threads=False):
            graphs += b.num_rows
    return graphs / (time.perf_counter() - begun)


def scores(graphs: int, *, dictionary: bool) -> pa.Table:
    """The scores of graphs of 16 nodes each, the values as `BenchmarkWrite` makes them."""
    rows = graphs * NODES
    names = pa.array([f"m{i}" for i in range(graphs)])
    ids = pa.DictionaryArray.from_arrays(pa.array(np.repeat(np.arange(graphs, dtype=np.int32), NODES)), names)
    return pa.table(
        {
            "graph_id": ids if dictionary else ids.cast(pa.string()),
            "node_id": np.tile(np.arange(NODES, dtype=np.int64), graphs),
            "score": ((np.arange(rows) * 7919 % 100_003) / 100_003).astype(np.float32),
        }
    )


def write(file: Path, graphs: int) -> float:
    """Graphs per second of the faster way, on disk."""
    best = 0.0
    for dictionary in (False, True):
        table = scores(graphs, dictionary=dictionary)
        begun = time.perf_counter()
        with file.open("wb") as out:
            pq.write_table(table, out, compression="zstd")
            out.flush()
            os.fsync(out.fileno())
        best = max(best, graphs / (time.perf_counter() - begun))
    return best


if __name__ == "__main__":
    kind, path, number = sys.argv[1:]
    print(read(Path(path), int(number)) if kind == "read" else write(Path(path), int(number)))
