"""Writes further/: graphs with features and types of edges and features of graphs, in every form.

    /tmp/readers-venv/bin/python further.py      (the venv of make.py)

Files below further/wide hold the graphs of wide.json, those below further/narrow the graphs of narrow.json, of which
nodes, edges and graphs have one feature each. further/bad.* hold one graph of each fault; bad.json has code and message.
"""

import json
import pathlib
import random
import shutil

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent / "further"


def graphs(seed, wide):
    """Graph 2 has no nodes, graph 4 no edges, graph 5 nothing but self loops, graph 6 one edge many times."""
    rng = random.Random(seed)
    features, edge_features, graph_features = (3, 2, 4) if wide else (1, 1, 1)

    def row(n):
        return [rng.randint(-8, 8) for _ in range(n)]

    out = []
    for i in range(12):
        n = 0 if i == 2 else rng.randint(2, 6)
        e = 0 if i in (2, 4) else rng.randint(3, 9)
        edges = [[rng.randrange(n) for _ in range(e)], [rng.randrange(n) for _ in range(e)]]
        if i == 5:
            edges[1] = edges[0]
        if i == 6:
            edges = [[1] * e, [0] * e]
        out.append({
            "graph_id": 10 + i, "node_feat": [row(features) for _ in range(n)], "edge_index": edges,
            "edge_weight": [rng.randint(-8, 8) / 4 for _ in range(e)], "num_nodes": n, "node_ids": [3 * k + i for k in range(n)],
            "edge_attr": [row(edge_features) for _ in range(e)], "edge_type": [rng.randint(0, 100) for _ in range(e)],
            "graph_attr": row(graph_features),
        })
    return out


def column(rows, name):
    return [r[name] for r in rows]


F, I, L = pa.float32(), pa.int64(), pa.list_
PLAIN = {"edge_attr": L(L(F)), "edge_type": L(I), "graph_attr": L(F)}


def table(rows, types=None, **columns):
    types = {name: typ for name, typ in {**PLAIN, **(types or {})}.items() if name not in columns}
    cols = {
        "graph_id": pa.array(column(rows, "graph_id")), "node_feat": pa.array(column(rows, "node_feat"), L(L(F))),
        "edge_index": pa.array(column(rows, "edge_index"), L(L(I))), "edge_weight": pa.array(column(rows, "edge_weight"), L(F)),
        "num_nodes": pa.array(column(rows, "num_nodes"), pa.int32()), "node_ids": pa.array(column(rows, "node_ids"), L(I)),
    }
    for name, typ in types.items():
        cols[name] = pa.array(column(rows, name), typ)
    cols.update(columns)
    return pa.table(cols)


def flat(rows, name):
    return [[v for row in r[name] for v in row] for r in rows]


def bytes_of(values):
    return pa.array([np.array(v, "<f4").tobytes() for v in values], pa.binary())


def parquet(folder, name, t, **kw):
    pq.write_table(t, HERE / folder / f"{name}.parquet", **{"row_group_size": 5, **kw})


def arrow(folder, name, t, compression=None, stream=True):
    for new, end in ((ipc.new_file, "arrow"), (ipc.new_stream, "arrows"))[:1 + stream]:
        with new(str(HERE / folder / f"{name}.{end}"), t.schema, options=ipc.IpcWriteOptions(compression=compression)) as w:
            w.write_table(t, max_chunksize=5)


def both(folder, name, t, **kw):
    parquet(folder, name, t, **kw)
    arrow(folder, name, t, stream=False)


def lists_of_ones(rows):
    return pa.array([[[v] for v in r["edge_type"]] for r in rows], L(L(I)))


def runs(values, typ):
    """Run-end encoded values of one run each."""
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values, typ))


def within(lists, values, typ=pa.ListArray):
    offsets = pa.array(np.cumsum([0] + [len(v) for v in lists]), pa.int32())
    return typ.from_arrays(offsets, values)


def coded(lists, typ):
    values = pa.array([v for v in lists for v in v], typ).dictionary_encode()
    return within(lists, values)


def make_wide(rows):
    names = {"int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": I, "half": pa.float16(), "double": pa.float64()}
    for name, leaf in names.items():
        both("wide", name, table(rows, {"edge_attr": L(L(leaf)), "edge_type": L(pa.uint8()), "graph_attr": L(leaf)}))
    both("wide", "float", table(rows))
    both("wide", "decimal", table(rows, {name: L(L(pa.decimal128(20, 0))) if name == "edge_attr" else L(pa.decimal128(20, 0)) for name in PLAIN}))
    both("wide", "fixed", table(rows, {"edge_attr": L(pa.list_(F, 2)), "graph_attr": pa.list_(F, 4)}))
    both("wide", "large", table(rows, {"edge_attr": pa.large_list(pa.large_list(I)), "edge_type": pa.large_list(pa.uint32()), "graph_attr": pa.large_list(I)}))
    both("wide", "bytes", table(rows, edge_attr=bytes_of(column(rows, "edge_attr")), graph_attr=bytes_of(column(rows, "graph_attr"))))
    both("wide", "one_row", table(rows, graph_attr=pa.array([[g] for g in column(rows, "graph_attr")], L(L(I))),
                                  edge_type=lists_of_ones(rows)))
    both("wide", "float_types", table(rows, {"edge_type": L(pa.float64())}))
    both("wide", "uint64_types", table(rows, {"edge_type": L(pa.uint64())}))
    tensor = pa.fixed_shape_tensor(F, [1, 4])
    both("wide", "graph_tensor", table(rows, graph_attr=pa.ExtensionArray.from_storage(tensor, pa.array(column(rows, "graph_attr"), pa.list_(F, 4)))))
    arrow("wide", "views", table(rows, {"edge_attr": pa.list_view(pa.list_view(I)), "edge_type": pa.large_list_view(I), "graph_attr": pa.list_view(F)}), "zstd")
    inner = coded([v for r in rows for v in r["edge_attr"]], I)
    arrow("wide", "dictionary", table(rows, edge_attr=within(column(rows, "edge_attr"), inner), edge_type=coded(column(rows, "edge_type"), I),
                                      graph_attr=coded(column(rows, "graph_attr"), pa.float64())), "lz4")
    values = [v for r in rows for v in r["edge_attr"]]
    ran = within(values, runs([v for row in values for v in row], I))
    arrow("wide", "runs", table(rows, edge_attr=within(column(rows, "edge_attr"), ran),
                                edge_type=within(column(rows, "edge_type"), runs([v for r in rows for v in r["edge_type"]], pa.int32()))))
    leaf = {"edge_attr": "edge_attr.list.element.list.element", "edge_type": "edge_type.list.element", "graph_attr": "graph_attr.list.element"}
    whole = table(rows, {"edge_attr": L(L(pa.int32())), "graph_attr": L(I)})
    parquet("wide", "delta_v2", whole, use_dictionary=False, data_page_version="2.0", compression="zstd", data_page_size=60, write_batch_size=8,
            column_encoding=dict.fromkeys(leaf.values(), "DELTA_BINARY_PACKED"))
    parquet("wide", "split", whole, use_dictionary=False, compression="lz4", column_encoding=dict.fromkeys(leaf.values(), "BYTE_STREAM_SPLIT"))
    parquet("wide", "plain_small_pages", whole, use_dictionary=False, data_page_size=60, write_batch_size=8, compression="none", store_schema=False)
    df = pl.from_arrow(table(rows))
    df.write_parquet(HERE / "wide" / "polars.parquet")
    df.write_ipc(HERE / "wide" / "polars.arrow", compat_level=pl.CompatLevel.newest())
    con = duckdb.connect()
    con.register("t", table(rows))
    con.execute(f"COPY t TO '{HERE}/wide/duckdb.parquet' (FORMAT parquet, PARQUET_VERSION v2)")


def make_narrow(rows):
    def one(leaf):
        return {"edge_attr": pa.array(flat(rows, "edge_attr"), L(leaf)), "node_feat": pa.array(flat(rows, "node_feat"), L(leaf)),
                "graph_attr": pa.array([g[0] for g in column(rows, "graph_attr")], leaf)}

    for name, leaf in {"float": F, "int64": I, "int8": pa.int8(), "double": pa.float64(), "half": pa.float16()}.items():
        both("narrow", name, table(rows, **one(leaf)))
    both("narrow", "lists", table(rows))
    both("narrow", "bytes", table(rows, edge_attr=bytes_of(column(rows, "edge_attr")), graph_attr=bytes_of(column(rows, "graph_attr")),
                                  node_feat=bytes_of(column(rows, "node_feat"))))
    arrow("narrow", "views", table(rows, node_feat=pa.array(flat(rows, "node_feat"), pa.list_view(I)), edge_attr=pa.array(flat(rows, "edge_attr"), pa.list_view(I))))
    arrow("narrow", "coded", table(rows, node_feat=coded(flat(rows, "node_feat"), pa.int16()), edge_attr=coded(flat(rows, "edge_attr"), pa.float64()),
                                   graph_attr=pa.array([g[0] for g in column(rows, "graph_attr")], I).dictionary_encode()))


FAULTS = [  # what is wrong with a graph of three nodes and two edges, the code, and words of the message
    ({}, "", []),
    ({"edge_attr": None}, "null_value", ["edge_attr is null"]),
    ({"edge_attr": [[1, None], [1, 2]]}, "null_value", ["edge_attr holds a null"]),
    ({"edge_attr": [None, [1, 2]]}, "null_value", ["edge_attr holds a null"]),
    ({"edge_attr": [[1], [2]]}, "edge_feature_width", ["1 features in edge_attr", "wants 2"]),
    ({"edge_attr": [[1, 2], [2]]}, "edge_feature_width", ["different numbers", "edge_attr"]),
    ({"edge_attr": [[], []]}, "edge_feature_width", ["0 features in edge_attr"]),
    ({"edge_attr": [[1, 2]]}, "malformed_edges", ["2 edges", "edge_attr has features of 1"]),
    ({"edge_attr": []}, "malformed_edges", ["2 edges", "edge_attr has features of 0"]),
    ({"edge_attr": [[1, 2], [3, 16777217]]}, "category_out_of_range", ["feature 1 of edge 1 is 16777217 in edge_attr"]),
    ({"edge_attr": [[-16777217, 2], [3, 4]]}, "category_out_of_range", ["feature 0 of edge 0 is -16777217 in edge_attr"]),
    ({"edge_attr": [[-16777216, 2], [3, 16777216]]}, "", []),
    ({"edge_type": None}, "null_value", ["edge_type is null"]),
    ({"edge_type": [0, None]}, "null_value", ["edge_type holds a null"]),
    ({"edge_type": [0]}, "malformed_edges", ["2 edges", "edge_type has types of 1"]),
    ({"edge_type": [0, -1]}, "category_out_of_range", ["edge_type of edge 1 is -1"]),
    ({"edge_type": [4294967296, 0]}, "category_out_of_range", ["edge_type of edge 0 is 4294967296"]),
    ({"edge_type": [4294967295, 0]}, "", []),
    ({"graph_attr": None}, "null_value", ["graph_attr is null"]),
    ({"graph_attr": [1, None, 3, 4]}, "null_value", ["graph_attr holds a null"]),
    ({"graph_attr": [1, 2, 3]}, "graph_feature_width", ["3 features in graph_attr", "wants 4"]),
    ({"graph_attr": []}, "graph_feature_width", ["0 features in graph_attr"]),
    ({"graph_attr": [1, 2, 3, 2**40]}, "category_out_of_range", ["feature 3 of the graph is 1099511627776 in graph_attr"]),
    ({"node_feat": [[1, 2, 3], [4, 5, 6], [7, 8, 16777217]]}, "category_out_of_range", ["feature 2 of node 2 is 16777217 in node_feat"]),
    ({"node_feat": [[1, 2, 3], [4, 5, 6], [7, 8, 16777217]], "edge_index": [[0, 9], [1, 2]]}, "edge_out_of_range", ["node 9"]),
    ({"edge_attr": None, "node_feat": [], "edge_index": [[], []], "edge_type": []}, "null_value", ["edge_attr is null"]),
    ({"edge_attr": [], "node_feat": [], "edge_index": [[], []], "edge_type": []}, "", []),
    ({"edge_attr": [], "edge_index": [], "edge_type": []}, "", []),
    ({"edge_attr": [[1, 2]], "edge_index": [[], []], "edge_type": []}, "malformed_edges", ["0 edges", "features of 1"]),
]


def make_bad():
    base = {"graph_id": 7, "node_feat": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "edge_index": [[0, 1], [1, 2]], "edge_attr": [[1, 2], [3, 4]],
            "edge_type": [0, 1], "graph_attr": [1, 2, 3, 4]}
    rows = [{**base, **fault} for fault, _, _ in FAULTS]
    ints = {"graph_id": I, "node_feat": L(L(I)), "edge_index": L(L(I)), "edge_attr": L(L(I)), "edge_type": L(I), "graph_attr": L(I)}
    t = pa.table({name: pa.array(column(rows, name), typ) for name, typ in ints.items()})
    both("", "bad", t)
    wide = t.schema.set(3, pa.field("edge_attr", pa.large_list(pa.large_list(I))))
    arrow("", "bad_views", pa.table({name: pa.array(column(rows, name), pa.list_view(I) if name in ("edge_type", "graph_attr") else wide.field(name).type)
                                     for name in ints}))
    (HERE / "bad.json").write_text(json.dumps([[code, words] for _, code, words in FAULTS], separators=(",", ":")) + "\n")
    nan, inf = float("nan"), float("inf")
    floats = [
        ({}, "", []),
        ({"edge_attr": [[1, 2], [nan, 4]]}, "non_finite_feature", ["feature 0 of edge 1 is NaN in edge_attr"]),
        ({"graph_attr": [1, 2, -inf, 4]}, "non_finite_feature", ["feature 2 of the graph is -Inf in graph_attr"]),
        ({"edge_type": [0, 1.5]}, "category_out_of_range", ["edge_type of edge 1 is 1.5"]),
        ({"edge_type": [nan, 1]}, "non_finite_feature", ["edge_type of edge 0 is NaN"]),
        ({"edge_type": [1e300, 1]}, "category_out_of_range", ["edge_type of edge 0 is 1e+300"]),
        ({"edge_attr": [[1, 2], [1e300, 4]]}, "non_finite_feature", ["feature 0 of edge 1 is +Inf in edge_attr"]),
        ({"edge_attr": [[1, 2], [16777217, 4]]}, "", []),
    ]
    rows = [{**base, **fault} for fault, _, _ in floats]
    kinds = {"graph_id": I, "node_feat": L(L(F)), "edge_index": L(L(I)), "edge_attr": L(L(pa.float64())), "edge_type": L(pa.float64()), "graph_attr": L(pa.float64())}
    both("", "bad_floats", pa.table({name: pa.array(column(rows, name), typ) for name, typ in kinds.items()}))
    (HERE / "bad_floats.json").write_text(json.dumps([[code, words] for _, code, words in floats], separators=(",", ":")) + "\n")

    def raw(*v):
        return np.array(v, "<f4").tobytes()

    stored = [
        ({}, "", []),
        ({"edge_attr": raw(1, 2, 3)}, "edge_feature_width", ["edge_attr has 12 bytes", "2 float32 for each of 2 edges"]),
        ({"edge_attr": np.array([1, 2, 3, 4], "<f8").tobytes()}, "edge_feature_width", ["32 bytes", "are they float64?"]),
        ({"edge_attr": np.array([1, 2, 3, 4], "<f2").tobytes()}, "edge_feature_width", ["8 bytes", "are they float16?"]),
        ({"edge_attr": b"\x01\x02\x03"}, "edge_feature_width", ["3 bytes"]),
        ({"edge_attr": None}, "null_value", ["edge_attr is null"]),
        ({"edge_attr": raw(1, 2, 3, nan)}, "non_finite_feature", ["feature 1 of edge 1 is NaN in edge_attr"]),
        ({"edge_attr": raw(1, 2), "edge_index": [[], []], "edge_type": []}, "malformed_edges", ["edge_attr has 8 bytes for no edge"]),
        ({"edge_attr": b"", "edge_index": [[], []], "edge_type": []}, "", []),
        ({"graph_attr": raw(1, 2, 3)}, "graph_feature_width", ["graph_attr has 12 bytes", "4 float32"]),
        ({"graph_attr": b""}, "graph_feature_width", ["graph_attr has 0 bytes"]),
        ({"graph_attr": np.array([1, 2, 3, 4], "<f8").tobytes()}, "graph_feature_width", ["are they float64?"]),
        ({"graph_attr": None}, "null_value", ["graph_attr is null"]),
    ]
    rows = [{**base, "edge_attr": raw(1, 2, 3, 4), "graph_attr": raw(1, 2, 3, 4), **fault} for fault, _, _ in stored]
    kinds |= {"edge_attr": pa.binary(), "edge_type": L(I), "graph_attr": pa.binary()}
    both("", "bad_bytes", pa.table({name: pa.array(column(rows, name), typ) for name, typ in kinds.items()}))
    (HERE / "bad_bytes.json").write_text(json.dumps([[code, words] for _, code, words in stored], separators=(",", ":")) + "\n")
    big = {**kinds, "edge_attr": L(L(pa.uint64())), "graph_attr": L(pa.uint64()), "edge_type": L(pa.uint64()), "node_feat": L(L(pa.uint64()))}
    unsigned = [
        ({}, "", []),
        ({"edge_attr": [[1, 2], [3, 2**64 - 1]]}, "category_out_of_range", ["feature 1 of edge 1 is 18446744073709551615 in edge_attr"]),
        ({"edge_type": [2**64 - 1, 0]}, "category_out_of_range", ["edge_type of edge 0 is 18446744073709551615"]),
        ({"graph_attr": [2**63, 2, 3, 4]}, "category_out_of_range", ["feature 0 of the graph is 9223372036854775808 in graph_attr"]),
        ({"node_feat": [[1, 2, 3], [4, 2**64 - 1, 6], [7, 8, 9]]}, "category_out_of_range", ["feature 1 of node 1 is 18446744073709551615 in node_feat"]),
    ]
    rows = [{**base, **fault} for fault, _, _ in unsigned]
    both("", "bad_unsigned", pa.table({name: pa.array(column(rows, name), typ) for name, typ in big.items()}))
    (HERE / "bad_unsigned.json").write_text(json.dumps([[code, words] for _, code, words in unsigned], separators=(",", ":")) + "\n")
    twice = [({}, "", []), ({"graph_attr": [[1, 2, 3, 4], [1, 2, 3, 4]]}, "graph_feature_width", ["graph_attr has 2 lists, not 1"]),
             ({"graph_attr": []}, "graph_feature_width", ["graph_attr has 0 lists, not 1"]),
             ({"edge_type": [[0], [1, 2]]}, "malformed_edges", ["edge_type has 2 values for edge 1, not 1"])]
    rows = [{**base, "graph_attr": [[1, 2, 3, 4]], "edge_type": [[0], [1]], **fault} for fault, _, _ in twice]
    both("", "bad_rows", pa.table({name: pa.array(column(rows, name), {**ints, "graph_attr": L(L(I)), "edge_type": L(L(I))}[name]) for name in ints}))
    (HERE / "bad_rows.json").write_text(json.dumps([[code, words] for _, code, words in twice], separators=(",", ":")) + "\n")


def make_files():
    """Files that are refused, or read where their odd column is not."""
    rows = graphs(3, True)
    t = table(rows)
    at = {name: t.schema.get_field_index(name) for name in t.schema.names}
    both("files", "none", t.drop_columns(["edge_attr", "edge_type", "graph_attr"]))
    both("files", "text", t.set_column(at["edge_attr"], "edge_attr", pa.array([["a"]] * len(rows))))
    both("files", "deep", t.set_column(at["graph_attr"], "graph_attr", pa.array([[[[1.0]]]] * len(rows))))
    both("files", "truths", t.set_column(at["edge_type"], "edge_type", pa.array([[True]] * len(rows))))
    both("files", "twice", pa.Table.from_arrays([*t.columns, t.column("edge_attr")], names=[*t.schema.names, "edge_attr"]))
    npy = b"\x93NUMPY\x01\x00" + bytes(40)
    both("files", "npy", t.set_column(at["edge_attr"], "edge_attr", pa.array([npy] * len(rows), pa.binary())))
    both("files", "named", t.rename_columns({"edge_attr": "bonds", "edge_type": "kinds", "graph_attr": "facts"}))
    two = pa.fixed_shape_tensor(F, [3, 2])
    same = [{**r, "edge_index": [[0, 1, 1], [1, 0, 0]], "edge_weight": [1.0, 2.0, 3.0], "node_feat": [[0, 0, 0], [1, 1, 1]], "num_nodes": 2,
             "node_ids": [1, 2], "edge_type": [4, 5, 6], "edge_attr": [[k, k + 1] for k in range(3)]} for r in rows]
    values = pa.array([[v for row in r["edge_attr"] for v in row] for r in same], pa.list_(F, 6))
    both("files", "tensor", table(same, edge_attr=pa.ExtensionArray.from_storage(two, values)))


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    for folder in ("wide", "narrow", "files"):
        (HERE / folder).mkdir(parents=True)
    wide, narrow = graphs(1, True), graphs(2, False)
    (HERE / "wide.json").write_text(json.dumps(wide, separators=(",", ":")) + "\n")
    (HERE / "narrow.json").write_text(json.dumps(narrow, separators=(",", ":")) + "\n")
    make_wide(wide)
    make_narrow(narrow)
    make_bad()
    make_files()


if __name__ == "__main__":
    main()
