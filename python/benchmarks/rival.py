"""The rival: what a careful user writes with pyarrow and SciPy in one process, without graphscore.

Kept as it was given (`inproc.py` and `model.py` of the peers), apart from style. Run as a script it prints one line
of JSON: ``rival.py IN OUT``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

WIDTH = 16


def weights(d: int = WIDTH, h: int = 32, o: int = 1, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights [in, out] and biases of two layers, drawn at random."""
    r = np.random.default_rng(seed)
    return [
        (r.standard_normal((d, h)).astype(np.float32) / 4, np.zeros(h, np.float32)),
        (r.standard_normal((h, o)).astype(np.float32) / 4, np.zeros(o, np.float32)),
    ]


def normalised_adjacency(src: np.ndarray, dst: np.ndarray, n: int) -> sp.csr_matrix:
    """D^-1/2 (A + I) D^-1/2 of n nodes, rows are targets."""
    deg = np.bincount(dst, minlength=n) + 1
    dis = (1 / np.sqrt(deg)).astype(np.float32)
    loop = np.arange(n)
    s = np.concatenate([src, loop])
    d = np.concatenate([dst, loop])
    return sp.csr_matrix((dis[s] * dis[d], (d, s)), shape=(n, n))


def forward(layers: list[tuple[np.ndarray, np.ndarray]], a: sp.csr_matrix, x: np.ndarray) -> np.ndarray:
    """Scores [n, 1] of a block-diagonal batch."""
    for i, (w, b) in enumerate(layers):
        x = a @ (x @ w) + b if w.shape[1] <= w.shape[0] else (a @ x) @ w + b
        if i + 1 < len(layers):
            x = np.maximum(x, 0)
    return x


def unpack(b: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Node offsets, features [nodes, 16], sources and targets of a record batch, without a loop."""
    nf = b.column("node_feat")
    ei = b.column("edge_index")
    nptr = np.asarray(nf.offsets)
    nptr = nptr - nptr[0]
    x = np.asarray(nf.flatten().flatten()).reshape(-1, WIDTH)
    e = ei.flatten()
    off = np.asarray(e.offsets)
    off = off - off[0]
    v = np.asarray(e.flatten())
    el = np.diff(off)[0::2]
    base = np.repeat(nptr[:-1], el)
    start = np.repeat(off[0:-1:2], el)
    within = np.arange(el.sum()) - np.repeat(np.cumsum(el) - el, el)
    return nptr, x, v[start + within] + base, v[np.repeat(off[1:-1:2], el) + within] + base


def main(source: Path, target: Path, batch: int = 1000) -> None:
    """Score every file of ``source`` into a file of ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    layers = weights()
    n = 0
    t0 = time.time()
    for f in sorted(source.glob("*.parquet")):
        w = None
        for b in pq.ParquetFile(f).iter_batches(batch_size=batch):
            nptr, x, src, dst = unpack(b)
            s = forward(layers, normalised_adjacency(src, dst, len(x)), x)[:, 0]
            cnt = np.diff(nptr)
            gid = b.column("graph_id").take(pa.array(np.repeat(np.arange(len(cnt)), cnt)))
            node = (np.arange(len(s)) - np.repeat(nptr[:-1], cnt)).astype(np.int64)
            t = pa.table({"graph_id": gid, "node_id": node, "score": s})
            if w is None:
                w = pq.ParquetWriter(target / f.name, t.schema, compression="zstd")
            w.write_table(t)
            n += len(cnt)
        if w is not None:
            w.close()
    seconds = time.time() - t0
    print(json.dumps({"graphs": n, "seconds": seconds, "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
