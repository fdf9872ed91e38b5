"""Files below good/ in Arrow."""

import struct

import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc

from makers.graphs import GOOD, WIDTH, column, table


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
