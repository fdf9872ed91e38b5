"""Writes the same graphs with every writer, codec, encoding and type: `python matrix.py FOLDER`.

Below FOLDER each folder holds graphs.json and files that must give exactly those graphs. The test with the tag e2e in
readers/matrix_test.go runs it in the venv of the tests.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

WIDTH, EDGE_WIDTH, GRAPH_WIDTH = 3, 2, 4
CODECS = ("none", "snappy", "gzip", "brotli", "zstd", "lz4")
LEAVES = {
    "node_feat": "node_feat.list.element.list.element",
    "edge_index": "edge_index.list.element.list.element",
    "edge_weight": "edge_weight.list.element",
    "node_ids": "node_ids.list.element",
    "edge_attr": "edge_attr.list.element.list.element",
    "edge_type": "edge_type.list.element",
    "graph_attr": "graph_attr.list.element",
    "num_nodes": "num_nodes",
    "graph_id": "graph_id",
}
# features, edges, weights, number of nodes, graph ids, node ids
TYPES: dict[str, tuple[pa.DataType, ...]] = {
    "float32": (pa.float32(), pa.int64(), pa.float32(), pa.int32(), pa.string(), pa.string()),
    "float64": (pa.float64(), pa.int32(), pa.float64(), pa.float64(), pa.int64(), pa.int64()),
    "half": (pa.float16(), pa.uint32(), pa.float16(), pa.float32(), pa.int32(), pa.uint16()),
    "int8": (pa.int8(), pa.uint8(), pa.float32(), pa.uint8(), pa.uint64(), pa.binary()),
    "int64": (pa.int64(), pa.int16(), pa.int16(), pa.int64(), pa.large_string(), pa.int32()),
    "uint16": (pa.uint16(), pa.uint64(), pa.uint64(), pa.uint32(), pa.binary(4), pa.large_string()),
}
KINDS = {"float32": "real", "float64": "real", "half": "quarters", "int8": "whole", "int64": "whole", "uint16": "counts"}
Graph = dict[str, Any]


def number(rng: random.Random, kind: str) -> float:
    """A number that every type of the kind holds exactly."""
    match kind:
        case "real":
            return float(struct.unpack("<f", struct.pack("<f", rng.gauss(0, 10)))[0])
        case "quarters":
            return rng.randint(-60, 60) / 4
        case "whole":
            return rng.randint(-120, 120)
    return rng.randint(0, 60000)


def graphs(kind: str) -> list[Graph]:
    rng = random.Random(kind)
    out = []
    for i in range(40):
        n = 0 if i in (0, 9) else rng.randint(1, 9)
        e = rng.randint(0, 12) if n and i != 4 else 0
        weight = "counts" if kind == "counts" else "quarters" if kind == "quarters" else "whole"
        out.append({
            "graph_id": 1000 + 7 * i,
            "node_feat": [[number(rng, kind) for _ in range(WIDTH)] for _ in range(n)],
            "edge_index": [[rng.randrange(n) for _ in range(e)], [rng.randrange(n) for _ in range(e)]],
            "edge_weight": [number(rng, weight) for _ in range(e)],
            "num_nodes": n,
            "node_ids": [1 + 3 * k + i for k in range(n)],
            "edge_attr": [[number(rng, kind) for _ in range(EDGE_WIDTH)] for _ in range(e)],
            "edge_type": [rng.randint(0, 120) for _ in range(e)],
            "graph_attr": [number(rng, kind) for _ in range(GRAPH_WIDTH)],
        })
    return out


def table(rows: list[Graph], types: tuple[pa.DataType, ...], lists: Any = pa.list_) -> pa.Table:
    feat, edge, weight, count, gid, nid = types

    def column(name: str) -> list[Any]:
        return [r[name] for r in rows]

    def texts(values: list[Any], typ: pa.DataType) -> list[Any]:
        if pa.types.is_integer(typ):
            return values
        return [[str(v) for v in r] if isinstance(r, list) else str(r) for r in values]

    return pa.table({
        "node_feat": pa.array(column("node_feat"), lists(lists(feat))),
        "edge_index": pa.array(column("edge_index"), lists(lists(edge))),
        "edge_weight": pa.array(column("edge_weight"), lists(weight)),
        "num_nodes": pa.array(column("num_nodes"), count),
        "graph_id": pa.array(texts(column("graph_id"), gid), gid),
        "node_ids": pa.array(texts(column("node_ids"), nid), lists(nid)),
        "edge_attr": pa.array(column("edge_attr"), lists(lists(feat))),
        "edge_type": pa.array(column("edge_type"), lists(edge)),
        "graph_attr": pa.array(column("graph_attr"), lists(feat)),
    })


def encodings(types: tuple[pa.DataType, ...]) -> dict[str, dict[str, Any]]:
    """Arguments of pyarrow's writer, by name. Each column has what its type may have."""
    split, delta, bytes_ = {}, {}, {}
    of_leaves = (types[0], types[1], types[2], types[5], types[0], types[1], types[0], types[3], types[4])
    for (_, path), typ in zip(LEAVES.items(), of_leaves, strict=True):
        texts = not (pa.types.is_integer(typ) or pa.types.is_floating(typ))
        fixed = pa.types.is_fixed_size_binary(typ)
        if not texts or fixed:
            split[path] = "BYTE_STREAM_SPLIT"
        if pa.types.is_integer(typ):
            delta[path] = bytes_[path] = "DELTA_BINARY_PACKED"
        if texts:
            bytes_[path] = "DELTA_BYTE_ARRAY"
            if not fixed:
                delta[path] = "DELTA_LENGTH_BYTE_ARRAY"
    return {
        "dictionary": {},
        "plain": {"use_dictionary": False},
        "split": {"use_dictionary": False, "column_encoding": split},
        "delta": {"use_dictionary": False, "column_encoding": delta},
        "delta_bytes": {"use_dictionary": False, "column_encoding": bytes_},
    }


def write_pyarrow(folder: Path, name: str, rows: list[Graph], types: tuple[pa.DataType, ...]) -> None:
    t = table(rows, types)
    for codec, version, (encoding, kw) in itertools.product(CODECS, ("1.0", "2.0"), encodings(types).items()):
        small = {"data_page_size": 200, "write_batch_size": 16} if codec in ("none", "lz4") else {}
        pq.write_table(t, folder / f"pyarrow-{name}-{codec}-v{version[0]}-{encoding}.parquet", compression=codec,
                       data_page_version=version, row_group_size=25, store_schema=False, **kw, **small)


def write_arrow(folder: Path, name: str, rows: list[Graph], types: tuple[pa.DataType, ...]) -> None:
    def viewed(typ: pa.DataType) -> pa.DataType:
        if pa.types.is_string(typ) or pa.types.is_large_string(typ):
            return pa.string_view()
        return pa.binary_view() if pa.types.is_binary(typ) else typ

    layouts = {"list": (types, pa.list_), "large": (types, pa.large_list),
               "view": (tuple(map(viewed, types)), pa.list_view), "large_view": (tuple(map(viewed, types)), pa.large_list_view)}
    for codec, (layout, (leaves, lists)), new in itertools.product((None, "lz4", "zstd"), layouts.items(), (ipc.new_file, ipc.new_stream)):
        t = table(rows, leaves, lists)
        with new(folder / f"pyarrow-{name}-{codec}-{layout}-{new.__name__}.arrow", t.schema, options=ipc.IpcWriteOptions(compression=codec)) as w:
            w.write_table(t, max_chunksize=15)


def write_polars(folder: Path, name: str, rows: list[Graph], types: tuple[pa.DataType, ...]) -> None:
    if pa.float16() in types:
        types = tuple(pa.float32() if t == pa.float16() else t for t in types)
    df = pl.from_arrow(table(rows, tuple(pa.binary() if t == pa.binary(4) else t for t in types)))
    assert isinstance(df, pl.DataFrame)
    for codec in ("uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"):
        df.write_parquet(folder / f"polars-{name}-{codec}.parquet", compression=codec, row_group_size=25)  # type: ignore[arg-type]
    for compression, level in itertools.product(("uncompressed", "lz4", "zstd"), ("oldest", "newest")):
        compat = getattr(pl.CompatLevel, level)()
        df.write_ipc(folder / f"polars-{name}-{compression}-{level}.arrow", compression=compression, compat_level=compat)  # type: ignore[arg-type]


def write_duckdb(folder: Path, name: str, rows: list[Graph], types: tuple[pa.DataType, ...]) -> None:
    if pa.float16() in types:
        types = tuple(pa.float32() if t == pa.float16() else t for t in types)
    con = duckdb.connect()
    con.register("t", table(rows, tuple(pa.binary() if t == pa.binary(4) else t for t in types)))
    for codec, version, limit in itertools.product(("uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"), ("v1", "v2"), (0, 1000)):
        con.execute(f"COPY t TO '{folder}/duckdb-{name}-{codec}-{version}-{limit}.parquet' (FORMAT parquet, COMPRESSION {codec}, "
                    f"PARQUET_VERSION {version}, DICTIONARY_SIZE_LIMIT {limit})")


def main(out: Path) -> None:
    for kind in sorted(set(KINDS.values())):
        folder, rows = out / kind, graphs(kind)
        folder.mkdir(parents=True)
        (folder / "graphs.json").write_text(json.dumps(rows))
        for name, types in TYPES.items():
            if KINDS[name] == kind:
                for write in (write_pyarrow, write_arrow, write_polars, write_duckdb):
                    write(folder, name, rows, types)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
