"""Whole runs over real collections against a float64 reference that shares no code with the engine."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from loading import Collection, load_cora, load_tu, write_rows
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[3]
TU = ("MUTAG", "ENZYMES", "PROTEINS", "NCI1", "Mutagenicity", "Tox21_AR", "DBLP_v1")
HIDDEN = 24
Doubles = npt.NDArray[np.float64]


def write_model(folder: Path, width: int) -> list[npt.NDArray[np.float32]]:
    """A random GCN layer, then a random SAGE layer of two outputs; returns W1, b1, W2 (neighbours), b2, R2 (root)."""
    r = np.random.default_rng(width)
    shapes = [(HIDDEN, width), (HIDDEN,), (2, HIDDEN), (2,), (2, HIDDEN)]
    tensors = [(r.standard_normal(s) / np.sqrt(s[-1])).astype(np.float32) for s in shapes]
    names = ["w1", "b1", "w2", "b2", "r2"]
    folder.mkdir()
    save_file(dict(zip(names, tensors, strict=True)), folder / "model.safetensors")
    layers = [
        {"type": "gcn", "weight": "w1", "bias": "b1", "activation": "relu"},
        {"type": "sage", "neighbor": "w2", "bias": "b2", "root": "r2", "activation": "none"},
    ]
    config = {"format": "graphscore/1", "name": "random", "in_features": width, "outputs": ["a", "b"],
              "layers": layers, "output_activation": "none"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return tensors


def reference(c: Collection, tensors: list[npt.NDArray[np.float32]]) -> Doubles:
    """The model's scores [nodes, 2] in float64, by the formulas of GCNConv and SAGEConv."""
    w1, b1, w2, b2, r2 = (t.astype(np.float64) for t in tensors)
    n = len(c.features)
    a = sp.csr_matrix((np.ones(len(c.sources)), (c.targets, c.sources)), shape=(n, n))
    with_loops = a + sp.eye(n)  # no set has self loops of its own
    d = sp.diags(1 / np.sqrt(np.asarray(with_loops.sum(axis=1)).ravel()))
    hidden = np.maximum(d @ with_loops @ d @ (c.features.astype(np.float64) @ w1.T) + b1, 0)
    mean = sp.diags(1 / np.maximum(np.asarray(a.sum(axis=1)).ravel(), 1)) @ a @ hidden
    return np.asarray(mean @ w2.T + b2 + hidden @ r2.T)


def score(tmp: Path, name: str, *flags: str) -> tuple[dict[str, object], Path]:
    out = tmp / name
    command = [ROOT / "bin" / "graphscore", "run", "--input", tmp / "in", "--model", tmp / "model", "--output", out]
    done = subprocess.run([*map(str, command), "--json", "-q", *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record: dict[str, object] = json.loads(done.stdout)
    return record, out


def check(c: Collection, tmp: Path) -> None:
    tensors = write_model(tmp / "model", c.width)
    record, out = score(tmp, "out")
    counts = record["counts"]
    assert isinstance(counts, dict)
    assert (counts["scored"], counts["nodes"], counts["edges"]) == (c.graphs, len(c.features), len(c.sources))
    table = pq.read_table(out / "graphs.parquet")
    assert table.column_names == ["graph_id", "node_id", "a", "b"]
    sizes = np.diff(c.offsets)
    np.testing.assert_array_equal(table["graph_id"].to_numpy(), np.repeat(np.arange(c.graphs), sizes))
    np.testing.assert_array_equal(
        table["node_id"].to_numpy(), np.arange(len(c.features)) - np.repeat(c.offsets[:-1], sizes)
    )
    got = np.stack([table["a"].to_numpy(), table["b"].to_numpy()], axis=1)
    want = reference(c, tensors)
    assert np.max(np.abs(got - want) / np.maximum(1, np.abs(want))) <= 1e-5
    _, again = score(tmp, "again", "--workers", "1")
    digests = [hashlib.sha256((o / "graphs.parquet").read_bytes()).hexdigest() for o in (out, again)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", TU)
def test_tu(name: str, data: Path, tmp_path: Path) -> None:
    c = load_tu(data / "tu" / f"{name}.zip")
    (tmp_path / "in").mkdir()
    write_rows(c, tmp_path / "in" / "graphs.parquet", row_group=1000)
    check(c, tmp_path)


def test_cora(data: Path, tmp_path: Path) -> None:
    c = load_cora(data / "planetoid")
    assert (len(c.features), c.width, len(c.sources)) == (2708, 1433, 10556)
    (tmp_path / "in").mkdir()
    write_rows(c, tmp_path / "in" / "graphs.parquet", row_group=1)
    check(c, tmp_path)
