"""Engines that do not return: health says so once nobody waits for what they compute, and not before."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

import graphscore
from calls import GET_MODEL, HEALTH, PROCESS_GRAPH, SCORE, call, fails, method
from graphscore._proto import scoring_pb2
from graphscore._serving import turns as turns_module
from graphscore._serving.turns import GoneError, Turns
from processes import Process

SOON = 60.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
REQUEST = scoring_pb2.ScoreRequest(
    graphs=1, nodes=1, feature_width=3, node_counts=b"\1\0\0\0", features=bytes(12), in_degrees=bytes(4)
).SerializeToString()
STUCK = "health is NOT_SERVING: for"
AGAIN = "health is SERVING again"


class Caller:
    """A call as turns see it."""

    def __init__(self, remaining: float | None = 60.0) -> None:
        self.active, self.remaining = True, remaining

    def is_active(self) -> bool:
        return self.active

    def time_remaining(self) -> float | None:
        return self.remaining


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands."""
    at = [1000.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return at[0]

    monkeypatch.setattr(turns_module, "time", Clock)
    return at


def test_turns_are_lost_once_every_caller_has_gone(now: list[float]) -> None:
    turns, first, second, third = Turns(2), Caller(), Caller(), Caller()
    with turns.take(first):
        with turns.take(second):
            now[0] += 500
            assert turns.lost() == 0
            first.active = False
            now[0] += 500
            assert turns.lost() == 0  # the second is awaited
            second.active = False
            assert turns.lost() == 0
            now[0] += 20
            assert turns.lost() == 20
        assert turns.lost() == 0
        with turns.take(third):
            now[0] += 20
            assert turns.lost() == 0
    assert turns.lost() == 0


@pytest.mark.parametrize(("remaining", "lost"), [(None, 30.0), (9e18, 30.0), (60.0, 0.0), (90_000.0, 0.0)])
def test_without_a_deadline_a_call_is_awaited_for_an_hour(
    now: list[float], remaining: float | None, lost: float
) -> None:
    turns = Turns(1)
    with turns.take(Caller(remaining)):
        now[0] += 3600
        assert turns.lost() == 0
        now[0] += 30
        assert turns.lost() == lost


def test_a_turn_that_nobody_waits_for_is_not_taken() -> None:
    turns, caller = Turns(1), Caller()
    caller.active = False
    with pytest.raises(GoneError), turns.take(caller):
        pytest.fail("it was taken")
    with turns.take(Caller()):
        pass


class Blocked:
    """An engine whose products wait until they are released."""

    def __init__(self, real: graphscore.Engine) -> None:
        self.model, self.info, self.release = real.model, real.info, threading.Event()
        self.entered = threading.Semaphore(0)
        self.count = 0

    def score(self, batch: graphscore.GraphBatch, embed: str = "") -> graphscore.Scores:
        self.count += 1
        self.entered.release()
        assert self.release.wait(10 * SOON)
        return graphscore.Scores(np.zeros((batch.nodes, 1), np.float32))


@pytest.fixture
def blocked(engine: graphscore.Engine) -> Iterator[tuple[Blocked, grpc.Channel]]:
    """A server of two threads and half a second of patience over an engine that blocks."""
    fake = Blocked(engine)
    server = graphscore.Server(fake, graphscore.ServerOptions(listen="127.0.0.1:0", threads=2, stuck_seconds=0.5))
    server.start()
    with grpc.insecure_channel(str(server.address)) as channel:
        yield fake, channel
    fake.release.set()
    server.stop(0)


def status(channel: grpc.Channel) -> int:
    """The status, which is found out within a second; more on a busy machine."""
    return health_pb2.HealthCheckResponse.FromString(call(channel, HEALTH, b"")).status


def until(channel: grpc.Channel, wanted: int) -> None:
    deadline = time.monotonic() + SOON
    while status(channel) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begin(fake: Blocked, channel: grpc.Channel, count: int, timeout: float | None) -> list[Any]:
    """Calls that are computed now."""
    calls: list[Any] = [method(channel, SCORE).future(REQUEST, timeout=timeout) for _ in range(count)]
    for _ in calls:
        assert fake.entered.acquire(timeout=SOON)
    return calls


@pytest.mark.fault(
    "31",
    "an engine that hangs in every product, its callers past their deadline or cancelled",
    "health is NOT_SERVING, said in one line, GetModel answers; SERVING once the products end",
)
@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_health_where_every_product_hangs(
    blocked: tuple[Blocked, grpc.Channel], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake, channel = blocked
    calls = begin(fake, channel, 2, 5.0 if how == "deadline" else SOON)
    waiting = [
        method(channel, path).future(data, timeout=0.5) for path, data in ((SCORE, REQUEST), (PROCESS_GRAPH, b""))
    ]
    for each in calls:
        if how == "cancel":
            each.cancel()
        else:
            assert each.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(channel, NOT_SERVING)
    assert call(channel, GET_MODEL, b"")
    for each in waiting:
        assert each.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    fake.release.set()
    until(channel, SERVING)
    assert call(channel, SCORE, REQUEST)
    assert fake.count == 3  # what nobody waited for any more was not computed
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert caplog.messages[0].startswith(STUCK)
    assert caplog.messages[1].startswith(AGAIN)


@pytest.mark.parametrize("timeout", [300.0, None])
def test_health_where_a_product_takes_long_and_is_awaited(
    blocked: tuple[Blocked, grpc.Channel], timeout: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Longer than the patience of half a second: as long as somebody waits, and where one thread is left."""
    fake, channel = blocked
    lost = begin(fake, channel, 1, SOON)
    awaited = begin(fake, channel, 1, timeout)
    lost[0].cancel()
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        assert status(channel) == SERVING
    fake.release.set()
    assert awaited[0].result()
    assert caplog.messages == []


HANGING = """
import pathlib, sys, time
from graphscore import _cli
from graphscore._serving.options import ServerOptions
ServerOptions.stuck_seconds = 0.5
here = pathlib.Path(sys.argv.pop(1))
load = __import__("graphscore._engines", fromlist=["load"]).load
def hanging(folder):
    engine = load(folder)
    score = type(engine).score
    def slow(self, *arguments):
        while here.exists():
            time.sleep(0.01)
        return score(self, *arguments)
    type(engine).score = slow
    return engine
sys.modules["graphscore._engines"].load = hanging
sys.exit(_cli.main(sys.argv[1:]))
"""


@pytest.fixture
def hanging(serve: Callable[..., Process], tmp_path: Path) -> tuple[Process, Path]:
    """A process of one thread that hangs in products while a file exists."""
    file = tmp_path / "hang"
    file.touch()
    return serve("127.0.0.1:0", "--threads", "1", program=("-c", HANGING, str(file))), file


@pytest.mark.fault("31", "a server as a process that hangs in a product", "health is NOT_SERVING, then SERVING again")
def test_a_process_that_hangs_and_comes_back(hanging: tuple[Process, Path]) -> None:
    process, file = hanging
    with grpc.insecure_channel(process.address) as channel:
        assert fails(channel, SCORE, REQUEST, deadline=5.0)[0] == grpc.StatusCode.DEADLINE_EXCEEDED
        until(channel, NOT_SERVING)
        file.unlink()
        until(channel, SERVING)
        assert call(channel, SCORE, REQUEST)
    process.popen.terminate()
    assert process.popen.wait(SOON) == 0
    assert process.popen.stderr is not None
    first, second = process.popen.stderr.read().splitlines()
    assert first.startswith(f"graphscore-server: error: {STUCK}")
    assert second.startswith(f"graphscore-server: warning: {AGAIN}")


@pytest.mark.fault("31", "SIGTERM of a server that hangs in a product", "0 within 14 s")
def test_a_process_that_hangs_ends(hanging: tuple[Process, Path]) -> None:
    process, _ = hanging
    with grpc.insecure_channel(process.address) as channel, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(fails, channel, SCORE, REQUEST) for _ in range(3)]
        until(channel, SERVING)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(SOON) == 0
        assert {each.result()[0] for each in calls} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
