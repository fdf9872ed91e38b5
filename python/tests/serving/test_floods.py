"""Clients that send without end, or never read: others are served, and memory stays bounded."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

import graphscore
from calls import GET_MODEL, HEALTH, SCORE
from graphscore._serving import arrivals as arrivals_module
from graphscore._serving.arrivals import Arrivals, Limits, Threads
from http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    frame,
    headers,
    message,
)
from processes import Process
from serving_others import REFLECTION, SOON, answers, peak, until

MIB = 1 << 20
WATCH = "/grpc.health.v1.Health/Watch"


def ask(address: str, path: str) -> None:
    """Make a call of no content that succeeds, in a connection of its own.

    In a flood the server may close a connection that it had no time to look at: clients connect again.
    """
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError), Connection(address) as connection:
            stream = connection.call(path, message(b""), end=True)
            if any(b"grpc-status\x010" in end.payload for end in connection.ended({stream}, SOON).values()):
                return
    pytest.fail(f"{path} was not answered")


@contextmanager
def flooding(address: str, send: Callable[[Connection], None], clients: int = 2) -> Iterator[None]:
    """Clients that send again and again, over new connections where theirs are closed, and read nothing."""
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), Connection(address) as connection:
                connection.socket.settimeout(0.5)  # what is not read is not taken for ever
                while not over.is_set():
                    send(connection)

    threads = [threading.Thread(target=flood) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def calls(path: str, data: bytes, count: int = 100) -> Callable[[Connection], None]:
    """So many calls of each connection."""

    def send(connection: Connection) -> None:
        for _ in range(count):
            connection.call(path, data)
        raise ConnectionError

    return send


def resets(connection: Connection) -> None:
    for stream in range(1, 4000, 2):
        connection.send(
            frame(HEADERS, END_HEADERS, stream, headers(SCORE)) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
        )
    raise ConnectionError


def unending_headers(connection: Connection) -> None:
    connection.send(frame(HEADERS, 0, 1, headers(SCORE)))
    while True:
        connection.send(frame(CONTINUATION, 0, 1, b"\0\3x-a\x64" + b"y" * 100) * 100)


def empty_data(connection: Connection) -> None:
    stream = connection.call(SCORE)
    while True:
        connection.send(frame(DATA, 0, stream) * 1000)


def large_headers(connection: Connection) -> None:
    for _ in range(100):
        connection.call(SCORE, message(b"half", 1000), ("x", "y" * 60_000))
    raise ConnectionError


FLOODS: dict[str, Callable[[Connection], None]] = {
    "SETTINGS": lambda c: c.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 1000),
    "PING": lambda c: c.send(frame(PING, 0, 0, bytes(8)) * 1000),
    "PRIORITY": lambda c: c.send(frame(PRIORITY, 0, 1, bytes(5)) * 1000),
    "WINDOW_UPDATE": lambda c: c.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * 1000),
    "HEADERS without end": unending_headers,
    "DATA of no bytes": empty_data,
    "calls that are reset": resets,
    "malformed reflection": calls(REFLECTION, message(b"\xff\xff\xff")),
    "watches of health": calls(WATCH, message(b"")),
    "headers of 60 KB": large_headers,
}


@pytest.mark.fault(
    "31",
    "floods of frames, calls and headers from clients that read nothing",
    "health and GetModel answer all the while, memory within 16 times the message limit; 0 on SIGTERM within its grace",
)
@pytest.mark.parametrize("name", FLOODS)
def test_floods(serve: Callable[..., Process], name: str) -> None:
    server = serve("127.0.0.1:0")
    before = peak(server)
    with flooding(server.address, FLOODS[name]):
        for _ in range(10):
            ask(server.address, HEALTH)
            ask(server.address, GET_MODEL)
        assert peak(server) - before < 16 * 64
        server.popen.terminate()
        assert server.popen.wait(SOON) == 0


@pytest.mark.fault("30", "64 MiB of zeros as gzip in 64 KB", "refused, not inflated")
def test_compressed_messages_are_not_inflated(serve: Callable[..., Process]) -> None:
    server = serve("127.0.0.1:0")
    before = peak(server)
    body = gzip.compress(bytes(64 * MIB))
    with Connection(server.address) as connection:
        for _ in range(8):
            data = b"\1" + message(body)[1:]
            stream = connection.call(SCORE, data, ("grpc-encoding", "gzip"), end=True)
            assert b"grpc-status\x0212" in connection.ended({stream}, SOON)[stream].payload
    assert peak(server) - before < 32
    answers(server.address)


@pytest.mark.fault("30", "a message that says that it has 4 GiB", "RESOURCE_EXHAUSTED at once")
def test_a_message_that_says_it_is_larger_than_any(serve: Callable[..., Process]) -> None:
    server = serve("127.0.0.1:0")
    with Connection(server.address) as connection:
        stream = connection.call(SCORE, message(b"x", 2**32 - 1))
        assert b"grpc-status\x018" in connection.ended({stream}, SOON)[stream].payload
    answers(server.address)


@pytest.mark.fault("31", "1,000 connections that stop in the middle of a TLS handshake", "others are served")
@pytest.mark.usefixtures("many_files")
def test_handshakes_that_stop_half_way(engine: graphscore.Engine) -> None:
    kept = Path(__file__).parents[1] / "data" / "certificates"
    options = graphscore.ServerOptions(
        listen="127.0.0.1:0", tls_cert=kept / "first.pem", tls_key=kept / "first.key", idle_seconds=1
    )
    server = graphscore.Server(engine, options)
    server.start()
    host, port = str(server.address).split(":")
    with contextlib.ExitStack() as opened:
        opened.callback(server.stop, 0)
        for _ in range(1000):
            half = opened.enter_context(socket.create_connection((host, int(port))))
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
        credentials = grpc.ssl_channel_credentials((kept / "ca.pem").read_bytes())
        with grpc.secure_channel(str(server.address), credentials) as channel:
            assert channel.unary_unary(HEALTH)(b"", timeout=SOON)  # type: ignore[arg-type]


class Context:
    """A call as arrivals see it."""

    def __init__(self) -> None:
        self._rpc_event = self
        self.call = self
        self.ended: list[tuple[int, str]] = []
        self.over: list[Callable[[], None]] = []

    def cancel(self, code: int, text: str) -> None:
        self.ended.append((code, text))

    def add_callback(self, callback: Callable[[], None]) -> bool:
        self.over.append(callback)
        return True


def answered(arrivals: Arrivals, size: int) -> Any:
    """A call whose answer is being sent."""
    context: Any = Context()
    call = arrivals._enter(context)
    arrivals._read(call, iter([b""]), context)
    arrivals._answer(call, size)
    arrivals._leave(call, complete=True)
    return context


def test_answers_are_open_until_they_are_taken() -> None:
    used = [0]
    arrivals = Arrivals("test", Limits(4, 4, 60, 0.5, 100, 30), lambda: used[0])
    contexts = [answered(arrivals, 40) for _ in range(3)]
    used[0], now = 101, time.monotonic()
    assert arrivals._look(now) == []  # they are new
    for call, code, text in arrivals._look(now + 1):
        call.end(code, text)
    full = (8, "the answer was not taken, and its memory was needed")
    assert [context.ended for context in contexts] == [[full], [full], []]
    assert arrivals._look(now + 1) == []  # 40 bytes cannot be what fills it
    contexts[2].over[0]()
    assert not arrivals.busy()
    late = answered(arrivals, 1)
    ((_, code, text),) = arrivals._look(time.monotonic() + 61)
    assert (code, text) == (grpc.StatusCode.UNAVAILABLE, "the answer was not taken within 60 s")
    assert late.ended == []
    arrivals.close()


def test_the_place_of_an_answer_that_is_not_taken_is_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now[0]

    monkeypatch.setattr(arrivals_module, "time", Clock)
    arrivals = Arrivals("test", Limits(2, 2, 60, 0.5, 100, 30), lambda: 0)
    first, _ = answered(arrivals, 1), answered(arrivals, 1)
    now[0] += 1
    answered(arrivals, 1)
    assert first.ended == [(8, "the answer was not taken, and its place was needed")]
    arrivals.close()


def test_calls_beyond_what_may_wait_for_a_thread_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals_module, "_UNTAKEN", 2)
    pool, release, begun = Threads(1), threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        begun.set()
        assert release.wait(SOON)

    work = [pool.submit(wait)]
    assert begun.wait(SOON)
    contexts = [Context() for _ in range(4)]
    work += [pool.submit(wait, "method", context) for context in contexts]
    assert [context.ended for context in contexts] == [[], [], *([[(8, "too many calls are open")]] * 2)]
    release.set()
    pool.shutdown()
    until(lambda: sum(each.done() for each in work) == 3)
