"""Where a worker's CPU time goes, in us a graph: ``engine.py [--widths 16,64,64,1] [--calls 1000] [--graphs 1750]``.

One request of molecules, about 1 MiB (with 1,750 graphs somewhat above 2 MiB, near what runs send), is scored again
and again. First in this process, bytes -> bytes, by stage:
medians of CPU time, with the dense and the sparse products of the layers apart from the rest. "limit" is what the
same layers cost in plain SciPy and BLAS from columns in memory (`limit.py`). Then by a worker process over its
socket, three calls in flight, with the columns in messages and in shared memory: the CPU time of its threads, those
that run Python and those of gRPC. Compare runs of one machine in turns only: a neighbour on the other core costs half
as much again.
"""

from __future__ import annotations

import argparse
import fcntl
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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


def in_process(folder: Path, batch: graphscore.GraphBatch, widths: list[int], rounds: int) -> None:
    """Print the stages of one call."""
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
    print(f"  decode and check   {median(lambda: codec.decode_score_request(request)[0], rounds, batch.graphs):7.3f}")
    print(f"  score              {score:7.3f}")
    print(f"    dense products   {dense:7.3f}")
    print(f"    sparse products  {sparse:7.3f}")
    print(f"    the rest         {score - dense - sparse:7.3f}")
    encode = median(lambda: codec.encode_score_response(scores, model.digest, 0), rounds, batch.graphs)
    print(f"  encode             {encode:7.3f}")
    print(f"  bytes to bytes     {median(call, rounds, batch.graphs):7.3f}")
    print(f"  limit              {median(lambda: forward(batch), rounds, batch.graphs):7.3f}")


def thread_nanos(pid: int) -> tuple[int, int]:
    """CPU time of a process's threads: of those that run Python, and of gRPC's."""
    python = grpcs = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanos = int((task / "schedstat").read_text().split()[0])
        if (task / "comm").read_text().startswith("python"):
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
    folder: Path, name: str, requests: list[bytes], calls: int, *, graphs: int, descriptors: tuple[int, ...] = ()
) -> None:
    """Print what a worker of a model of one output spends, from socket to socket."""
    address = f"unix:{folder}/worker.sock"
    command = [sys.executable, "-m", "graphscore", "serve", "--model", str(folder), "--listen", address]
    process = subprocess.Popen([*command, "--threads", "1"], stderr=subprocess.PIPE, text=True, pass_fds=descriptors)
    try:
        before, after = scored(process, address, requests, calls)
    finally:
        process.terminate()
        process.communicate()
    python, grpcs = ((b - a) / 1e3 / calls / graphs for a, b in zip(before, after, strict=True))
    print(f"  {name:<37} {python + grpcs:7.3f}")
    print(f"    Python's threads {python:26.3f}")
    print(f"    gRPC's threads {grpcs:28.3f}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", default="16,32,1", help="of the GCN's layers")
    parser.add_argument("--graphs", type=int, default=GRAPHS, help="of the request")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--turns", type=int, default=1, help="of calls with columns in messages, and in shared memory")
    args = parser.parse_args()
    widths = [int(width) for width in args.widths.split(",")]
    _malloc.keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "graphs").mkdir()
        write_molecules(folder / "graphs", 8 * args.graphs)
        write_model(folder, widths)
        batch = load(folder / "graphs", widths[0], 0, 8, args.graphs)[0]
        print(
            f"CPU us a graph, GCN {'-'.join(map(str, widths))}; {batch.graphs} graphs of {batch.nodes} nodes a request"
        )
        in_process(folder, batch, widths, args.rounds)
        request = request_of(batch)
        for _ in range(args.turns):
            over_a_socket(folder, "socket to socket, columns in messages", [request], args.calls, graphs=batch.graphs)
            descriptor, requests = slots_of(request)
            over_a_socket(
                folder,
                "socket to socket, shared memory",
                requests,
                args.calls,
                graphs=batch.graphs,
                descriptors=(descriptor,),
            )
            os.environ.pop(memory.VARIABLE)


if __name__ == "__main__":
    main()
