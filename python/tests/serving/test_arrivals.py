"""Clients that break every rule: what they send is made frame by frame, and others are served meanwhile."""

from __future__ import annotations

import contextlib
import resource
import selectors
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

import graphscore
from calls import GET_MODEL, HEALTH, PROCESS_GRAPH, SCORE, fails
from graphscore._proto import gcn_pb2
from graphscore._serving import arrivals as arrivals_module
from graphscore._serving import codec, wire
from graphscore._serving import server as server_module
from graphscore._serving.arrivals import Arrivals, Limits
from graphscore._serving.health import Health
from http2 import END_HEADERS, HEADERS, PING, RST_STREAM, Connection, frame, half_sent, headers, message
from processes import Process
from serving_others import REFLECTION, SOON, answers, peak, until

MIB = 1 << 20


@pytest.fixture
def lone(serve: Callable[..., Process]) -> Process:
    return serve("127.0.0.1:0")


@pytest.fixture
def started(engine: graphscore.Engine) -> Iterator[Callable[..., str]]:
    """Start servers in this process; return their address."""
    servers: list[graphscore.Server] = []

    def start(using: Any = engine, **options: Any) -> str:
        server = graphscore.Server(using, graphscore.ServerOptions(listen="127.0.0.1:0", **options))
        server.start()
        servers.append(server)
        return str(server.address)

    yield start
    for server in servers:
        server.stop(0)


@pytest.mark.fault(
    "31",
    "calls whose bodies stop half way, of each kind",
    "served: Score, GetModel and health answer others",
)
@pytest.mark.parametrize(
    ("path", "count"),
    [(SCORE, 20), (SCORE, 1100), (PROCESS_GRAPH, 20), (GET_MODEL, 20), (HEALTH, 1), (HEALTH, 1100), (REFLECTION, 20)],
)
def test_bodies_that_stop_half_way(lone: Process, path: str, count: int) -> None:
    with half_sent(lone.address, path, count):
        answers(lone.address)
        lone.popen.terminate()  # and they do not keep it from ending
        assert lone.popen.wait(SOON) == 0


@pytest.mark.fault("31", "a body that does not arrive", "the call is ended")
def test_a_body_that_does_not_arrive_is_ended(started: Callable[..., str]) -> None:
    address = started(body_seconds=0.5)
    for path in (SCORE, PROCESS_GRAPH, GET_MODEL, HEALTH):
        with Connection(address) as connection:
            stream = connection.call(path, message(b"half", 1000))
            (end,) = connection.ended({stream}, SOON).values()
            assert b"grpc-status\x0214" in end.payload
            assert b"the body did not arrive within 0.5 s" in end.payload
    with Connection(address) as connection:  # no message at all
        stream = connection.call(SCORE, end=True)
        (end,) = connection.ended({stream}, SOON).values()
        assert b"requires exactly one request message" in end.payload


@pytest.mark.fault("31", "connections that are silent, or idle HTTP/2", "closed")
def test_connections_that_are_idle_or_silent_are_closed(started: Callable[..., str]) -> None:
    address = started(idle_seconds=0.5)
    with Connection(address) as idle, Connection(address, preface=False) as silent:
        for got in idle.frames(SOON):
            if got.kind == PING and not got.flags:
                idle.send(frame(PING, 1, 0, got.payload))
        list(silent.frames(SOON))  # ends when the server closes the connection
    answers(address)


@pytest.mark.fault("D", "a reflection request of bytes ff ff ff, then SIGTERM", "0 within the grace")
def test_malformed_reflection(lone: Process) -> None:
    with Connection(lone.address) as connection:
        stream = connection.call(REFLECTION, message(b"\xff\xff\xff"))
        (end,) = connection.ended({stream}, SOON).values()
        assert b"grpc-status\x013" in end.payload
        lone.popen.terminate()
        assert lone.popen.wait(SOON) == 0


@pytest.mark.fault("D", "100 open connections and 55 half-sent calls, then SIGTERM", "0 within the grace")
def test_whatever_is_open_the_server_ends(lone: Process) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(50):
            opened.enter_context(Connection(lone.address))
            opened.enter_context(Connection(lone.address, preface=False))
        opened.enter_context(half_sent(lone.address, SCORE, 50))
        opened.enter_context(half_sent(lone.address, "/grpc.health.v1.Health/Watch", 5))
        answers(lone.address)
        lone.popen.send_signal(signal.SIGTERM)
        assert lone.popen.wait(SOON) == 0


@pytest.mark.fault("31", "5,000 calls that are reset at once, 1,000 pings", "others are served")
def test_rapid_reset_and_pings(lone: Process) -> None:
    with Connection(lone.address) as connection, Connection(lone.address) as pinging:
        begun = b"".join(
            frame(HEADERS, END_HEADERS, stream, headers(SCORE)) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
            for stream in range(1, 10_000, 2)
        )
        with contextlib.suppress(ConnectionError):
            connection.send(begun)
            pinging.send(frame(PING, 0, 0, bytes(8)) * 1000)
        answers(lone.address)


PARTS = {
    "empty nodes": (PROCESS_GRAPH, b"", b"\x0a\x00", "nodes: "),
    "empty edges": (
        PROCESS_GRAPH,
        gcn_pb2.GraphData(nodes=[gcn_pb2.Node(features=[1, 2, 3])]).SerializeToString(),
        b"\x12\x00",
        "edges: the graph has more than 699050",
    ),
    "fields": (SCORE, b"", b"\x08\x01", "more than 1024 fields"),
    "unknown groups": (SCORE, b"", b"\xfb\x07\xfc\x07", "wire type 3"),
    "unknown fields": (GET_MODEL, b"", b"\x78\x01", "65536"),
    "of health": (HEALTH, b"", b"\x78\x01", "65536"),
    "nested groups": (SCORE, b"", b"\xfb\x07", "wire type 3"),
    "nested groups in a graph": (PROCESS_GRAPH, b"", b"\xfb\x07", ""),
}


@pytest.mark.fault(
    "30",
    "messages of tiny parts, nearly as large as the limit",
    "INVALID_ARGUMENT, memory within 16 times the limit, others are served",
)
@pytest.mark.parametrize("name", PARTS)
def test_messages_of_tiny_parts_take_a_few_times_their_size(serve: Callable[..., Process], name: str) -> None:
    server = serve("127.0.0.1:0", "--max-message-bytes", str(8 * MIB))
    path, first, part, said = PARTS[name]
    before = peak(server)
    with grpc.insecure_channel(server.address) as channel:
        code, details = fails(channel, path, first + part * (7 * MIB // len(part)))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert said in details
    assert peak(server) - before < 16 * 8
    answers(server.address)


@pytest.mark.fault(
    "30",
    "eight messages of tiny parts at once, each nearly as large as the limit",
    "INVALID_ARGUMENT or RESOURCE_EXHAUSTED, memory within 24 times the limit, others are served",
)
@pytest.mark.parametrize("name", ["empty nodes", "fields"])
def test_messages_of_tiny_parts_at_once(serve: Callable[..., Process], name: str) -> None:
    server = serve("127.0.0.1:0", "--max-message-bytes", str(8 * MIB))
    path, first, part, _ = PARTS[name]
    before, data = peak(server), first + part * (7 * MIB // len(part))
    codes: list[grpc.StatusCode] = []

    def send() -> None:
        with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            codes.append(fails(channel, path, data)[0])

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    answers(server.address)
    for thread in threads:
        thread.join()
    assert len(codes) == 8
    assert set(codes) <= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert peak(server) - before < 24 * 8


@pytest.mark.fault(
    "30",
    "messages of whose 2 GB no more than the length arrives",
    "RESOURCE_EXHAUSTED, no memory is set apart, others are served",
)
def test_two_gigabytes_that_are_announced(lone: Process) -> None:
    before = peak(lone)
    with Connection(lone.address) as connection:
        streams = {connection.call(path, message(b"", 2**31 - 1)) for path in (SCORE, PROCESS_GRAPH, GET_MODEL, HEALTH)}
        ends = connection.ended(streams, SOON)
    assert len(ends) == len(streams)
    assert all(b"grpc-status\x018" in end.payload for end in ends.values())
    assert peak(lone) - before < 64
    answers(lone.address)


@contextlib.contextmanager
def many_connections(address: str, count: int, *, preface: bool) -> Iterator[list[Connection]]:
    connections: list[Connection] = []
    try:
        connections.extend(Connection(address, preface=preface) for _ in range(count))
        yield connections
    finally:
        for connection in connections:
            connection.socket.close()


def all_closed(connections: list[Connection]) -> None:
    """Wait until the server has closed every connection."""
    deadline, open_ones = time.monotonic() + SOON, len(connections)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            connection.socket.settimeout(0)
            selector.register(connection.socket, selectors.EVENT_READ)
        while open_ones:
            assert time.monotonic() < deadline, f"{open_ones} connections are open"
            for key, _ in selector.select(1):
                received = b""
                with contextlib.suppress(ConnectionError):
                    received = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                if not received:
                    selector.unregister(key.fileobj)
                    open_ones -= 1


@pytest.mark.fault("31", "1,000 silent connections and 1,000 that are idle HTTP/2", "others are served, all are closed")
@pytest.mark.usefixtures("many_files")
def test_a_thousand_silent_and_a_thousand_idle(started: Callable[..., str]) -> None:
    address = started(idle_seconds=2.0)
    with (
        many_connections(address, 1000, preface=False) as silent,
        many_connections(address, 1000, preface=True) as idle,
    ):
        answers(address)
        all_closed(silent + idle)
    answers(address)


@pytest.mark.fault(
    "31", "400 silent connections to a server that may open 256 files", "others are served, all are closed"
)
@pytest.mark.usefixtures("many_files")
def test_more_silent_connections_than_files(lone: Process) -> None:
    resource.prlimit(lone.popen.pid, resource.RLIMIT_NOFILE, (256, 256))
    with many_connections(lone.address, 400, preface=False) as silent:
        answers(lone.address)
        all_closed(silent)
    answers(lone.address)


@pytest.mark.fault("31", "large bodies that stop half way", "memory bounded, others are served")
def test_bodies_that_stop_half_way_take_bounded_memory(serve: Callable[..., Process]) -> None:
    """What 40 clients send of 8 MiB each would be 280 MiB."""
    server = serve("127.0.0.1:0", "--max-message-bytes", str(8 * MIB))
    before = peak(server)
    with half_sent(server.address, SCORE, 40, 1, size=8 * MIB) as connections:
        body = bytes(7 * MIB)
        threads = [threading.Thread(target=each.push, args=(1, body, SOON)) for each in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert peak(server) - before < 24 * 8
        answers(server.address)


def test_calls_that_wait_while_none_is_computed_are_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now[0]

    class Gone:
        """A call that does not wait for its turn."""

        @staticmethod
        def add_callback(_: Callable[[], None]) -> bool:
            return False

    monkeypatch.setattr(arrivals_module, "time", Clock)
    arrivals = Arrivals("test", Limits(9, 1, 3600, 0.5, 1000, 100), lambda: 0)
    context: Any = Gone()
    first, _ = arrivals._enter(context), arrivals._enter(context)
    now[0] += 20
    assert arrivals.waits() == 20  # the body of the first is not there
    arrivals._read(first, iter([b""]), context)
    now[0] += 1000
    assert arrivals.waits() == 0  # it is computed
    arrivals._leave(first, complete=True)
    now[0] += 20
    assert arrivals.waits() == 0  # the second has its place
    arrivals.close()


def test_health_follows_the_calls_that_wait() -> None:
    waits, limits = [0.0], Limits(9, 1, 3600, 0.5, 1000, 100)
    arrivals = (Arrivals("ask", limits), Arrivals("watch", limits), Arrivals("reflection", limits))
    health = Health(("named",), arrivals, lambda: waits[0], 15)

    def status() -> int:
        return health_pb2.HealthCheckResponse.FromString(health._check(b"", None)).status  # type: ignore[arg-type]

    serving = health_pb2.HealthCheckResponse
    for waits[0], wanted in ((0.0, serving.SERVING), (16.0, serving.NOT_SERVING), (0.0, serving.SERVING)):
        health.look()
        assert status() == wanted
    for each in arrivals:
        each.close()


def test_where_no_further_thread_starts_calls_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool, first, second = arrivals_module.Threads(4), threading.Event(), threading.Event()
    pool.submit(first.wait, SOON)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        pool.submit(second.set)
    first.set()
    assert second.wait(SOON)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(second.set)


def test_memory_that_is_full_ends_the_oldest_bodies() -> None:
    ended: list[tuple[int, str]] = []

    class Context:
        def __init__(self) -> None:
            self._rpc_event = self
            self.call = self

        def cancel(self, code: int, message: str) -> None:
            ended.append((code, message))

    used = [0]
    arrivals = Arrivals("test", Limits(9, 4, 60, 0.5, 100, 30), lambda: used[0])
    for _ in range(4):
        arrivals._enter(Context())  # type: ignore[arg-type]
    used[0] = 101
    for one, code, text in arrivals._look(time.monotonic()):
        one.end(code, text)
    assert ended == [(8, "the body did not arrive, and its memory was needed")] * 2
    used[0] = 99
    assert arrivals._look(time.monotonic()) == []
    used[0] = 1000  # two of 30 bytes cannot have it: it is computed with
    assert arrivals._look(time.monotonic()) == []
    arrivals.close()


def test_a_slow_body_has_an_hour() -> None:
    arrivals, *_ = server_module._arrivals(graphscore.ServerOptions())
    call = arrivals._enter(None)  # type: ignore[arg-type]
    assert arrivals._look(call.began + 3599) == []
    ((ended, code, _),) = arrivals._look(call.began + 3601)
    assert (ended, code) == (call, grpc.StatusCode.UNAVAILABLE)
    arrivals.close()


def test_a_look_that_finds_no_memory_is_left_out(started: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    looks, watching = [0], arrivals_module.Arrivals.look

    def look(self: Arrivals) -> None:
        looks[0] += 1
        if looks[0] < 4:
            raise MemoryError
        watching(self)

    monkeypatch.setattr(arrivals_module.Arrivals, "look", look)
    address = started(body_seconds=0.5)
    until(lambda: looks[0] >= 4)
    with Connection(address) as connection:  # and the server still ends what does not arrive
        stream = connection.call(SCORE, message(b"half", 1000))
        assert connection.ended({stream}, SOON)


@pytest.mark.parametrize("reverse", [False, True])
def test_large_graphs_are_decoded_as_small_ones(monkeypatch: pytest.MonkeyPatch, reverse: bool) -> None:
    random = np.random.default_rng(3)
    nodes = [gcn_pb2.Node(id=f"n{i}" * (1 + i % 90), features=random.random(2).tolist()) for i in range(300)]
    ids = [node.id for node in nodes]
    edges = [gcn_pb2.Edge(source_id=ids[a], target_id=ids[b]) for a, b in random.integers(0, 300, (900, 2))]
    parts = [gcn_pb2.GraphData(nodes=nodes).SerializeToString(), gcn_pb2.GraphData(edges=edges).SerializeToString()]
    data = b"\x50\x07".join(parts[::-1] if reverse else parts)
    wanted_ids, wanted = codec.decode_graph(data, 2)
    monkeypatch.setattr(wire, "SMALL", 256)
    limit = wire.GraphLimit(300, 900)
    assert len(list(wire.pieces(data, limit))) > 10
    found_ids, found = codec.decode_large_graph(data, 2, limit)
    assert found_ids == wanted_ids == ids
    for name in ("node_counts", "features", "in_degrees", "sources"):
        assert getattr(found, name).tobytes() == getattr(wanted, name).tobytes()
    for fewer in (wire.GraphLimit(299, 900), wire.GraphLimit(300, 899)):
        with pytest.raises(graphscore.BatchError, match="the graph has more than"):
            codec.decode_large_graph(data, 2, fewer)
    for cut in range(len(data) - 60, len(data)):
        with contextlib.suppress(graphscore.BatchError):
            codec.decode_large_graph(data[:cut], 2, limit)
