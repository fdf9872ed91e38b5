"""Write models, and files of graphs with every fault in many types of columns, each fault between two good graphs.

usage: library_inputs.py FOLDER
"""

import json
import sys
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
from safetensors.numpy import save_file

folder = Path(sys.argv[1])
NAN, INF = float("nan"), float("inf")
X = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
GOOD = {"node_feat": X, "edge_index": [[0, 1, 2], [1, 2, 0]], "edge_weight": [1.0, 2.0, 3.0]}
LISTS, INTS = pa.list_(pa.list_(pa.float64())), pa.list_(pa.list_(pa.int64()))
TYPES = {"node_feat": LISTS, "edge_index": INTS, "edge_weight": pa.list_(pa.float32())}
FAULTS = [
    {"node_feat": None},
    {"node_feat": [X[0], None, X[1]]},
    {"node_feat": [X[0], [1.0, None, 3.0], X[1]]},
    {"node_feat": [X[0], [1.0, 2.0], X[1]]},
    {"node_feat": [[1.0, 2.0]] * 3},
    {"node_feat": [[]] * 3},
    {"node_feat": []},
    {"node_feat": [], "edge_index": [[], []], "edge_weight": []},
    {"node_feat": [], "edge_index": [], "edge_weight": []},
    {"node_feat": [X[0], [1.0, NAN, 3.0], [NAN, 2.0, 3.0]]},
    {"node_feat": [X[0], [1.0, 1.0, -INF], X[1]]},
    {"node_feat": [[1e300, 2.0, 3.0], *X[1:]]},
    {"node_feat": [[3e38] * 3] * 3},
    {"edge_index": None},
    {"edge_index": [None, [1]]},
    {"edge_index": [[0, None], [1, 2]]},
    {"edge_index": [[0, 1], [1]]},
    {"edge_index": [[0, 1, 2]]},
    {"edge_index": [[0], [1], [2]]},
    {"edge_index": [[0, 1, 3], [1, 2, 0]]},
    {"edge_index": [[0, 1, 2], [1, -1, 0]]},
    {"edge_index": [], "edge_weight": []},
    {"edge_index": []},
    {"edge_weight": None},
    {"edge_weight": [1.0, None, 2.0]},
    {"edge_weight": [1.0, 2.0]},
    {"edge_weight": [1.0, NAN, 2.0]},
    {"edge_weight": [1.0, INF, -INF]},
    {"edge_weight": [-1.0, -5.0, -7.0]},
    {"node_feat": None, "edge_index": None},
    {"node_feat": [[1.0, 2.0]] * 3, "edge_index": [[0], [9]], "edge_weight": [NAN]},
]
ROWS = [GOOD]
for fault in FAULTS:
    ROWS += [{**GOOD, **fault}, GOOD]
COUNT = len(ROWS)


def write(path: str, table: pa.Table) -> None:
    """Write record batches of a few rows each."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(folder / f"{path}.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def rows(path: str, rows: list[dict], **types: pa.DataType) -> None:
    write(path, pa.Table.from_pylist(rows, pa.schema(list((TYPES | types).items()))))


def column(path: str, name: str, values: list, kind: pa.DataType) -> None:
    """Write the rows with another column."""
    stored = pa.array(values, kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind)
    if isinstance(kind, pa.BaseExtensionType):
        stored = pa.ExtensionArray.from_storage(kind, stored)
    write(path, pa.Table.from_pylist(ROWS, pa.schema(list(TYPES.items()))).append_column(name, stored))


def cells(lists: list | None, convert: object) -> list | None:
    """Convert each number of lists of lists that is there."""
    if lists is None:
        return None
    return [None if inner is None else [None if v is None else convert(v) for v in inner] for inner in lists]


def whole(value: float, place: int) -> int:
    """Make an integer of a feature; some are beyond what float32 holds."""
    beyond = [2**24 + 1, 2**24, -(2**24) - 1, 2**40, -(2**24)]
    return beyond[place % 5] if value == 8.0 and place % 3 == 0 else int(value) if abs(value) < 1e9 else 7


def stored(place: int) -> bytes | None:
    """Return features as bytes, some of other types and lengths."""
    kinds = {4: "<f8", 6: "<f2"}
    if place % 13 in (8, 10, 12):
        return {8: b"\0" * 9, 10: b"\1" * 7, 12: None}[place % 13]
    return np.array(X, kinds.get(place % 13, "<f4")).tobytes()


def strings() -> None:
    rows("text/plain", ROWS)
    ids = [f"g{i}" if i % 5 else None for i in range(COUNT)]
    column("text/ids", "graph_id", ids, pa.string())
    column("text/ids_dictionary", "graph_id", ids, pa.dictionary(pa.int8(), pa.string()))
    column("text/ids_bytes", "graph_id", [v and (b"\xff" if len(v) == 2 else b"") + v.encode() for v in ids], pa.binary())
    column("text/ids_uint64", "graph_id", [v and 2**64 - int(v[1:]) for v in ids], pa.uint64())
    column("text/ids_uuid", "graph_id", [v and uuid.UUID(int=int(v[1:])).bytes for v in ids], pa.uuid())
    names = [["a", "b", "c"], ["a", "b", "a"], ["a", "b"], ["\u00e9\n", "x", "\u00e9\n"], ['"\\', "q", '"\\'], [None, "a", None], None]
    named = [names[i % 7] for i in range(COUNT)]
    for name, kind in {"": pa.string(), "_views": pa.string_view(), "_dictionary": pa.dictionary(pa.int8(), pa.string())}.items():
        column(f"text/node_ids{name}", "node_ids", named, pa.list_(kind))
    column("text/node_ids_bytes", "node_ids", [cells([v], lambda t: t.encode("latin1"))[0] for v in named], pa.list_(pa.binary()))


def numbers() -> None:
    odd = [2.5, 1e7 + 0.5, NAN, INF, -1.0, 1e300, 1.5e-7]
    column("text/num_nodes", "num_nodes", [[3, None, 4, -2][i % 4] for i in range(COUNT)], pa.int32())
    column("text/num_nodes_float", "num_nodes", [odd[i // 5 % 7] if i % 5 == 0 else 3.0 for i in range(COUNT)], pa.float64())
    column("text/num_nodes_uint64", "num_nodes", [2**64 - 1 if i % 7 == 3 else 3 for i in range(COUNT)], pa.uint64())
    made = [{**r, "node_feat": cells(r["node_feat"], lambda v, i=i: whole(v, i) if v == v else 0)} for i, r in enumerate(ROWS)]
    rows("text/features_int", made, node_feat=INTS)
    plain = [{**r, "node_feat": cells(r["node_feat"], lambda v: 2**64 - 5 if abs(v) > 1e9 else abs(v))} for r in made]
    rows("text/features_uint64", plain, node_feat=pa.list_(pa.list_(pa.uint64())))
    half = [{**r, "node_feat": cells(r["node_feat"], lambda v: np.float16(min(v, 6e4)))} for r in ROWS]
    rows("text/features_half", half, node_feat=pa.large_list(pa.list_(pa.float16())))
    views = {"node_feat": pa.list_view(pa.list_view(pa.float64())), "edge_index": pa.large_list_view(pa.list_view(pa.int8()))}
    rows("text/views", ROWS, **views)
    inner = [{**r, "edge_weight": r["edge_weight"] and [[w] if k != 1 or i % 9 else [w, w] for k, w in enumerate(r["edge_weight"])]} for i, r in enumerate(ROWS)]
    rows("text/weights_lists", inner, edge_weight=LISTS)
    for name, kind in {"bytes": pa.binary(), "bytes_views": pa.binary_view()}.items():
        some = [{**r, "node_feat": stored(i), "num_nodes": 0 if i % 11 == 7 else 3} for i, r in enumerate(ROWS)]
        rows(f"text/{name}", some, node_feat=kind, num_nodes=pa.int64())
    rows("text/bytes_json", [{**GOOD, "node_feat": b"[[1,2,3],[1,2,3],[4,5,6],[7,8,9]]", "num_nodes": 3}], node_feat=pa.binary(), num_nodes=pa.int8())
    ends = [{"node_feat": r["node_feat"], "source": r["edge_index"] and r["edge_index"][0], "target": r["edge_index"] and r["edge_index"][-1]} for r in ROWS]
    kinds = {"node_feat": LISTS, "source": pa.list_(pa.int32()), "target": pa.large_list(pa.int64())}
    write("text/source_target", pa.Table.from_pylist(ends, pa.schema(list(kinds.items()))))
    pairs = [{**r, "edge_index": [[0, 1], [1, 2], [2, i % 4]]} for i, r in enumerate(ROWS)]
    rows("text/pairs", pairs, edge_index=pa.list_(pa.list_(pa.int64(), 2)))
    ids = [[[7, 8, 9], [5, 6, 5], [1, 2], [None, 2, 3], None][i % 5] for i in range(COUNT)]
    column("int/node_ids", "node_ids", ids, pa.list_(pa.int16()))


def model() -> None:
    """gcn 3-8-1, which reads weights."""
    random = np.random.default_rng(1)
    shapes = {"a.lin.weight": (8, 3), "b.lin.weight": (1, 8)}
    layers = [{"type": "gcn", "weight": name, "activation": "none"} for name in shapes]
    config = {"format": "graphscore/1", "name": "small", "in_features": 3, "outputs": ["score"], "layers": layers}
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text(json.dumps(config))
    tensors = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(tensors, str(folder / "model" / "model.safetensors"))


FURTHER = {
    **GOOD,
    "edge_attr": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
    "edge_type": [0, 4, 2],
    "graph_attr": [1.0, 2.0, 3.0, 4.0],
    "node_ids": ["a", "b", "c"],
}
FURTHER_FAULTS = [
    {"edge_attr": None},
    {"edge_attr": [[1.0, 2.0], [1.0, None], [1.0, 2.0]]},
    {"edge_attr": [[1.0, 2.0]] * 2},
    {"edge_attr": [[1.0]] * 3},
    {"edge_attr": [[1.0], [1.0, 2.0], []]},
    {"edge_attr": [[1.0, 2.0], [1.0, NAN], [INF, 2.0]]},
    {"edge_attr": [[1.0, 2.0], [1.0, 2.0**25], [1.0, 2.0]]},
    {"edge_type": None},
    {"edge_type": [0, 1]},
    {"edge_type": [0, None, 1]},
    {"edge_type": [0, 1, -1]},
    {"edge_type": [0, 5, 9]},
    {"edge_type": [0, 1, 2**32]},
    {"graph_attr": None},
    {"graph_attr": [1.0]},
    {"graph_attr": [1.0, 2.0, NAN, 4.0]},
    {"edge_type": [0, 1, -1], "graph_attr": [1.0]},
    {"edge_index": [[0, 1, 3], [1, 2, 0]], "edge_attr": [[1.0]]},
    {"edge_index": [], "edge_weight": [], "edge_attr": [], "edge_type": []},
    {"edge_index": [[2, 0, 0, 0], [0, 1, 1, 0]], "edge_weight": [1.0] * 4, "edge_attr": [[1.0, 2.0]] * 4, "edge_type": [1] * 4},
    {"node_feat": [], "edge_index": [], "edge_weight": [], "edge_attr": [], "edge_type": [], "node_ids": []},
    {"node_feat": [[3e38] * 3] * 3},
]


def further() -> None:
    """Write graphs with the columns that only some models read."""
    types = TYPES | {"edge_attr": LISTS, "edge_type": pa.list_(pa.int64()), "graph_attr": pa.list_(pa.float32())}
    types |= {"node_ids": pa.list_(pa.string())}
    made = [FURTHER]
    for fault in FURTHER_FAULTS:
        made += [{**FURTHER, **fault}, FURTHER]

    def form(name: str, change: object = dict, **other: pa.DataType) -> None:
        write(f"further/{name}", pa.Table.from_pylist([change(r) for r in made], pa.schema(list((types | other).items()))))

    form("plain")
    form("ints", lambda r: {**r, "edge_attr": cells(r["edge_attr"], lambda v: int(v) if abs(v) < 1e9 else 3)}, edge_attr=INTS)
    flat = pa.list_(pa.float32())
    form("nested", lambda r: {**r, "graph_attr": r["graph_attr"] and [r["graph_attr"]]}, graph_attr=pa.list_(flat))
    form("types_float", edge_type=pa.list_(pa.float64()))
    form("types_lists", lambda r: {**r, "edge_type": r["edge_type"] and [[v] for v in r["edge_type"]]}, edge_type=INTS)
    form("views", edge_attr=pa.list_view(pa.large_list_view(pa.float32())), edge_type=pa.list_view(pa.int64()))

    def in_bytes(r: dict) -> dict:
        edge = r["edge_attr"] and np.array([v or 0 for inner in r["edge_attr"] for v in inner], "<f4").tobytes()
        graph = r["graph_attr"] and np.array(r["graph_attr"], "<f4").tobytes()
        return {**r, "edge_attr": b"" if edge == [] else edge, "graph_attr": graph}

    form("bytes", in_bytes, edge_attr=pa.binary(), graph_attr=pa.large_binary())


def leveled(level: str) -> None:
    """A model of steps that reads every column."""
    random = np.random.default_rng(2)
    shapes = {"t": (5, 2), "h.w": (3, 4), "h.b": (3,), "g.w": (5, 3), "o.b": (2,)}
    steps = [
        {"name": "t", "op": "embedding", "inputs": ["edge_type"], "columns": [0], "tables": ["t"]},
        {"name": "ea", "op": "concatenate", "inputs": ["edge_attr", "t"]},
        {"name": "h", "op": "gine", "inputs": ["x"], "edge_attr": "ea", "weight": "h.w", "bias": "h.b", "eps": 0.5},
        {"name": "g", "op": "gcn", "inputs": ["h"], "weight": "g.w", "edge_weight": "edge_weight"},
        {"name": "gs", "op": "spread", "inputs": ["graph_attr"], "kind": "node"},
        {"name": "c", "op": "concatenate", "inputs": ["g", "gs"]},
    ]
    last, width = "c", 9
    if level == "edge":
        ends = [{"name": end, "op": "gather", "inputs": ["c"], "end": end} for end in ("source", "target")]
        steps += [*ends, {"name": "j", "op": "concatenate", "inputs": ["source", "target", "ea"]}]
        last, width = "j", 22
    elif level == "graph":
        steps.append({"name": "p", "op": "mean_pool", "inputs": ["c"]})
        last = "p"
    steps.append({"name": "out", "op": "linear", "inputs": [last], "weight": "o.w", "bias": "o.b"})
    inputs = {"x": 3, "edge_attr": 2, "edge_type": 5, "graph_attr": 4, "edge_weight": True}
    config = {"format": "graphscore/2", "name": level, "level": level, "inputs": inputs, "outputs": ["a", "b"]}
    (folder / level).mkdir()
    (folder / level / "config.json").write_text(json.dumps({**config, "weights": ["model.safetensors"], "steps": steps}))
    tensors = {key: random.standard_normal(shape).astype(np.float32) for key, shape in (shapes | {"o.w": (2, width)}).items()}
    save_file(tensors, str(folder / level / "model.safetensors"))


model()
strings()
numbers()
further()
for one in ("node", "edge", "graph"):
    leveled(one)
