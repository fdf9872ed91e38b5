"""Writes giants/: a small graph, three giants and a small graph in one row group.

    ../../python/.venv/bin/python giants.py

Feature i of node n in row r is (n + i) % 64 + r; edge e goes from node e % 64, or 0 of a small graph, to the next. What
is so even takes little room in a file: a giant of 10 MB takes some kB.
"""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent / "giants"
WIDTH = 16
SIZES = [(3, 4), *[(125_000, 512_000)] * 3, (3, 4)]  # nodes and edges


def lists(counts, values):
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()), values)


def table():
    features, ends = [], []
    for row, (nodes, edges) in enumerate(SIZES):
        n, e = np.arange(nodes)[:, None], np.arange(edges)
        features.append(((n + np.arange(WIDTH)) % 64 + row).astype(np.float32).ravel())
        ends += [e % min(nodes - 2, 64), e % min(nodes - 2, 64) + 1]
    nodes = [n for n, _ in SIZES]
    rows = lists([WIDTH] * sum(nodes), pa.array(np.concatenate(features)))
    sides = lists([len(side) for side in ends], pa.array(np.concatenate(ends).astype(np.int64)))
    return pa.table({"node_feat": lists(nodes, rows), "edge_index": lists([2] * len(SIZES), sides)})


def main():
    HERE.mkdir(exist_ok=True)
    t = table()
    ends = "edge_index.list.element.list.element"
    pq.write_table(t, HERE / "giants.parquet", compression="zstd", compression_level=19, write_batch_size=1, use_dictionary=False,
                   write_statistics=False, store_schema=False, column_encoding={ends: "DELTA_BINARY_PACKED"})
    pq.write_table(t, HERE / "dictionary.parquet", compression="zstd", compression_level=19, write_batch_size=1, use_dictionary=["node_feat.list.element.list.element"],
                   write_statistics=False, store_schema=False, column_encoding={ends: "DELTA_BINARY_PACKED"})
    packed = t.set_column(0, "node_feat", pa.array([t["node_feat"][i].values.flatten().to_numpy().tobytes() for i in range(len(t))]))
    packed = packed.append_column("num_nodes", pa.array([n for n, _ in SIZES]))
    pq.write_table(packed, HERE / "packed.parquet", compression="zstd", compression_level=19, write_batch_size=1, use_dictionary=False,
                   write_statistics=False, store_schema=False, column_encoding={ends: "DELTA_BINARY_PACKED"})


main()
