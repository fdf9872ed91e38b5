"""The graphs of graphs.json, and the table that most files hold."""

import pathlib
import random

import pyarrow as pa

HERE = pathlib.Path(__file__).parent.parent
GOOD, BAD, TRUTHS, KINDS = HERE / "good", HERE / "bad", HERE / "truths", HERE / "kinds"
WIDTH = 3
LEAVES = {"node_feat": "node_feat.list.element.list.element", "edge_index": "edge_index.list.element.list.element",
          "edge_weight": "edge_weight.list.element", "node_ids": "node_ids.list.element", "num_nodes": "num_nodes", "graph_id": "graph_id"}


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
