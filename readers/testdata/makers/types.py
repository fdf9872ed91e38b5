"""Columns of other types: Booleans, what is converted or refused, and columns beside those of graphs."""

import decimal
import io
import pickle
import uuid

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from makers.graphs import HERE, KINDS, LEAVES, TRUTHS, column, graphs, table


def make_truths(rows):
    """The features of graphs.json as whether they are above 0."""
    truth = [[[v > 0 for v in node] for node in r["node_feat"]] for r in rows]
    t = table(rows).set_column(0, "node_feat", pa.array(truth, pa.list_(pa.list_(pa.bool_()))))
    kw = {"store_schema": False, "write_statistics": False}
    pq.write_table(t, TRUTHS / "plain.parquet", data_page_size=64, write_batch_size=3, **kw)
    pq.write_table(t, TRUTHS / "runs.parquet", use_dictionary=False, data_page_version="2.0", compression="lz4",
                   column_encoding={LEAVES["node_feat"]: "RLE"}, **kw)
    pl.from_arrow(t).write_parquet(TRUTHS / "polars.parquet")
    con = duckdb.connect()
    con.register("t", t)
    con.execute(f"COPY t TO '{TRUTHS}/duckdb.parquet' (FORMAT parquet, PARQUET_VERSION v2)")
    with ipc.new_file(str(TRUTHS / "bits.arrow"), t.schema, options=ipc.IpcWriteOptions(compression="zstd")) as w:
        w.write_table(t, max_chunksize=5)
    coded = table(rows).set_column(0, "node_feat", pa.array(truth, pa.list_view(pa.list_(pa.bool_()))))
    with ipc.new_stream(str(TRUTHS / "bits.arrows"), coded.schema) as w:
        w.write_table(coded, max_chunksize=5)


def make_kinds():
    """The same three graphs, with one column of another type each: kinds/ok_* are read, the others say why not.

    variant.parquet and length.arrows beside them are of other makers: a column of type VARIANT that nobody needs, and a
    compressed buffer that claims 2^40 bytes.
    """
    KINDS.mkdir(exist_ok=True)
    x = [[[i, -i, 2 * i] for i in range(4)] for _ in range(3)]
    edges = [[[0, 1, 2], [1, 2, 3]], [[3], [0]], []]
    pairs = [[[s, t] for s, t in zip(*e)] for e in edges]
    base = {
        "graph_id": pa.array(["a", "b", "c"]), "node_feat": pa.array(x, pa.list_(pa.list_(pa.float32()))),
        "edge_index": pa.array(edges, pa.list_(pa.list_(pa.int64()))), "num_nodes": pa.array([4, 4, 4]),
    }

    def write(name, **columns):
        t = {k: v for k, v in {**base, **columns}.items() if v is not None}
        pq.write_table(pa.table(t), KINDS / f"{name}.parquet")
        with ipc.new_file(str(KINDS / f"{name}.arrow"), pa.table(t).schema) as w:
            w.write_table(pa.table(t))

    def tensor(values, shape, typ, permutation=None):
        flat = pa.list_(typ, shape[0] * shape[1])
        kind = pa.fixed_shape_tensor(typ, shape, permutation=permutation)
        return pa.ExtensionArray.from_storage(kind, pa.array([np.ravel(v).tolist() for v in values], flat))

    def decimals(values, scale=0):
        return pa.array([None if v is None else decimal.Decimal(v) for v in values], pa.decimal128(20, scale))

    same = [edges[0]] * 3
    ids = [uuid.UUID(int=(k + 1) << 100 | 5) for k in range(3)]
    raw = pa.array([u.bytes for u in ids], pa.binary(16))
    write("ok_base")
    write("ok_pairs_by_type", edge_index=pa.array(pairs, pa.list_(pa.list_(pa.int64(), 2))))
    write("ok_features_tensor", node_feat=tensor(x, [4, 3], pa.float32()))
    write("ok_features_decimal", node_feat=pa.array([[[decimal.Decimal(v) for v in n] for n in g] for g in x],
                                                    pa.list_(pa.list_(pa.decimal128(20, 0)))))
    write("ok_num_nodes_decimal", num_nodes=decimals([4, 4, 4]))
    write("ok_num_nodes_null_type", num_nodes=None, extra=pa.nulls(3))
    for kind in (pa.decimal32(9, 0), pa.decimal64(18, 0), pa.decimal128(20, 0), pa.decimal256(40, 0)):
        views = pa.list_view(pa.list_view(kind))
        t = pa.table({
            **base, "num_nodes": pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array([decimal.Decimal(4)], kind)),
            "node_feat": pa.array([[[decimal.Decimal(v) for v in n] for n in g] for g in x], views),
            "edge_index": pa.array([[[decimal.Decimal(v) for v in e] for e in g] for g in edges], views),
        })
        with ipc.new_file(str(KINDS / f"ok_decimals_held_{kind.bit_width}.arrow"), t.schema) as w:
            w.write_table(t)
    write("edges_tensor", edge_index=tensor(same, [2, 3], pa.int64()))
    write("edges_tensor_pairs", edge_index=tensor([np.transpose(e) for e in same], [3, 2], pa.int64()))
    write("uuid", graph_id=pa.ExtensionArray.from_storage(pa.uuid(), raw))
    write("edges_null", edge_index=pa.array([[[], []], [], [[], []]], pa.list_(pa.list_(pa.null()))))
    write("edges_null_flat", edge_index=pa.array([[], [], []], pa.list_(pa.null())))
    write("weights_null", edge_index=pa.array([[], [], []], pa.list_(pa.null())), edge_weight=pa.array([[], [], []], pa.list_(pa.null())))
    write("all_null", graph_id=pa.nulls(3))
    write("counts_null", num_nodes=pa.nulls(3))
    write("weights_rows", edge_weight=pa.array([[[1], [2], [3]], [[4]], []], pa.list_(pa.list_(pa.float32()))))
    write("weights_flat", edge_weight=pa.array([[1, 2, 3], [4], []], pa.list_(pa.float32())))
    two = [[[0, 1], [1, 2]]] * 3
    write("edges_two", edge_index=pa.array(two, pa.list_(pa.list_(pa.int64()))))
    write("bad_pairs", edge_index=pa.array([two[0], pairs[0], []], pa.list_(pa.list_(pa.int64()))))
    late = {**base, "edge_index": pa.array([two[0], two[0], pairs[0]], pa.list_(pa.list_(pa.int64())))}
    pq.write_table(pa.table(late), KINDS / "late_pairs.parquet", row_group_size=1)
    write("bad_ids_fixed", graph_id=raw)
    write("bad_decimal_scale", num_nodes=decimals([4, 4, 4], 2))
    write("bad_decimal_large", num_nodes=decimals([4, 10**19, 4]))
    write("bad_tensor_permuted", node_feat=tensor([np.transpose(g) for g in x], [3, 4], pa.float32(), [1, 0]))
    arrays = [np.array(g, "<f4") for g in x]
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, arrays[0])
    np.savez(npz, a=arrays[0])
    heads = {"npy": npy.getvalue(), "zip": npz.getvalue(), "pickle": pickle.dumps(arrays[0])}
    for name, value in heads.items():
        write(f"bad_bytes_{name}", node_feat=pa.array([arrays[0].tobytes(), value, arrays[0].tobytes()], pa.binary()))
    write("ok_bytes", node_feat=pa.array([a.tobytes() for a in arrays], pa.binary()))
    letters = np.full((4, 3), 0.7, "<f4")  # whose bytes are ASCII, as those of 2.8
    letters[1, 1] = 2.8
    write("letters_bytes", node_feat=pa.array([letters.tobytes()] * 3, pa.binary()))
    write("letters_lists", node_feat=pa.array([letters.tolist()] * 3, pa.list_(pa.list_(pa.float32()))))
    write("bad_bytes_text", node_feat=pa.array([b"1.0\n" * letters.size] * 3, pa.binary()))
    write("bad_bytes_no_count", node_feat=pa.array([a.tobytes() for a in arrays], pa.binary()), num_nodes=None)
    for name, typ in (("float64", "<f8"), ("float16", "<f2")):
        write(f"bytes_{name}", node_feat=pa.array([a.astype(typ).tobytes() for a in arrays], pa.binary()))


def make_beside():
    """beside*.arrow*: columns of every make before, between and behind those of graphs; views whose texts are long.

    A test gives some of these columns types that nobody knows.
    """
    rows = [r for r in graphs(3, 9) if r["num_nodes"]]
    long = [f"{i} is longer than what a view holds by itself" for i in range(len(rows))]
    numbers = pa.array(range(len(rows)), pa.int32())
    union = pa.UnionArray.from_dense(
        pa.array([0] * len(rows), pa.int8()), numbers, [numbers, pa.array(long)], ["number", "text"]
    )
    view = pa.array(long, pa.string_view())
    t = pa.table({
        "j_view": view,
        "graph_id": pa.array([f"graph {r['graph_id']} in a name that is long" for r in rows], pa.string_view()),
        "j_struct": pa.StructArray.from_arrays([numbers, view], ["number", "text"]),
        "node_feat": pa.array(column(rows, "node_feat"), pa.list_(pa.list_(pa.float32()))),
        "j_union": union,
        "j_null": pa.nulls(len(rows)),
        "edge_index": pa.array(column(rows, "edge_index"), pa.list_(pa.list_(pa.int64()))),
        "j_runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, len(rows)], pa.int32()), pa.array([1.5, 2.5])),
        "num_nodes": pa.array(column(rows, "num_nodes"), pa.int64()),
        "j_map": pa.array([[("k", i)] for i in range(len(rows))], pa.map_(pa.string(), pa.int8())),
        "edge_weight": pa.array(column(rows, "edge_weight"), pa.list_(pa.float32())),
        "node_ids": pa.array([[f"node {k} in a name that is long" for k in r["node_ids"]] for r in rows], pa.list_(pa.string_view())),
        "j_words": pa.array(long).dictionary_encode(),
        "j_bytes": pa.array([b"12345"] * len(rows), pa.binary(5)),
    })
    for name, new, codec in (("beside.arrow", ipc.new_file, None), ("beside.arrows", ipc.new_stream, None),
                             ("beside_lz4.arrow", ipc.new_file, "lz4")):
        with new(str(HERE / name), t.schema, options=ipc.IpcWriteOptions(compression=codec)) as w:
            w.write_table(t.slice(0, 3))
            w.write_table(t.slice(3))
