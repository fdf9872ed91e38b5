"""Readers of the collections' own formats, and a writer of the `rows` layout."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

MAX_LABELS = 64
"""Sets with more node labels than this (DBLP_v1 has 41,325) get them hashed into as many buckets."""


@dataclass(frozen=True)
class Collection:
    """Many graphs: graph g has nodes ``offsets[g]`` to ``offsets[g + 1]``; edges count nodes over all graphs."""

    offsets: Ints
    features: Floats
    sources: Ints
    targets: Ints

    @property
    def graphs(self) -> int:
        return len(self.offsets) - 1

    @property
    def width(self) -> int:
        return int(self.features.shape[1])


def load_tu(path: Path) -> Collection:
    """Read a TU set from its zip: one-hot node labels, then node attributes."""
    name = path.stem
    with zipfile.ZipFile(path) as archive:
        members = {Path(m).name: m for m in archive.namelist()}

        def table(kind: str, dtype: type) -> npt.NDArray[Any]:
            text = archive.read(members[f"{name}_{kind}.txt"]).decode()
            return np.loadtxt(io.StringIO(text), delimiter=",", dtype=dtype, ndmin=2)

        edges = table("A", np.int64) - 1
        graph = table("graph_indicator", np.int64)[:, 0] - 1
        labels = table("node_labels", np.int64)[:, 0]
        attributes = table("node_attributes", np.float32) if f"{name}_node_attributes.txt" in members else None
    distinct, index = np.unique(labels, return_inverse=True)
    buckets = min(len(distinct), MAX_LABELS)
    features = np.zeros((len(labels), buckets), np.float32)
    features[np.arange(len(labels)), index % buckets] = 1
    if attributes is not None:
        features = np.hstack([features, attributes]).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(graph))]).astype(np.int64)
    order = np.argsort(graph[edges[:, 0]], kind="stable")
    return Collection(offsets, features, edges[order, 0], edges[order, 1])


class _CoraUnpickler(pickle.Unpickler):
    """Reads just what the files hold: a pickle could run anything else."""

    allowed = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("scipy.sparse.csr", "csr_matrix"),
            ("collections", "defaultdict"),
            ("__builtin__", "list"),
            ("builtins", "list"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        if name == "csr_matrix":
            from scipy.sparse import csr_matrix

            return csr_matrix
        if name == "_reconstruct":
            from numpy._core.multiarray import _reconstruct

            return _reconstruct
        return {"ndarray": np.ndarray, "dtype": np.dtype, "defaultdict": defaultdict, "list": list}[name]


def load_cora(folder: Path) -> Collection:
    """Read Cora as one graph: edges both ways, each once."""

    def load(part: str) -> Any:
        with (folder / f"ind.cora.{part}").open("rb") as f:
            return _CoraUnpickler(f, encoding="latin1").load()

    rest, test, neighbours = load("allx"), load("tx"), load("graph")
    order = np.loadtxt(folder / "ind.cora.test.index", dtype=np.int64)
    features = np.zeros((rest.shape[0] + test.shape[0], rest.shape[1]), np.float32)
    features[: rest.shape[0]] = rest.toarray()
    features[order] = test.toarray()
    pairs = {(int(a), int(b)) for a, bs in neighbours.items() for b in bs if a != b}
    edges = np.array(sorted(pairs | {(b, a) for a, b in pairs}), np.int64)
    return Collection(np.array([0, len(features)]), features, edges[:, 0], edges[:, 1])


def write_rows(c: Collection, path: Path, row_group: int) -> None:
    """Write a collection in the layout `rows`, integer ids, features as list<list<float>>."""
    counts = np.bincount(np.searchsorted(c.offsets, c.sources, side="right") - 1, minlength=c.graphs)
    ends = np.concatenate([[0], np.cumsum(counts)])
    base = np.repeat(c.offsets[:-1], counts)
    local = [c.sources - base, c.targets - base]
    pairs: list[list[Ints]] = [[side[ends[g] : ends[g + 1]] for side in local] for g in range(c.graphs)]
    inner = pa.ListArray.from_arrays(
        pa.array(np.arange(0, c.features.size + 1, c.width, dtype=np.int32)), pa.array(c.features.ravel())
    )
    table = pa.table(
        {
            "graph_id": pa.array(np.arange(c.graphs)),
            "node_feat": pa.ListArray.from_arrays(pa.array(c.offsets.astype(np.int32)), inner),
            "edge_index": pa.array(pairs, pa.list_(pa.list_(pa.int64()))),
            "num_nodes": pa.array(np.diff(c.offsets)),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=row_group)
