"""Rows that are no graphs, and numbers of nodes that are none."""

import json

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from makers.graphs import HERE, column


def make_rows():
    """Rows that are graphs and rows that are not, with the code that each must get."""
    ok = {"graph_id": "ok", "node_feat": [[1, 2, 3], [4, 5, 6]], "edge_index": [[0, 1], [1, 0]], "edge_weight": [1, 2],
          "num_nodes": 2, "node_ids": ["a", "b"]}
    nan, inf = float("nan"), 1e300
    cases = [
        ("", {}), ("null_value", {"graph_id": None}), ("null_value", {"node_feat": None}),
        ("null_value", {"node_feat": [[1, 2, 3], None]}), ("null_value", {"node_feat": [[1, 2, 3], [1, None, 3]]}),
        ("null_value", {"edge_index": None}), ("null_value", {"edge_index": [[0, 1], None]}),
        ("null_value", {"edge_index": [[0, 1], [0, None]]}), ("null_value", {"edge_weight": None}),
        ("null_value", {"edge_weight": [1, None]}), ("null_value", {"num_nodes": None}), ("null_value", {"node_ids": None}),
        ("null_value", {"node_ids": ["a", None]}), ("feature_width", {"node_feat": [[1, 2, 3], [1, 2]]}),
        ("feature_width", {"node_feat": [[1, 2], [1, 2]]}), ("feature_width", {"node_feat": [[], []]}),
        ("non_finite_feature", {"node_feat": [[1, 2, 3], [nan, 2, 3]]}), ("non_finite_feature", {"node_feat": [[1, 2, 3], [inf, 2, 3]]}),
        ("non_finite_weight", {"edge_weight": [inf, 1]}), ("edge_out_of_range", {"edge_index": [[0, 2], [1, 0]]}),
        ("edge_out_of_range", {"edge_index": [[0, -1], [1, 0]]}), ("malformed_edges", {"edge_index": [[0, 1], [1]]}),
        ("malformed_edges", {"edge_index": [[0, 1, 0]]}), ("malformed_edges", {"edge_index": [[0, 1], [1, 0], [0]]}),
        ("malformed_edges", {"edge_weight": [1]}), ("node_count", {"num_nodes": 3}), ("node_count", {"num_nodes": -1}),
        ("node_count", {"node_ids": ["a"]}), ("duplicate_node_id", {"node_ids": ["a", "a"]}),
        ("", {"edge_index": [], "edge_weight": []}), ("", {"edge_index": [[], []], "edge_weight": []}),
        ("", {"node_feat": [], "edge_index": [], "edge_weight": [], "num_nodes": 0, "node_ids": []}),
        ("", {"node_ids": ["\u00e9\u4e2d", ""]}), ("", {"graph_id": ""}), ("", {}),
    ]
    rows = [{**ok, **change} for _, change in cases]
    typed = {"graph_id": pa.string(), "node_feat": pa.list_(pa.list_(pa.float64())), "edge_index": pa.list_(pa.list_(pa.int64())),
             "edge_weight": pa.list_(pa.float64()), "num_nodes": pa.int64(), "node_ids": pa.list_(pa.string())}
    t = pa.table({k: pa.array(column(rows, k), typ) for k, typ in typed.items()})
    pq.write_table(t, HERE / "rows.parquet", row_group_size=9, data_page_size=200, write_batch_size=4, compression="zstd")
    pq.write_table(t, HERE / "rows_v2.parquet", data_page_version="2.0", use_dictionary=False, compression="snappy")
    pq.write_table(t.select(["node_feat", "edge_index"]).slice(0, 1).take([0, 0]), HERE / "rows_bare.parquet")
    none = t.slice(0, 0)
    pq.write_table(none, HERE / "none.parquet")
    for name, new in (("none.arrow", ipc.new_file), ("none.arrows", ipc.new_stream)):
        with new(str(HERE / name), none.schema):
            pass
    for name, codec in (("rows.arrow", "zstd"),):
        with ipc.new_file(str(HERE / name), t.schema, options=ipc.IpcWriteOptions(compression=codec)) as w:
            w.write_table(t.slice(0, 5))
            w.write_table(t.slice(5))
    (HERE / "rows.json").write_text(json.dumps([code for code, _ in cases]) + "\n")


def make_counts():
    """Numbers of nodes as doubles, and dictionaries that hold a null."""
    n = 6
    base = {"node_feat": [[[1.0, 2.0, 3.0]] * 2] * n, "edge_index": [[[0], [1]]] * n, "edge_weight": [[1.0]] * n, "graph_id": list("abcdef")}
    t = pa.table({**base, "num_nodes": pa.array([2.0, 2.5, float("nan"), -1.0, None, 1e300], pa.float64())})
    pq.write_table(t, HERE / "counts.parquet")
    with ipc.new_file(str(HERE / "counts.arrow"), t.schema) as w:
        w.write_table(t)
    ids = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 2, 1, 2], pa.int8()), pa.array(["a", None, "b"]))
    weights = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1, 0, 0, 1], pa.int8()), pa.array([1.5, None]))
    t = pa.table({**base, "graph_id": ids, "edge_weight": pa.ListArray.from_arrays(pa.array(range(n + 1), pa.int32()), weights)})
    for name, view in (("dictionary_nulls.arrow", False), ("dictionary_nulls.arrows", True)):
        new = ipc.new_stream if view else ipc.new_file
        if view:
            t = t.set_column(2, "edge_weight", pa.ListViewArray.from_arrays(pa.array(range(n), pa.int32()), pa.array([1] * n, pa.int32()), weights))
        with new(str(HERE / name), t.schema) as w:
            w.write_table(t)
