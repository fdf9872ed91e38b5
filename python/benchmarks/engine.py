"""Where a worker's CPU time goes, in us a graph: ``engine.py [--widths 16,64,64,1] [--calls 1000] [--graphs 1750]``.

One request of molecules, about 1 MiB (with 1,750 graphs somewhat above 2 MiB, near what runs send), is scored again
and again. First in this process, bytes -> bytes, by stage:
medians of CPU time, with the dense and the sparse products of the layers apart from the rest. "limit" is what the
same layers cost in plain SciPy and BLAS from columns in memory (`limit.py`). Then by a worker process over its
socket, three calls in flight, with the columns in messages and in shared memory: the CPU time of its threads, those
that run Python and those of gRPC. ``--json`` prints all of it as an object. Compare runs of one machine in turns only:
a neighbour on the other core costs half as much again.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy, as the server does it

import grpc
import numpy as np
from limit import GRAPHS, load, plain
from suite.workloads import write_model, write_molecules

import graphscore
from graphscore import _graphs, _malloc, _products
from graphscore._proto import scoring_pb2
from graphscore._serving import codec, memory

WARM_CALLS = 20
IN_FLIGHT = 3
PAGE = 64 << 10
IN_MESSAGES = "socket to socket, columns in messages"
IN_SHARED_MEMORY = "socket to socket, shared memory"


class Times:
    """What is spent on a graph by name, in us, one value a turn; as text it is printed when it is measured."""

    def __init__(self, *, text: bool) -> None:
        self.us: dict[str, list[float]] = {}
        self._text = text

    def add(self, name: str, us: float, *, of: str = "") -> None:
        """Add a turn of a name, or of what is a share `of` another name: its name is `of: name`."""
        self.us.setdefault(f"{of}: {name}" if of else name, []).append(us)
        if self._text:
            print(f"{'    ' if of else '  '}{name}".ljust(40) + f"{us:7.3f}", flush=True)


def median(work: Callable[[], object], rounds: int, graphs: int) -> float:
    """Median CPU time of this thread in us a graph."""
    spent = []
    for _ in range(rounds):
        begun = time.thread_time_ns()
        work()
        spent.append(time.thread_time_ns() - begun)
    return statistics.median(spent) / 1e3 / graphs


class Clock:
    """CPU time inside functions that it wraps."""

    def __init__(self) -> None:
        self.nanos = 0

    def around(self, function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        """Return the function, timed."""

        def timed(*arguments: np.ndarray) -> np.ndarray:
            begun = time.thread_time_ns()
            result = function(*arguments)
            self.nanos += time.thread_time_ns() - begun
            return result

        return timed


@contextmanager
def sparse_clock() -> Iterator[Clock]:
    """Time the sparse products."""
    clock, original = Clock(), _graphs.Adjacency.singles
    _graphs.Adjacency.singles = clock.around(original)  # type: ignore[method-assign]
    yield clock
    _graphs.Adjacency.singles = original  # type: ignore[method-assign]


def products(model: graphscore.Model, batch: graphscore.GraphBatch, rounds: int) -> tuple[float, float]:
    """CPU time of the dense products, with the steps that change their rows, and of the sparse ones, us a graph."""
    dense = Clock()
    strategies = [lambda matrix, make=make: dense.around(make(matrix)) for make in _products.STRATEGIES]
    engine = graphscore.Engine(model, strategies=strategies)
    with sparse_clock() as sparse:
        dense.nanos = 0
        for _ in range(rounds):
            engine.score(batch)
    return dense.nanos / 1e3 / rounds / batch.graphs, sparse.nanos / 1e3 / rounds / batch.graphs


def request_of(batch: graphscore.GraphBatch) -> bytes:
    """Return the batch as it goes over the wire."""
    return scoring_pb2.ScoreRequest(
        graphs=batch.graphs,
        nodes=batch.nodes,
        edges=batch.edges,
        feature_width=batch.width,
        node_counts=batch.node_counts.tobytes(),
        features=batch.features.tobytes(),
        in_degrees=batch.in_degrees.tobytes(),
        sources=batch.sources.tobytes(),
    ).SerializeToString()


def in_process(times: Times, folder: Path, batch: graphscore.GraphBatch, *, widths: Sequence[int], rounds: int) -> None:
    """Measure the stages of one call."""
    model = graphscore.load_model(folder)
    engine = graphscore.Engine(model)
    request = request_of(batch)

    def call() -> bytes:
        scores = engine.score(codec.decode_score_request(request)[0])
        return codec.encode_score_response(scores, model.digest, 0)

    read, scores = codec.decode_score_request(request)[0], engine.score(batch)
    forward = plain(widths)
    dense, sparse = products(model, read, rounds)
    score = median(lambda: engine.score(read), rounds, batch.graphs)
    decode = median(lambda: codec.decode_score_request(request)[0], rounds, batch.graphs)
    times.add("decode and check", decode)
    times.add("score", score)
    times.add("dense products", dense, of="score")
    times.add("sparse products", sparse, of="score")
    times.add("the rest", score - dense - sparse, of="score")
    times.add("encode", median(lambda: codec.encode_score_response(scores, model.digest, 0), rounds, batch.graphs))
    times.add("bytes to bytes", median(call, rounds, batch.graphs))
    times.add("limit", median(lambda: forward(batch), rounds, batch.graphs))


def thread_nanos(pid: int) -> tuple[int, int]:
    """CPU time of a process's threads: of those that run Python, and of gRPC's."""
    python = grpcs = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            nanos, name = int((task / "schedstat").read_text().split()[0]), (task / "comm").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        if name.startswith("python"):
            python += nanos
        else:
            grpcs += nanos
    return python, grpcs


def slots_of(request: bytes) -> tuple[int, list[bytes]]:
    """Return memory with the columns of a request in each of IN_FLIGHT slots, and the requests that name them."""
    size = 2 * len(request) // PAGE * PAGE + PAGE
    descriptor = os.memfd_create("engine", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, IN_FLIGHT * size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    os.environ[memory.VARIABLE] = f"{memory.VERSION} {descriptor} {IN_FLIGHT} {size} 0 0"
    view = mmap.mmap(descriptor, IN_FLIGHT * size)
    requests = []
    for slot in range(IN_FLIGHT):
        whole, first, offset = scoring_pb2.ScoreRequest.FromString(request), slot * size, memory.HEADER_BYTES
        whole.shared.slot, whole.shared.number = slot, slot + 1
        view[first] = slot + 1
        for field, column in whole.ListFields():
            if isinstance(column, bytes):
                view[first + offset : first + offset + len(column)] = column
                whole.shared.columns.add(field=field.number, offset=offset, bytes=len(column))
                whole.ClearField(field.name)
                offset = (offset + len(column) + 63) // 64 * 64
        whole.shared.scores.field, whole.shared.scores.offset, whole.shared.scores.bytes = 3, offset, 4 * whole.nodes
        requests.append(whole.SerializeToString())
    return descriptor, requests


def scored(
    process: subprocess.Popen[str], address: str, requests: list[bytes], calls: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Let a worker score so many calls, and return the CPU time of its threads before and after them."""
    assert process.stderr is not None
    process.stderr.readline()
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(IN_FLIGHT) as pool:
        score = channel.unary_unary(
            "/graphscore.v1.ScoringService/Score", request_serializer=bytes, response_deserializer=bytes
        )
        list(pool.map(score, requests * WARM_CALLS))
        before = thread_nanos(process.pid)
        list(pool.map(score, (requests * calls)[:calls]))
        return before, thread_nanos(process.pid)


def over_a_socket(
    folder: Path, requests: list[bytes], calls: int, graphs: int, descriptors: Sequence[int] = ()
) -> tuple[float, float]:
    """What a worker of a model of one output spends on a graph from socket to socket, us: Python's threads, gRPC's."""
    address = f"unix:{folder}/worker.sock"
    command = [sys.executable, "-m", "graphscore", "serve", "--model", str(folder), "--listen", address]
    process = subprocess.Popen([*command, "--threads", "1"], stderr=subprocess.PIPE, text=True, pass_fds=descriptors)
    try:
        before, after = scored(process, address, requests, calls)
    finally:
        process.terminate()
        process.communicate()
    python, grpcs = ((b - a) / 1e3 / calls / graphs for a, b in zip(before, after, strict=True))
    return python, grpcs


def both_transports(times: Times, folder: Path, batch: graphscore.GraphBatch, calls: int) -> None:
    """Measure a worker with the columns in messages, and in shared memory."""
    request = request_of(batch)

    def add(name: str, spent: tuple[float, float]) -> None:
        times.add(name, sum(spent))
        for threads, us in zip(("Python's threads", "gRPC's threads"), spent, strict=True):
            times.add(threads, us, of=name)

    add(IN_MESSAGES, over_a_socket(folder, [request], calls, batch.graphs))
    descriptor, requests = slots_of(request)
    add(IN_SHARED_MEMORY, over_a_socket(folder, requests, calls, batch.graphs, [descriptor]))
    os.environ.pop(memory.VARIABLE)
    os.close(descriptor)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", default="16,32,1", help="of the GCN's layers")
    parser.add_argument("--graphs", type=int, default=GRAPHS, help="of the request")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--turns", type=int, default=1, help="of calls with columns in messages, and in shared memory")
    parser.add_argument("--json", action="store_true", help="print an object instead of text")
    return parser.parse_args()


def main() -> None:
    """Measure."""
    args = arguments()
    widths = [int(width) for width in args.widths.split(",")]
    times = Times(text=not args.json)
    _malloc.keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "graphs").mkdir()
        write_molecules(folder / "graphs", 8 * args.graphs)
        write_model(folder, widths)
        batch = load(folder / "graphs", widths[0], 0, 8, args.graphs)[0]
        if not args.json:
            gcn = "-".join(map(str, widths))
            print(f"CPU us a graph, GCN {gcn}; {batch.graphs} graphs of {batch.nodes} nodes a request")
        in_process(times, folder, batch, widths=widths, rounds=args.rounds)
        for _ in range(args.turns):
            both_transports(times, folder, batch, args.calls)
    if args.json:
        print(json.dumps({"widths": widths, "graphs": batch.graphs, "nodes": batch.nodes, "us_a_graph": times.us}))


if __name__ == "__main__":
    main()
