"""The rival: what a careful user writes with pyarrow and SciPy in one process, without graphscore.

Kept as it was given (`rivals/inproc.py` and `rivals/model.py`), apart from style, any width and depth of the model,
and two more kinds of input: packed features and Arrow IPC. Run as a script it prints one line of JSON:
``rival.py IN OUT WIDTHS BATCH``, as in ``rival.py graphs scores 16,32,1 1000``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

WIDE = 33
COLUMNS = ["graph_id", "node_feat", "edge_index"]


def weights(widths: Sequence[int] = (16, 32, 1), seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights [in, out] and biases of the layers, drawn at random; wide layers are scaled to keep values near one."""
    r = np.random.default_rng(seed)
    scales = [np.float32(4 if d < WIDE else d**0.5) for d in widths[:-1]]
    return [
        (r.standard_normal((d, h)).astype(np.float32) / scale, np.zeros(h, np.float32))
        for d, h, scale in zip(widths, widths[1:], scales, strict=False)
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
    """Scores [n, outputs] of a block-diagonal batch."""
    for i, (w, b) in enumerate(layers):
        x = a @ (x @ w) + b if w.shape[1] <= w.shape[0] else (a @ x) @ w + b
        if i + 1 < len(layers):
            x = np.maximum(x, 0)
    return x


def features(column: pa.Array, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Node offsets and features [nodes, width] of lists of lists, or of packed bytes."""
    if pa.types.is_binary(column.type):
        at = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
        x = np.frombuffer(column.buffers()[2], np.float32, (at[-1] - at[0]) // 4, at[0])
        return (at - at[0]) // (4 * width), x.reshape(-1, width)
    at = np.asarray(column.offsets)
    return at - at[0], np.asarray(column.flatten().flatten()).reshape(-1, width)


def unpack(b: pa.RecordBatch, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Node offsets, features [nodes, width], sources and targets of a record batch, without a loop."""
    nptr, x = features(b.column("node_feat"), width)
    e = b.column("edge_index").flatten()
    off = np.asarray(e.offsets)
    off = off - off[0]
    v = np.asarray(e.flatten())
    el = np.diff(off)[0::2]
    base = np.repeat(nptr[:-1], el)
    start = np.repeat(off[0:-1:2], el)
    within = np.arange(el.sum()) - np.repeat(np.cumsum(el) - el, el)
    return nptr, x, v[start + within] + base, v[np.repeat(off[1:-1:2], el) + within] + base


def batches(file: Path, size: int, *, threads: bool = True) -> Iterator[pa.RecordBatch]:
    """Record batches of at most ``size`` graphs of a Parquet or an Arrow IPC file."""
    if file.suffix == ".arrow":
        with pa.OSFile(str(file)) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                whole = reader.get_batch(i)
                for at in range(0, whole.num_rows, size):
                    yield whole.slice(at, size)
    else:
        yield from pq.ParquetFile(file).iter_batches(batch_size=size, columns=COLUMNS, use_threads=threads)


def files(source: Path) -> list[Path]:
    """The inputs of a folder, in order."""
    return sorted(f for f in source.iterdir() if f.suffix in {".parquet", ".arrow"})


def output_names(outputs: int) -> list[str]:
    """Names of the score columns."""
    return ["score"] if outputs == 1 else [f"score{i}" for i in range(outputs)]


def part_name(file: Path) -> str:
    """The name of the output of a file, as graphscore has it."""
    return file.name if file.suffix == ".parquet" else f"{file.name}.parquet"


def main(source: Path, target: Path, widths: Sequence[int], batch: int) -> None:
    """Score every file of ``source`` into a file of ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    layers = weights(widths)
    names = output_names(widths[-1])
    n = 0
    t0 = time.time()
    for f in files(source):
        w = None
        for b in batches(f, batch):
            nptr, x, src, dst = unpack(b, widths[0])
            s = forward(layers, normalised_adjacency(src, dst, len(x)), x)
            cnt = np.diff(nptr)
            gid = b.column("graph_id").take(pa.array(np.repeat(np.arange(len(cnt)), cnt)))
            node = (np.arange(len(s)) - np.repeat(nptr[:-1], cnt)).astype(np.int64)
            t = pa.table({"graph_id": gid, "node_id": node} | {name: s[:, k] for k, name in enumerate(names)})
            if w is None:
                w = pq.ParquetWriter(target / part_name(f), t.schema, compression="zstd")
            w.write_table(t)
            n += len(cnt)
        if w is not None:
            w.close()
    seconds = time.time() - t0
    print(json.dumps({"graphs": n, "seconds": seconds, "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(w) for w in sys.argv[3].split(",")], int(sys.argv[4]))
