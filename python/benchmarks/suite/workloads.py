"""The workloads: files of graphs, made by seeded generators, and models for them.

All have the `rows` layout: graph_id, node_feat, edge_index list<list<int64>>, num_nodes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rival import output_names, unpack, weights
from safetensors.numpy import save_file

from suite.machine import ROOT

EXAMPLE = ROOT / "jobs" / "examples" / "molecules" / "data"
ROW_GROUP = 5000
FILES = 8

Write = Callable[[Path, int], None]


@dataclass(frozen=True)
class Workload:
    """Graphs of one kind, and the model that scores them."""

    name: str
    title: str
    graphs: int
    """How many by default."""
    widths: tuple[int, ...]
    """Of the model's layers: features first, outputs last."""
    write: Write
    """Writes so many graphs into a folder."""
    batch: int = 1000
    """Graphs that the rival takes at once."""

    @property
    def shape(self) -> str:
        """The model in a word, as 16-32-1."""
        return shape(self.widths)


def shape(widths: Sequence[int]) -> str:
    """Widths of layers in a word."""
    return "-".join(map(str, widths))


@dataclass(frozen=True)
class Graphs:
    """Graphs side by side: node and edge counts [G], features [N, W], sources and targets [E], from 0 in each graph."""

    nodes: np.ndarray
    features: np.ndarray
    edges: np.ndarray
    sources: np.ndarray
    targets: np.ndarray

    def table(self, first: int = 0) -> pa.Table:
        """The table of the layout."""
        count, width = len(self.nodes), self.features.shape[1]
        rows = pa.FixedSizeListArray.from_arrays(self.features.ravel(), width).cast(pa.list_(pa.float32()))
        graph_ends = np.concatenate([[0], np.cumsum(self.edges)])
        ends = np.concatenate([[0], np.cumsum(np.repeat(self.edges, 2))])
        both = np.empty(2 * len(self.sources), np.int64)
        for i in range(count):
            a, b = graph_ends[i], graph_ends[i + 1]
            both[2 * a : a + b] = self.sources[a:b]
            both[a + b : 2 * b] = self.targets[a:b]
        pairs = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(both))
        return pa.table(
            {
                "graph_id": [f"g{first + i}" for i in range(count)],
                "node_feat": pa.ListArray.from_arrays(offsets(self.nodes), rows),
                "edge_index": pa.ListArray.from_arrays(pa.array(np.arange(0, 2 * count + 1, 2), pa.int32()), pairs),
                "num_nodes": pa.array(self.nodes, pa.int64()),
            }
        )


def offsets(counts: np.ndarray) -> pa.Array:
    """Where lists begin and end."""
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def random_graphs(r: np.random.Generator, nodes: np.ndarray, width: int, degree: float) -> Graphs:
    """Graphs with random features and ``degree`` random edges a node, none of them a loop."""
    edges = np.maximum(1, np.rint(nodes * degree)).astype(np.int64)
    sizes = np.repeat(nodes, edges)
    sources = np.floor(r.random(len(sizes)) * sizes).astype(np.int64)
    targets = (sources + 1 + np.floor(r.random(len(sizes)) * (sizes - 1)).astype(np.int64)) % sizes
    return Graphs(nodes, r.standard_normal((int(nodes.sum()), width), np.float32), edges, sources, targets)


def molecules(graphs: int, files: int = FILES) -> Iterator[pa.Table]:
    """The example's molecules, repeated with new ids: a table a file. They are what the rivals were measured with."""
    columns = ["node_feat", "edge_index", "num_nodes"]
    real = pa.concat_tables([pq.read_table(f, columns=columns) for f in sorted(EXAMPLE.glob("*.parquet"))])
    order = cycle(range(len(real)))
    per = max(1, graphs // files)
    for k in range(files):
        table = real.take(pa.array(list(islice(order, per)))).combine_chunks()
        yield table.add_column(0, "graph_id", pa.array([f"m{k * per + i}" for i in range(per)]))


def write_molecules(folder: Path, graphs: int) -> None:
    """Eight zstd Parquet files, 5,000 graphs a row group."""
    for k, table in enumerate(molecules(graphs)):
        pq.write_table(table, folder / f"part-{k:05d}.parquet", compression="zstd", row_group_size=ROW_GROUP)


def write_split(folder: Path, graphs: int, compression: str) -> None:
    """The molecules with features and edges as BYTE_STREAM_SPLIT, as DuckDB's PARQUET_VERSION v2 has features."""
    lists = dict.fromkeys(
        (f"{name}.list.element.list.element" for name in ("node_feat", "edge_index")), "BYTE_STREAM_SPLIT"
    )
    for k, table in enumerate(molecules(graphs)):
        pq.write_table(
            table,
            folder / f"part-{k:05d}.parquet",
            compression=compression,
            row_group_size=ROW_GROUP,
            use_dictionary=False,
            column_encoding=lists,
        )


def write_lz4(folder: Path, graphs: int) -> None:
    """The molecules with the codec LZ4_RAW, which pyarrow, Polars and DuckDB call lz4."""
    for k, table in enumerate(molecules(graphs)):
        pq.write_table(
            table, folder / f"part-{k:05d}.parquet", compression="lz4", row_group_size=ROW_GROUP, use_dictionary=False
        )


def write_bonds(folder: Path, graphs: int) -> None:
    """The molecules with four features of an edge, one of which is 1, the same both ways."""
    for k, table in enumerate(molecules(graphs)):
        (batch,) = table.to_batches()
        _, _, sources, targets = unpack(batch, 16)
        flat = np.eye(4, dtype=np.float32)[(sources + targets) % 4]
        rows = pa.FixedSizeListArray.from_arrays(flat.ravel(), 4).cast(pa.list_(pa.float32()))
        edges = np.diff(np.asarray(batch.column("edge_index").flatten().offsets))[0::2]
        bonds = table.append_column("edge_attr", pa.ListArray.from_arrays(offsets(edges), rows))
        pq.write_table(bonds, folder / f"part-{k:05d}.parquet", compression="zstd", row_group_size=ROW_GROUP)


def write_packed(folder: Path, graphs: int) -> None:
    """The molecules with the features of a graph as float32 bytes."""
    for k, table in enumerate(molecules(graphs)):
        lists = table["node_feat"].combine_chunks()
        flat = np.asarray(lists.flatten().flatten(), np.float32)
        ends = pa.array(np.asarray(lists.offsets) * 64, pa.int32())
        packed = pa.Array.from_buffers(pa.binary(), len(lists), [None, ends.buffers()[1], pa.py_buffer(flat.tobytes())])
        binary = table.set_column(1, "node_feat", packed)
        pq.write_table(binary, folder / f"part-{k:05d}.parquet", compression="zstd", row_group_size=ROW_GROUP)


def write_arrow(folder: Path, graphs: int) -> None:
    """The molecules as Arrow IPC files, not compressed."""
    for k, table in enumerate(molecules(graphs)):
        with pa.OSFile(str(folder / f"part-{k:05d}.arrow"), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table, max_chunksize=ROW_GROUP)


def write_citation(folder: Path, graphs: int) -> None:
    """Graphs of Cora's size: 2,708 papers, 10,556 directed citations, 1,433 words of which a paper has 18."""
    r = np.random.default_rng(1)
    papers, words, used, cited = 2708, 1433, 18, 5278
    made = []
    for i in range(graphs):
        features = np.zeros((papers, words), np.float32)
        features[np.repeat(np.arange(papers), used), r.integers(0, words, papers * used)] = 1
        a = np.floor(papers * r.random(cited) ** 2).astype(np.int64)  # a few papers are cited by many
        b = (a + r.integers(1, papers, cited)) % papers
        one = Graphs(
            np.array([papers]), features, np.array([2 * cited]), np.concatenate([a, b]), np.concatenate([b, a])
        )
        made.append(one.table(i))
    pq.write_table(pa.concat_tables(made), folder / "citations.parquet", compression="zstd", row_group_size=4)


def write_power_law(folder: Path, graphs: int) -> None:
    """Sizes by a power law: from 4 nodes, half below 7, the largest of 50,000 about as large as all small ones."""
    r = np.random.default_rng(2)
    per = max(1, graphs // 4)
    for k in range(4):
        nodes = np.minimum(50_000, np.floor(4 * (1 - r.random(per)) ** (-1 / 1.3))).astype(np.int64)
        table = random_graphs(r, nodes, 16, 2).table(k * per)
        pq.write_table(table, folder / f"part-{k:05d}.parquet", compression="zstd", row_group_size=ROW_GROUP)


def write_giant(folder: Path, graphs: int) -> None:
    """Graphs of 200,000 nodes and 2 million edges."""
    r = np.random.default_rng(3)
    tables = [random_graphs(r, np.array([200_000]), 16, 10).table(i) for i in range(graphs)]
    pq.write_table(pa.concat_tables(tables), folder / "giant.parquet", compression="zstd", row_group_size=1)


def write_wide(folder: Path, graphs: int) -> None:
    """Graphs of 16 nodes and 32 edges with 256 features."""
    r = np.random.default_rng(4)
    per = max(1, graphs // FILES)
    for k in range(FILES):
        table = random_graphs(r, np.full(per, 16), 256, 2).table(k * per)
        pq.write_table(table, folder / f"part-{k:05d}.parquet", compression="zstd", row_group_size=1000)


def rings(graphs: int, nodes: int = 200_000) -> pa.Table:
    """A few graphs that are ten thousand times as large as a molecule."""
    r = np.random.default_rng(0)
    ring = np.arange(nodes, dtype=np.int64)
    one = Graphs(np.array([nodes]), r.random((nodes, 16), np.float32), np.array([nodes]), ring, np.roll(ring, 1))
    return pa.concat_tables([one.table(i) for i in range(graphs)])


def write_skewed(folder: Path, graphs: int) -> None:
    """One file: three giants, one after the other, in the middle of many molecules."""
    (small,) = molecules(graphs, files=1)
    giants = rings(3).cast(small.schema)
    half = len(small) // 2
    table = pa.concat_tables([small.slice(0, half), giants, small.slice(half)])
    pq.write_table(table, folder / "skewed.parquet", compression="zstd", row_group_size=ROW_GROUP)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("molecules", "molecules", 200_000, (16, 32, 1), write_molecules),
        Workload("citation", "citation graphs, 1,433 features", 16, (1433, 16, 7), write_citation, batch=1),
        Workload("powerlaw", "sizes by a power law", 100_000, (16, 32, 1), write_power_law),
        Workload("giant", "one graph, 2 million edges", 1, (16, 32, 1), write_giant, batch=1),
        Workload("wide", "256 features", 20_000, (256, 64, 1), write_wide, batch=500),
        Workload("packed", "molecules, packed features", 200_000, (16, 32, 1), write_packed),
        Workload("arrow", "molecules, Arrow IPC", 200_000, (16, 32, 1), write_arrow),
        Workload("skewed", "3 giants among molecules", 100_000, (16, 32, 1), write_skewed),
    )
}

"""What is scored end to end."""

BONDS = Workload("bonds", "molecules with features of edges", 50_000, (16, 64, 64, 64, 1), write_bonds)
"""What the layers of PyTorch Geometric are measured with."""

STORED = {
    w.name: w
    for w in (
        *(
            Workload(
                f"split-{codec}",
                f"BYTE_STREAM_SPLIT, {codec}",
                200_000,
                (16, 32, 1),
                partial(write_split, compression=codec),
            )
            for codec in ("snappy", "zstd")  # snappy is DuckDB's default
        ),
        Workload("lz4", "LZ4_RAW", 200_000, (16, 32, 1), write_lz4),
    )
}
"""The molecules as they are stored elsewhere, for reading alone."""


def write_model(folder: Path, widths: Sequence[int]) -> None:
    """Write the rival's weights as a model folder of graphscore: GCN layers with relu between them."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, np.ndarray] = {}
    layers = []
    drawn = weights(widths)
    for i, (w, b) in enumerate(drawn):
        names = {"weight": f"convs.{i}.lin.weight", "bias": f"convs.{i}.bias"}
        tensors[names["weight"]] = np.ascontiguousarray(w.T)
        tensors[names["bias"]] = b
        layers.append({"type": "gcn", **names, "activation": "relu" if i + 1 < len(drawn) else "none"})
    config = {
        "format": "graphscore/1",
        "name": "benchmark",
        "in_features": widths[0],
        "outputs": output_names(widths[-1]),
        "layers": layers,
        "output_activation": "none",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    save_file(tensors, folder / "model.safetensors")
