"""Writes the files that the tests read: the same graphs in every form that a user may bring.

    python3 -m venv /tmp/readers-venv && /tmp/readers-venv/bin/pip install pyarrow duckdb polars
    /tmp/readers-venv/bin/python make.py [SEED COUNT]

Files below good/ hold the graphs of graphs.json, in one form each. Files below bad/ must be refused.
bad.json beside them says which words each message must have. rows.parquet has rows that are no graphs.
"""

import base64
import datetime
import json
import pathlib
import random
import shutil
import struct
import sys

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

HERE = pathlib.Path(__file__).parent
GOOD, BAD, TRUTHS = HERE / "good", HERE / "bad", HERE / "truths"
WIDTH = 3


def graphs(seed, count):
    rng = random.Random(seed)
    out = []
    for i in range(count):
        n = 0 if i in (0, 9) else rng.randint(1, 6)
        e = rng.randint(0, 9) if n and i != 4 else 0
        out.append({
            "graph_id": 1000 + 7 * i,
            "node_feat": [[rng.randint(-8, 8) for _ in range(WIDTH)] for _ in range(n)],
            "edge_index": [[rng.randrange(n) for _ in range(e)], [rng.randrange(n) for _ in range(e)]],
            "edge_weight": [rng.randint(-8, 8) / 4 for _ in range(e)],
            "num_nodes": n,
            "node_ids": [1 + 3 * k + i for k in range(n)],
        })
    return out


def column(rows, name):
    return [r[name] for r in rows]


def table(rows, feat=pa.list_(pa.list_(pa.float32())), edge=pa.list_(pa.list_(pa.int64())), gid=pa.string(),
          nid=pa.list_(pa.string()), weight=pa.list_(pa.float32()), extra=False):
    ids, nids = column(rows, "graph_id"), column(rows, "node_ids")
    if pa.types.is_string(gid) or pa.types.is_large_string(gid) or pa.types.is_binary(gid) or pa.types.is_dictionary(gid):
        ids = [str(v) for v in ids]
    text = nid.value_type
    text = text.value_type if pa.types.is_dictionary(text) else text
    if not pa.types.is_integer(text):
        nids = [[str(v) for v in r] for r in nids]
    cols = {
        "node_feat": pa.array(column(rows, "node_feat"), feat),
        "edge_index": pa.array(column(rows, "edge_index"), edge),
        "edge_weight": pa.array(column(rows, "edge_weight"), weight),
        "num_nodes": pa.array(column(rows, "num_nodes"), pa.int32()),
        "graph_id": pa.array(ids, gid),
        "node_ids": pa.array(nids, nid),
    }
    if extra:
        cols["note"] = pa.array([{"a": i, "b": [str(i)]} for i in range(len(rows))])
        cols["y"] = pa.array([i % 2 == 0 for i in range(len(rows))])
    return pa.table(cols)


def required(t):
    """Nothing may be null, at any level."""
    def hard(f):
        typ = f.type
        if pa.types.is_list(typ):
            typ = pa.list_(hard(typ.value_field))
        elif pa.types.is_large_list(typ):
            typ = pa.large_list(hard(typ.value_field))
        elif pa.types.is_fixed_size_list(typ):
            typ = pa.list_(hard(typ.value_field), typ.list_size)
        return pa.field(f.name, typ, nullable=False)
    schema = pa.schema([hard(f) for f in t.schema])
    return pa.table([pa.chunked_array([pa.array(c.to_pylist(), f.type)]) for c, f in zip(t.columns, schema)], schema=schema)


def parquet(name, t, **kw):
    kw.setdefault("compression", "zstd")
    kw.setdefault("row_group_size", 10)
    kw.setdefault("write_statistics", False)
    pq.write_table(t, GOOD / f"{name}.parquet", store_schema=False, **kw)


def make_parquet(rows):
    t, wide = table(rows), table(rows, extra=True)
    for codec in ("none", "snappy", "gzip", "brotli", "zstd"):
        parquet(f"v1_{codec}", wide if codec == "zstd" else t, compression=codec)
        if codec not in ("gzip", "brotli"):
            parquet(f"v2_{codec}", wide if codec == "snappy" else t, compression=codec, data_page_version="2.0")
    for version in ("1.0", "2.0"):
        parquet(f"plain_v{version[0]}", t, use_dictionary=False, data_page_version=version)
        parquet(f"small_pages_v{version[0]}", t, data_page_size=64, write_batch_size=3, data_page_version=version,
                row_group_size=len(rows))
        parquet(f"required_v{version[0]}", required(t), data_page_version=version)
    parquet("checksums", t, write_page_checksum=True, write_statistics=True)
    parquet("large_list", table(rows, pa.large_list(pa.large_list(pa.float32())), pa.large_list(pa.list_(pa.int32())),
                                pa.large_string()))
    fixed = pa.list_(pa.list_(pa.float32(), WIDTH))
    parquet("fixed_size_list", table(rows, fixed))
    parquet("fixed_size_required", required(table(rows, fixed)))
    parquet("float64_int32", table(rows, pa.list_(pa.list_(pa.float64())), pa.list_(pa.list_(pa.int32())), pa.int64(),
                                   pa.list_(pa.int32()), pa.list_(pa.float64())))
    parquet("features_int8", table(rows, pa.list_(pa.list_(pa.int8()))))
    parquet("unsigned", table(rows, edge=pa.list_(pa.list_(pa.uint32())), gid=pa.uint64(), nid=pa.list_(pa.uint16())))
    parquet("binary_ids", table(rows, gid=pa.binary(), nid=pa.list_(pa.binary())))
    parquet("dictionary_ids", table(rows, gid=pa.dictionary(pa.int32(), pa.string())))
    binary = [struct.pack(f"<{len(r['node_feat']) * WIDTH}f", *sum(r["node_feat"], [])) for r in rows]
    parquet("binary_features", t.set_column(0, "node_feat", pa.array(binary, pa.binary())))
    parquet("binary_no_num_nodes", t.set_column(0, "node_feat", pa.array(binary, pa.binary())).drop_columns(["num_nodes"]))
    pairs = t.drop_columns(["edge_index"])
    for k, name in enumerate(("source", "target")):
        pairs = pairs.append_column(name, pa.array([r["edge_index"][k] for r in rows], pa.list_(pa.int64())))
    parquet("source_target", pairs.rename_columns(["x", *pairs.column_names[1:]]))
    flat = {"node_feat": "PLAIN", "edge_index": "DELTA_BINARY_PACKED", "edge_weight": "PLAIN",
            "num_nodes": "DELTA_BINARY_PACKED", "graph_id": "DELTA_LENGTH_BYTE_ARRAY", "node_ids": "DELTA_BYTE_ARRAY"}
    paths = {"node_feat": "node_feat.list.element.list.element", "edge_index": "edge_index.list.element.list.element",
             "edge_weight": "edge_weight.list.element", "node_ids": "node_ids.list.element"}
    delta = {paths.get(k, k): v for k, v in flat.items()}
    parquet("delta", table(rows), use_dictionary=False, column_encoding=delta)
    delta["node_ids.list.element"], delta["graph_id"] = "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"
    parquet("delta_int32", table(rows, pa.list_(pa.list_(pa.int32())), pa.list_(pa.list_(pa.int32()))),
            use_dictionary=False, data_page_version="2.0", row_group_size=len(rows),
            column_encoding={**delta, "node_feat.list.element.list.element": "DELTA_BINARY_PACKED"})
    con = duckdb.connect()
    con.register("t", table(rows))
    con.execute(f"COPY t TO '{GOOD}/duckdb.parquet' (FORMAT parquet, COMPRESSION snappy)")
    pl.from_arrow(table(rows)).write_parquet(GOOD / "polars.parquet", compression="zstd")


LEAVES = {"node_feat": "node_feat.list.element.list.element", "edge_index": "edge_index.list.element.list.element",
          "edge_weight": "edge_weight.list.element", "node_ids": "node_ids.list.element", "num_nodes": "num_nodes", "graph_id": "graph_id"}


def make_encodings(rows):
    """Codecs and encodings of Parquet that came later than its first readers."""
    t = table(rows)
    fixed = pa.array([str(r["graph_id"]).encode() for r in rows], pa.binary(4))
    for version in ("1.0", "2.0"):
        parquet(f"lz4_raw_v{version[0]}", t, compression="lz4", data_page_version=version)
    raw = (GOOD / "lz4_raw_v1.parquet").read_bytes()
    foot = len(raw) - 8 - struct.unpack("<I", raw[-8:-4])[0]
    assert raw[foot:].count(b"\x15\x0e") == 6 * 2, "codec 7, once a column chunk"
    (GOOD / "lz4_raw_blocks.parquet").write_bytes(raw[:foot] + raw[foot:].replace(b"\x15\x0e", b"\x15\x0a"))  # as old Arrow C++ wrote
    split = dict.fromkeys(LEAVES.values(), "BYTE_STREAM_SPLIT")
    narrow = table(rows, nid=pa.list_(pa.int64())).set_column(4, "graph_id", fixed)
    wide = table(rows, pa.list_(pa.list_(pa.float64())), pa.list_(pa.list_(pa.int32())), nid=pa.list_(pa.uint32()),
                 weight=pa.list_(pa.float64())).set_column(4, "graph_id", fixed)
    half = table(rows, pa.list_(pa.list_(pa.float16())), gid=pa.int64(), nid=pa.list_(pa.uint64()), weight=pa.list_(pa.float16()))
    half = half.set_column(3, "num_nodes", pa.array(column(rows, "num_nodes"), pa.float64()))
    for name, t in (("narrow", narrow), ("wide", wide), ("half", half)):
        parquet(f"split_{name}", t, use_dictionary=False, column_encoding=split, data_page_version="2.0" if name == "wide" else "1.0")
        parquet(f"split_{name}_pages", t, use_dictionary=False, column_encoding=split, compression="lz4", data_page_size=64,
                write_batch_size=3, row_group_size=len(rows))
    parquet("half", half)
    con = duckdb.connect()
    con.register("t", pa.concat_tables([table(rows)]))
    for codec in ("snappy", "zstd", "lz4"):
        con.execute(f"COPY t TO '{GOOD}/duckdb_v2_{codec}.parquet' (FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION v2, "
                    "STRING_DICTIONARY_PAGE_SIZE_LIMIT 1, DICTIONARY_SIZE_LIMIT 0)")
    con.execute(f"COPY (select * replace (num_nodes::double as num_nodes) from t) TO '{GOOD}/duckdb_lz4.parquet' (FORMAT parquet, COMPRESSION lz4)")
    pl.from_arrow(table(rows)).write_parquet(GOOD / "polars_lz4.parquet", compression="lz4")


def runs(values, typ=None):
    """Values as runs of equal ones."""
    ends, kept = [], []
    for i, v in enumerate(values):
        if not kept or kept[-1] != v:
            ends.append(i)
            kept.append(v)
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends[1:] + [len(values)], pa.int32()), pa.array(kept, typ))


def lists(values, child, large=False, view=False):
    """A list array of lengths taken from values over child, in reverse order where it is of views."""
    kind = {(False, False): pa.ListArray, (True, False): pa.LargeListArray, (False, True): pa.ListViewArray, (True, True): pa.LargeListViewArray}
    places = pa.int64() if large else pa.int32()
    ends = [0]
    for v in values:
        ends.append(ends[-1] + len(v))
    if not view:
        return kind[large, view].from_arrays(pa.array(ends, places), child)
    return kind[large, view].from_arrays(pa.array(ends[:-1], places), pa.array([len(v) for v in values], places), child)


def reversed_views(values, typ, large=False):
    """List views whose elements are stored from the last list to the first."""
    places, child, sizes = {}, [], [len(v) for v in values]
    for i in reversed(range(len(values))):
        places[i] = len(child)
        child += values[i]
    kind, offset = (pa.LargeListViewArray, pa.int64()) if large else (pa.ListViewArray, pa.int32())
    inner = reversed_views(child, typ, large) if child and isinstance(child[0], list) else pa.array(child, typ)
    return kind.from_arrays(pa.array([places[i] for i in range(len(values))], offset), pa.array(sizes, offset), inner)


def make_layouts(rows):
    """Layouts of Arrow that came later than its first readers."""
    def write(name, cols, stream=False, chunk=10, **kw):
        t = pa.table({**{n: table(rows).column(n) for n in ("node_feat", "edge_index", "edge_weight", "num_nodes", "graph_id", "node_ids")}, **cols})
        new = ipc.new_stream if stream else ipc.new_file
        with new(str(GOOD / name), t.schema, options=ipc.IpcWriteOptions(**kw)) as w:
            w.write_table(t, max_chunksize=chunk)
    ids, texts = [str(r["graph_id"]) for r in rows], [[str(v) for v in r["node_ids"]] for r in rows]
    feat, edge, weight, nodes = (column(rows, n) for n in ("node_feat", "edge_index", "edge_weight", "num_nodes"))
    write("half.arrow", {"node_feat": pa.array(feat, pa.list_(pa.list_(pa.float16()))), "edge_weight": pa.array(weight, pa.list_(pa.float16())),
                         "num_nodes": pa.array(nodes, pa.float16())}, compression="zstd")
    for name, large in (("list_view", False), ("large_list_view", True)):
        views = {"node_feat": reversed_views(feat, pa.float32(), large), "edge_index": reversed_views(edge, pa.int64(), large),
                 "edge_weight": reversed_views(weight, pa.float32(), large), "node_ids": reversed_views(texts, pa.string_view(), large)}
        write(f"{name}.arrow", views, chunk=1000, compression="lz4")
        write(f"{name}.arrows", views, stream=True, chunk=5)
    list_of_views = pa.list_(pa.string_view())
    write("views_everywhere.arrow", {"graph_id": pa.array([v.encode() for v in ids], pa.binary()).cast(pa.binary_view()),
                                     "node_ids": pa.array(texts, list_of_views)}, compression="zstd")
    flat = [w for r in weight for w in r]
    rowsof = [v for r in feat for v in r]
    write("run_end.arrow", {"graph_id": runs(ids), "num_nodes": runs(nodes), "edge_weight": lists(weight, runs(flat, pa.float32())),
                            "node_feat": lists(feat, runs(rowsof, pa.list_(pa.float32()))),
                            "edge_index": runs(edge, pa.list_(pa.list_(pa.int64()))),
                            "node_ids": lists(texts, runs([v for r in texts for v in r]))}, chunk=1000, compression="zstd")
    write("run_end.arrows", {"graph_id": runs(ids), "edge_index": runs(edge, pa.list_view(pa.list_view(pa.int64()))),
                             "num_nodes": runs(nodes)}, stream=True, chunk=1000)
    def coded(values, typ):
        return pa.array(values, typ).dictionary_encode()
    write("dictionary_everywhere.arrow", {
        "graph_id": pa.DictionaryArray.from_arrays(pa.array(range(len(ids)), pa.uint8()), pa.array(ids, pa.string_view())),
        "num_nodes": coded(nodes, pa.float64()), "edge_weight": lists(weight, coded(flat, pa.float64())),
        "node_feat": lists(feat, lists(rowsof, coded([v for r in rowsof for v in r], pa.float32())), large=True),
        "edge_index": lists(edge, lists([v for r in edge for v in r], coded([v for r in edge for w in r for v in w], pa.uint16())), view=True),
        "node_ids": lists(texts, coded([v for r in texts for v in r], pa.large_binary()))}, chunk=1000, compression="lz4")
    t = pl.from_arrow(table(rows)).with_columns(pl.col("graph_id").cast(pl.Categorical))
    t.write_ipc(GOOD / "polars_newest.arrow", compat_level=pl.CompatLevel.newest())


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


def make_arrow(rows):
    t = table(rows)
    def write(name, t, stream=False, chunk=10, **kw):
        new = ipc.new_stream if stream else ipc.new_file
        with new(str(GOOD / name), t.schema, options=ipc.IpcWriteOptions(**kw)) as w:
            w.write_table(t, max_chunksize=chunk)
    for codec in (None, "lz4", "zstd"):
        write(f"file_{codec}.arrow", table(rows, extra=codec == "zstd"), compression=codec)
        write(f"stream_{codec}.arrows", table(rows, extra=codec == "lz4"), stream=True, compression=codec)
    write("one_batch.arrow", t, chunk=1000)
    padded = pa.concat_tables([t.slice(len(rows) - 4), t, t.slice(0, 3)]).combine_chunks()
    write("sliced.arrow", padded.slice(4, len(rows)), chunk=7)
    write("sliced_lz4.arrows", padded.slice(4, len(rows)), chunk=7, stream=True, compression="lz4")
    write("large_list.arrow", table(rows, pa.large_list(pa.large_list(pa.float64())), pa.list_(pa.large_list(pa.int32())),
                                    pa.large_string(), pa.large_list(pa.large_string())))
    write("fixed_size_list.arrow", table(rows, pa.list_(pa.list_(pa.float32(), WIDTH))), compression="zstd")
    write("features_int8.arrow", table(rows, pa.list_(pa.list_(pa.int8())), pa.list_(pa.list_(pa.uint8())), pa.uint64(),
                                       pa.list_(pa.int16())))
    d = pa.dictionary(pa.int16(), pa.string())
    coded = table(rows, gid=d, nid=pa.list_(pa.dictionary(pa.int16(), pa.string())))
    write("dictionary.arrow", coded, compression="lz4", unify_dictionaries=True)
    write("dictionary.arrows", coded, stream=True)
    parts = [table(rows[a:b], gid=d) for a, b in ((0, 5), (5, 11), (11, len(rows)))]
    with ipc.new_stream(str(GOOD / "dictionary_replaced.arrows"), parts[0].schema) as w:
        for part in parts:
            w.write_table(part)
    sofar, grown = [], []
    for part in parts:  # each dictionary extends the last
        first = len(sofar)
        sofar += part.column("graph_id").combine_chunks().dictionary.to_pylist()
        ids = pa.DictionaryArray.from_arrays(pa.array(range(first, len(sofar)), pa.int16()), pa.array(sofar))
        grown.append(part.set_column(4, "graph_id", ids))
    with ipc.new_stream(str(GOOD / "dictionary_delta.arrows"), grown[0].schema,
                        options=ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as w:
        for part in grown:
            w.write_table(part)
    with ipc.new_file(str(GOOD / "dictionary_delta.arrow"), grown[0].schema,
                      options=ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as w:
        for part in grown:
            w.write_table(part)
    binary = [struct.pack(f"<{len(r['node_feat']) * WIDTH}f", *sum(r["node_feat"], [])) for r in rows]
    write("binary_features.arrow", t.set_column(0, "node_feat", pa.array(binary, pa.large_binary())), compression="lz4")
    df = pl.from_arrow(table(rows))
    for codec in ("lz4", "zstd"):
        df.write_ipc(GOOD / f"polars_{codec}.arrow", compression=codec)
    views = table(rows, gid=pa.string()).set_column(4, "graph_id", pa.array([f"{1000 + 7 * i}" for i in range(len(rows))]).cast(pa.string_view()))
    write("views.arrow", views, compression="zstd")
    feather.write_feather(t, str(GOOD / "feather.feather"), compression="lz4")
    data = (GOOD / "stream_None.arrows").read_bytes()
    (GOOD / "stream_no_end.arrows").write_bytes(data[:-8])


def make_bad(rows):
    t, says = table(rows), {}

    def bad(name, words, data=None):
        says[name] = words
        if data is not None:
            (BAD / name).write_bytes(data)
        return str(BAD / name)

    def ipc_file(name, words, t, **kw):
        with ipc.new_file(bad(name, words), t.schema, options=ipc.IpcWriteOptions(**kw)) as w:
            w.write_table(t)

    pq.write_table(t.drop_columns(["node_feat"]), bad("no_features.parquet", ["node_feat or x", "edge_index", "columns:"]))
    pq.write_table(t.drop_columns(["edge_index"]), bad("no_edges.parquet", ["edge_index", "source and target", "node_feat"]))
    pq.write_table(t.set_column(0, "node_feat", pa.array(["a"] * len(rows))),
                   bad("features_string.parquet", ["node_feat", "string", "list<list<number>>"]))
    pq.write_table(t.set_column(1, "edge_index", pa.array([[[1.0], [1.0]]] * len(rows))),
                   bad("edges_float.parquet", ["edge_index", "list<list<double>>", "list<list<integer>>"]))
    pq.write_table(t.set_column(4, "graph_id", pa.array([1.5] * len(rows))), bad("id_double.parquet", ["graph_id", "double"]))
    pq.write_table(t.set_column(1, "edge_index", pa.array([[[1, 1], [0, 0]]] * len(rows), pa.list_(pa.list_(pa.decimal128(9, 2))))),
                   bad("edges_decimal.parquet", ["edge_index", "decimal"]))
    ipc_file("features_decimal.arrow", ["node_feat", "decimal"],
             t.set_column(0, "node_feat", pa.array([[[1]]] * len(rows), pa.list_(pa.list_(pa.decimal128(9, 2))))))
    times = pa.array([datetime.datetime(2025, 1, 1)] * len(rows), pa.timestamp("ns"))
    pq.write_table(t.set_column(4, "graph_id", times), bad("id_int96.parquet", ["graph_id", "INT96"]), use_deprecated_int96_timestamps=True)
    make_encrypted(rows, bad)
    good = (GOOD / "v1_zstd.parquet").read_bytes()
    raw = (GOOD / "lz4_raw_v1.parquet").read_bytes()
    foot = len(raw) - 8 - struct.unpack("<I", raw[-8:-4])[0]
    bad("lzo.parquet", ["node_feat", "LZO", "zstd"], raw[:foot] + raw[foot:].replace(b"\x15\x0e", b"\x15\x06"))
    bad("cut_half.parquet", ["footer is missing"], good[:len(good) // 2])
    bad("cut_end.parquet", ["footer is missing"], good[:-1])
    bad("zeros.parquet", ["neither Parquet nor Arrow"], bytes(2000))
    bad("empty.parquet", ["empty"], b"")
    bad("text.parquet", ["neither Parquet nor Arrow"], b"graph_id,x\n1,2\n")
    bad("magic.parquet", ["Parquet"], b"PAR1PAR1")
    bad("footer.parquet", ["footer"], good[:-8] + struct.pack("<I", 1 << 31) + b"PAR1")
    stream, file = (GOOD / "stream_zstd.arrows").read_bytes(), (GOOD / "file_zstd.arrow").read_bytes()
    bad("doubled.arrows", ["follow its end"], stream + stream)
    bad("cut.arrows", ["damaged"], stream[:len(stream) * 3 // 4])
    bad("cut.arrow", ["damaged"], file[:len(file) * 3 // 4])
    bad("feather1.feather", ["Feather version 1"], b"FEA1" + bytes(100) + b"FEA1")
    (HERE / "bad.json").write_text(json.dumps(says, indent=1, sort_keys=True) + "\n")


class Keys(pe.KmsClient):
    """Wraps keys by saying them: these files hide nothing."""

    def wrap_key(self, key_bytes, master_key_identifier):
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return base64.b64decode(wrapped_key)


def encrypted(path, t, column, plaintext_footer):
    """Encrypts one column and, where it is not plain, the footer."""
    factory = pe.CryptoFactory(lambda _: Keys())
    config = pe.EncryptionConfiguration(footer_key="foot", column_keys={"key": [column]}, plaintext_footer=plaintext_footer)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    with pq.ParquetWriter(path, t.schema, encryption_properties=properties, store_schema=False) as w:
        w.write_table(t)


def make_encrypted(rows, bad):
    t = table(rows, extra=True)
    encrypted(bad("encrypted_footer.parquet", ["encrypted", "decrypt it"]), t, "y", False)
    encrypted(bad("encrypted_features.parquet", ["node_feat", "encrypted", "decrypt it"]), t, LEAVES["node_feat"], True)
    encrypted(str(GOOD / "encrypted_other.parquet"), t, "y", True)


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


KINDS = HERE / "kinds"


def make_kinds():
    """The same three graphs, with one column of another type each: kinds/ok_* are read, the others say why not.

    variant.parquet and length.arrows beside them are of other makers: a column of type VARIANT that nobody needs, and a
    compressed buffer that claims 2^40 bytes.
    """
    import decimal
    import io
    import pickle
    import uuid

    import numpy as np

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


def main():
    for folder in (GOOD, BAD, TRUTHS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    rows = graphs(*map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (7, 12))
    (HERE / "graphs.json").write_text(json.dumps(rows, separators=(",", ":")) + "\n")
    make_parquet(rows)
    make_encodings(rows)
    make_arrow(rows)
    make_layouts(rows)
    make_truths(rows)
    make_bad(rows)
    make_rows()
    make_counts()
    make_kinds()
    make_beside()


if __name__ == "__main__":
    main()
