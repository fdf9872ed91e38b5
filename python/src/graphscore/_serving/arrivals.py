"""Which calls are received now: admission before a body is read, and the end of calls that their clients hold up.

Context: gRPC for Python starts a thread for a call when its headers are there, and the thread waits for the body. A
pool of a few threads is full after a few calls whose body never comes. Decision: each open call has a thread, but a
body is read only when it is the call's turn; what is received too slowly no longer counts as one of those, and ends
where its memory or its place is needed, or after an hour: a link may be slow, and nobody waits for it. Price: a thread
of about 40 KB for each call that waits. Measured against grpc.aio, which needs no threads: 1.5 times the CPU time of
an empty call (1.1 ms against 0.7 ms on a busy machine), about 1.1 times that of a call of 1 MiB, and 0.93 to 1.04 times
that of a call of 1,750 molecules in shared memory. Calls are registered as streams of requests, of which the first is
read: on the wire that is the same, and gRPC hands the call over before its body.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import grpc

from graphscore import _malloc

_SPARE: Final = 4
"""Threads that refuse calls. Few: all threads that can run take turns with those that answer others."""

_UNTAKEN: Final = 256
"""Calls that wait for a thread, most of them to be refused; beyond it the one that gRPC has for all calls refuses them.
A flood that waits would keep the threads busy, and health waits for the interpreter behind them."""

_T = TypeVar("_T")

Method: TypeAlias = Callable[[bytes, grpc.ServicerContext], bytes]
Stream: TypeAlias = Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]
Conversation: TypeAlias = Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]


@dataclass(frozen=True)
class Limits:
    """What calls may take."""

    calls: int
    """Open at once; a further one takes the place of the oldest whose body or client is slow, or is refused."""
    bodies: int
    """Received or computed at once; more wait, unread."""
    body_seconds: float
    """In which a body must arrive, and an answer be taken."""
    slow_seconds: float
    """After which a body that is not complete takes the turn of no other call, and its place may be taken, as may that
    of an answer that is not taken."""
    memory_bytes: int
    """That the process may take while bodies are received and answers sent, beyond what it took at its start."""
    message_bytes: int
    """Of the largest body. Where all that arrive cannot have taken `memory_bytes`, none is ended for it."""


class _Call:
    """One call from its headers to its end."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self.context = context
        self.turn = threading.Event()
        self.began = 0.0  # to be received, and then to be answered
        self.answer: int | None = None  # bytes, once it is computed

    def fault(self) -> str:
        """Return what the client of the call leaves undone."""
        return "the answer was not taken" if self.answer is not None else "the body did not arrive"

    def end(self, code: grpc.StatusCode, message: str) -> None:
        """End the call though its thread waits for its body, or its answer to be taken."""
        if not _end(getattr(self.context, "_rpc_event", None), code, message):
            self.context.cancel()  # a version of gRPC without it: the client sees CANCELLED


def _end(event: object, code: grpc.StatusCode, message: str) -> bool:
    """End the call of an event of gRPC, the only one that can send a status from any thread. Return whether it did."""
    try:
        event.call.cancel(code.value[0], message)  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        return False
    return True


class Threads(ThreadPoolExecutor):
    """As many threads as there may be; where the system has no further one, some calls wait for one of them."""

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        if self._work_queue.qsize() >= _UNTAKEN:
            for argument in args:  # one is gRPC's event of the call
                if _end(argument, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls are open"):
                    return Future()  # no one waits for its end
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError as error:
            if "new thread" not in str(error) or not self._threads:
                raise
            return Future()  # the call is queued, and no one waits for its end here


class Arrivals:
    """The calls of some methods that are open, and their threads. Safe for use from several threads."""

    def __init__(
        self, name: str, limits: Limits, in_use: Callable[[], int | None] = _malloc.in_use, *, streams: int = 0
    ) -> None:
        """Prepare; `in_use` returns the bytes that the process has allocated, None where that is unknown.

        `streams` is how many methods that send a stream may go on at once: each has a thread.
        """
        self._pool = Threads(limits.calls + streams + _SPARE, thread_name_prefix=name)
        self._limits, self._in_use = limits, in_use
        self._before = in_use() or 0
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._fresh: dict[_Call, None] = {}
        self._slow: dict[_Call, None] = {}
        self._complete = 0
        self._answered: dict[_Call, None] = {}
        self._unsent = 0
        self._turns = limits.bodies
        self._moved = 0.0
        self._draining = False

    def start(self) -> None:
        """Start a thread, while there is memory for it: calls that find no further one wait for it."""
        self._pool.submit(lambda: None)

    def unary(self, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a method of one request and one response for gRPC."""

        def call(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            arriving = self._enter(context)
            try:
                request = self._read(arriving, requests, context)
            except BaseException:
                self._leave(arriving, complete=False)
                raise
            try:
                answer = method(request, context)
                self._answer(arriving, len(answer))
            finally:
                self._leave(arriving, complete=True)
            return answer

        return grpc.stream_unary_rpc_method_handler(self._on_own_threads(call))

    def stream(self, method: Stream) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a method of one request and a stream of responses for gRPC: no arrival once its request is there."""

        def call(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            arriving, complete = self._enter(context), False
            try:
                request = self._read(arriving, requests, context)
                complete = True
            finally:
                self._leave(arriving, complete=complete)
            yield from method(request, context)

        return grpc.stream_stream_rpc_method_handler(self._on_own_threads(call))

    def conversation(self, method: Conversation) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a method of two streams for gRPC. All of it has the time of one body."""

        def call(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            arriving = self._enter(context)
            try:
                yield from method(requests, context)
            finally:
                self._leave(arriving, complete=False)

        return grpc.stream_stream_rpc_method_handler(self._on_own_threads(call))

    def _on_own_threads(self, behavior: Callable[..., Any]) -> Callable[..., Any]:
        behavior.__dict__["experimental_thread_pool"] = self._pool
        return behavior

    def waits(self) -> float:
        """Return for how many seconds calls have waited while none was computed; 0 where none waits."""
        with self._lock:
            return time.monotonic() - self._moved if self._queued() else 0.0

    def look(self) -> None:
        """End the calls whose body does not arrive, and let others begin. Due every tenth of a second."""
        if self._waiting or self._fresh or self._slow or self._answered:
            for call, code, message in self._look(time.monotonic()):
                call.end(code, message)

    def busy(self) -> bool:
        """Return whether a call is open."""
        with self._lock:
            return self._count() > 0

    def drain(self) -> None:
        """From now on end a call as soon as its body is slow."""
        self._draining = True

    def close(self) -> None:
        """End the threads, but for those of calls that are not over."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _enter(self, context: grpc.ServicerContext) -> _Call:
        """Wait for the turn of a call. Ends it where there are too many."""
        call, oldest = _Call(context), None
        with self._lock:
            if self._count() >= self._limits.calls:
                oldest = next(iter(self._slow or self._answered or self._fresh), None)
                if oldest is None or oldest.began > time.monotonic() - self._limits.slow_seconds:
                    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls are open")
                self._forget(oldest)
            self._waiting.append(call)
            self._admit()
        if oldest is not None:
            oldest.end(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{oldest.fault()}, and its place was needed")
        # Where the client cancels the call, reading ends at once.
        if not call.turn.is_set() and context.add_callback(call.turn.set):
            call.turn.wait()
        return call

    def _read(self, call: _Call, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        request = next(requests, None)
        if request is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call requires exactly one request message")
        with self._lock:
            self._forget(call)
            self._complete += 1
        return request

    def _answer(self, call: _Call, size: int) -> None:
        """Count an answer until its client has it."""
        with self._lock:
            call.began, call.answer = time.monotonic(), size
            self._answered[call] = None
            self._unsent += size

        def taken() -> None:
            with self._lock:
                self._forget(call)

        if not call.context.add_callback(taken):
            taken()

    def _leave(self, call: _Call, *, complete: bool) -> None:
        with self._lock:
            if complete:
                self._complete -= 1
                self._moved = time.monotonic()
            else:
                self._forget(call)
            self._admit()

    def _queued(self) -> bool:
        return bool(self._waiting) and not self._complete

    def _count(self) -> int:
        return len(self._waiting) + len(self._fresh) + len(self._slow) + len(self._answered) + self._complete

    def _forget(self, call: _Call) -> None:
        if call in self._fresh:
            del self._fresh[call]
        elif call in self._slow:
            del self._slow[call]
        elif call in self._answered:
            del self._answered[call]
            self._unsent -= call.answer or 0
        elif not call.began:
            self._waiting.remove(call)

    def _admit(self) -> None:
        """Let those begin whose turn it is. The lock is held."""
        while self._waiting and len(self._fresh) + self._complete < self._turns:
            call = self._waiting.popleft()
            call.began = time.monotonic()
            self._fresh[call] = None
            call.turn.set()
        if not self._queued():
            self._moved = time.monotonic()

    def _look(self, now: float) -> list[tuple[_Call, grpc.StatusCode, str]]:
        """Return the calls that are to be ended, and how."""
        full = self._memory_is_full()
        with self._lock:
            while self._fresh and (call := next(iter(self._fresh))).began < now - self._limits.slow_seconds:
                del self._fresh[call]
                self._slow[call] = None
            ended = []
            if self._draining:
                ended = [(call, grpc.StatusCode.UNAVAILABLE, "the server is ending") for call in self._slow]
                self._slow.clear()
            for calls in (self._slow, self._answered):
                while calls and (call := next(iter(calls))).began < now - self._limits.body_seconds:
                    self._forget(call)
                    message = f"{call.fault()} within {self._limits.body_seconds:g} s"
                    ended.append((call, grpc.StatusCode.UNAVAILABLE, message))
            if full:
                ended += [
                    (call, grpc.StatusCode.RESOURCE_EXHAUSTED, f"{call.fault()}, and its memory was needed")
                    for call in self._largest_share(now - self._limits.slow_seconds)
                ]
            # Nothing is computed, and nothing else is read: bodies that do not arrive have all turns.
            idle = self._waiting and not self._complete and not full
            grown = min(2 * max(self._turns, len(self._fresh)), self._limits.calls)
            self._turns = grown if idle else self._limits.bodies
            self._admit()
            return ended

    def _largest_share(self, before: float) -> list[_Call]:
        """Take out the older half of what takes the most memory: answers from before a time, or what is received.

        The lock is held.
        """
        chosen = [call for call in self._answered if call.began < before]
        if not chosen or 2 * self._unsent < self._limits.memory_bytes:
            arriving = [*self._slow, *self._fresh]
            chosen = arriving if len(arriving) > 1 else []
        chosen = chosen[: (len(chosen) + 1) // 2]
        for call in chosen:
            self._forget(call)
        return chosen

    def _memory_is_full(self) -> bool:
        arriving = len(self._fresh) + len(self._slow)
        if arriving * self._limits.message_bytes + self._unsent <= self._limits.memory_bytes:
            return False
        used = self._in_use()
        if used is None:  # then bodies that are slow are as many as those that are not
            return len(self._slow) > self._limits.bodies or self._unsent > self._limits.memory_bytes
        return used > self._before + self._limits.memory_bytes
