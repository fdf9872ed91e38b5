"""The gRPC server: both services, health and reflection on one address."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from threading import Event, Thread
from typing import Any, Final

import grpc

from graphscore._engines import Engine
from graphscore._serving import access, address, codec
from graphscore._serving.arrivals import Arrivals, Limits, Threads
from graphscore._serving.health import WATCHES, Health
from graphscore._serving.memory import Memory
from graphscore._serving.options import ServerOptions
from graphscore._serving.servicers import GCNServicer, ScoringServicer
from graphscore._serving.traces import Traces
from graphscore._serving.turns import Turns
from graphscore._serving.versions import versions
from graphscore._serving.wire import GraphLimit

_RECEIVING: Final = 3
"""Calls that are received and answered while others are computed. More wait, unread."""

_REFUSING: Final = 4
"""Threads for calls that have none of their own: those without a token."""

_ASKING: Final = 256
"""Calls of health and GetModel that may be open at once."""

_WATCHING: Final = 8
"""Requests to watch health that are received at once; once received, a watch is none of them."""

_REFLECTING: Final = 4
_TALK_SECONDS: Final = 30.0
"""Conversations with reflection at once, and how long they last; a further one takes the place of the oldest."""

_ARRIVING: Final = 12
"""How many of the largest message the process may take in bodies that are received and what is made of them, before
calls are ended whose body is not complete."""

_LEAST_MEMORY: Final = 64 << 20
"""Bytes that this is at least: an engine needs some itself."""

_HANDSHAKE_SECONDS: Final = 5
"""In which a connection must say that it speaks HTTP/2."""

_ALIVE_SECONDS: Final = 60
_ANSWER_SECONDS: Final = 20
"""A connection over TCP is asked whether it lives, and closed where it does not answer."""

_LAST_SECONDS: Final = 1.0
"""For calls that were ended to be gone."""

_TICK: Final = 0.1
_QUIET_TICKS: Final = 3
"""Seconds between two looks at the calls that are open when the server ends, and in how many there must be none."""

_PENDING: Final = 4096
"""Calls of a method that gRPC has received and Python has not. Each takes some 20 KB, and its metadata."""

_STREAMS: Final = 2048
"""Calls of one connection."""

_METADATA: Final = 16 << 10
"""Bytes of the metadata of a call."""


class ServeError(Exception):
    """The server cannot start; the message says why."""


class Server:
    """One engine behind one address. `start` binds, `stop` drains."""

    def __init__(
        self,
        engine: Engine,
        options: ServerOptions | None = None,
        traces: Traces | None = None,
        memory: tuple[Memory | None, str] = (None, ""),
    ) -> None:
        """Prepare a server; `traces` stay the caller's, `memory` is what `inherited` returns. Raises OptionError."""
        options = options or ServerOptions()
        options.check()
        self.address = address.parse(options.listen, remote=options.insecure or options.tls_cert is not None)
        self._credentials = access.server_credentials(options)
        self._pool = Threads(_REFUSING, thread_name_prefix="refusal")
        self._arrivals = _arrivals(options)
        self._scoring, self._gcn, self._asking, watching, reflecting = self._arrivals
        self._turns = Turns(options.threads)
        self._closed = Event()
        names = (codec.GCN_SERVICE, codec.SCORING_SERVICE)
        self._health = Health(names, (self._asking, watching, reflecting), self._unserved, options.stuck_seconds)
        self._server = grpc.server(
            self._pool,
            interceptors=access.interceptors(options),
            options=[*channel_options(options), *([] if self.address.path else connection_options(options))],
        )
        self._add_services(engine, options, traces or Traces(), memory)

    def start(self) -> None:
        """Listen and serve. Raises ServeError if the address is taken; afterwards `address` has the real port."""
        try:
            address.make_free(self.address)
            # A socket file is the server's own: no one else may connect, from the first moment on.
            mask = os.umask(0o177) if self.address.path else None
            try:
                port = self._bind()
            finally:
                if mask is not None:
                    os.umask(mask)
        except address.BindError as error:
            raise ServeError(str(error)) from None
        except RuntimeError as error:
            raise ServeError(f"cannot listen on {self.address}: {' '.join(str(error).split())}") from None
        if self.address.path is None:
            self.address = replace(self.address, port=port)
        for arrivals in self._arrivals:
            arrivals.start()
        Thread(target=self._watch, name="watch", daemon=True).start()
        self._server.start()

    def _bind(self) -> int:
        if self._credentials is None:
            return self._server.add_insecure_port(str(self.address))
        return self._server.add_secure_port(str(self.address), self._credentials)

    def stop(self, grace: float) -> None:
        """Refuse new calls, wait `grace` seconds for running ones, end the others; then return.

        A connection without a call is closed once no call is open, whatever its client does. A call that is computed
        may outlive its end; this returns a second later nevertheless.
        """
        self._health.drain()
        for arrivals in self._arrivals:
            arrivals.drain()
        self._end_calls(self._server.stop(grace), grace)
        self._closed.set()
        for arrivals in self._arrivals:
            arrivals.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self.address.path is not None:
            self.address.path.unlink(missing_ok=True)

    def _add_services(
        self, engine: Engine, options: ServerOptions, traces: Traces, memory: tuple[Memory | None, str]
    ) -> None:
        model, about = engine.model, engine.info()
        info = codec.ModelInfo(
            name=model.name,
            digest=model.digest,
            in_features=model.in_features,
            outputs=model.outputs,
            max_message_bytes=options.max_message_bytes,
            engine=about.name,
            versions={**versions(), **about.versions},
            blas=about.blas,
            level=model.level,
            inputs=model.inputs,
            optional=model.optional,
            steps=model.steps,
            no_steps=model.no_steps,
            memory=memory[0],
            no_memory=memory[1],
        )
        scoring = ScoringServicer(engine, info, self._turns)
        gcn = GCNServicer(engine, self._turns, GraphLimit.of(options.max_message_bytes))
        services = {
            codec.SCORING_SERVICE: scoring.handlers(traces, self._scoring, self._asking),
            codec.GCN_SERVICE: gcn.handlers(traces, self._gcn),
            **self._health.handlers(),
        }
        for name, methods in services.items():
            # Registered, each method has a queue of its own in gRPC: a flood of one leaves the others alone.
            self._server.add_registered_method_handlers(name, methods)

    def _watch(self) -> None:
        while not self._closed.wait(_TICK):
            with suppress(MemoryError):  # of which calls that are computed need much: the next look may have it
                for arrivals in self._arrivals:
                    arrivals.look()
                self._health.look()

    def _end_calls(self, stopped: Event, grace: float) -> None:
        """Wait until the server has stopped, or only connections without calls keep it from that.

        They are closed, but for those that take nothing: their clients hold up no end.
        """
        last, quiet = time.monotonic() + grace + _LAST_SECONDS, 0
        while not stopped.wait(_TICK) and time.monotonic() < last and quiet * _TICK < _LAST_SECONDS:
            quiet = 0 if any(arrivals.busy() for arrivals in self._arrivals) else quiet + 1
            if quiet == _QUIET_TICKS:
                self._server.stop(0)

    def _unserved(self) -> float:
        return max(self._scoring.waits(), self._gcn.waits(), self._turns.lost())


def _arrivals(options: ServerOptions) -> tuple[Arrivals, Arrivals, Arrivals, Arrivals, Arrivals]:
    """Return where calls of Score, ProcessGraph, health and GetModel, watches of health, and reflection arrive."""
    largest = options.max_message_bytes
    memory = max(_ARRIVING * largest, _LEAST_MEMORY)
    calls, body = options.concurrent_calls, options.body_seconds
    bodies = min(options.threads + _RECEIVING, calls)
    scoring = Limits(calls, bodies, body, 0.5, memory, largest)
    asking = Limits(_ASKING, _ASKING, min(body, 5.0), 0.0, memory, largest)
    watching = Limits(_WATCHING, _WATCHING, min(body, 5.0), 0.0, memory, largest)
    reflecting = Limits(_REFLECTING, _REFLECTING, min(body, _TALK_SECONDS), 0.0, memory, largest)
    watch = Arrivals("watch", watching, streams=WATCHES)
    named = {"score": scoring, "graph": scoring, "ask": asking, "reflection": reflecting}
    score, graph, ask, reflection = (Arrivals(name, limits) for name, limits in named.items())
    return score, graph, ask, watch, reflection


def channel_options(options: ServerOptions) -> list[tuple[str, Any]]:
    """Return the settings of gRPC itself."""
    return [
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        # Two servers on one port would each get some of the connections, unnoticed.
        ("grpc.so_reuseport", 0),
        # Identity only: a compressed message passes the size limit and is inflated afterwards.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        ("grpc.max_concurrent_streams", _STREAMS),
        # Calls that wait for Python to take them: by default some of 1,000 are dropped, those of a flood of calls that
        # are taken back at once or others. Such calls are cheap to pass over.
        ("grpc.server.max_pending_requests", _PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING),
        ("grpc.max_metadata_size", _METADATA),
        ("grpc.absolute_max_metadata_size", _METADATA),
        # Clients may ping every 10 s, also between calls; by default they are cut off as a flood.
        ("grpc.http2.min_ping_interval_without_data_ms", 5000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def connection_options(options: ServerOptions) -> list[tuple[str, Any]]:
    """Return the settings of gRPC for connections that others than the user of this process may open."""
    return [
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_SECONDS * 1000),
        ("grpc.max_connection_idle_ms", int(options.idle_seconds * 1000)),
        ("grpc.keepalive_time_ms", _ALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", _ANSWER_SECONDS * 1000),
    ]
