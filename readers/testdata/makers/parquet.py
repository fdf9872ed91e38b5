"""Files below good/ in Parquet."""

import struct

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from makers.graphs import GOOD, LEAVES, WIDTH, column, table


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
    delta = {LEAVES[k]: v for k, v in flat.items()}
    parquet("delta", table(rows), use_dictionary=False, column_encoding=delta)
    delta["node_ids.list.element"], delta["graph_id"] = "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"
    parquet("delta_int32", table(rows, pa.list_(pa.list_(pa.int32())), pa.list_(pa.list_(pa.int32()))),
            use_dictionary=False, data_page_version="2.0", row_group_size=len(rows),
            column_encoding={**delta, "node_feat.list.element.list.element": "DELTA_BINARY_PACKED"})
    con = duckdb.connect()
    con.register("t", table(rows))
    con.execute(f"COPY t TO '{GOOD}/duckdb.parquet' (FORMAT parquet, COMPRESSION snappy)")
    pl.from_arrow(table(rows)).write_parquet(GOOD / "polars.parquet", compression="zstd")


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
