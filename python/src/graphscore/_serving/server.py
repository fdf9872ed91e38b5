"""The gRPC server: both services, health and reflection on one address."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Semaphore
from typing import Any, Final

import grpc

from graphscore._engines import Engine
from graphscore._serving import address, codec
from graphscore._serving.health import Health
from graphscore._serving.options import ServerOptions
from graphscore._serving.servicers import GCNServicer, ScoringServicer
from graphscore._serving.traces import Traces
from graphscore._serving.versions import versions

_RECEIVING: Final = 3
"""Calls that are received and answered while others are computed. More wait, unread."""


class ServeError(Exception):
    """The server cannot start; the message says why."""


class Server:
    """One engine behind one address. `start` binds, `stop` drains."""

    def __init__(self, engine: Engine, options: ServerOptions | None = None, traces: Traces | None = None) -> None:
        """Prepare a server; `traces` stay the caller's. Raises OptionError."""
        options = options or ServerOptions()
        options.check()
        self.address = address.parse(options.listen, allow_remote=options.allow_remote)
        self._pool = ThreadPoolExecutor(options.threads + _RECEIVING, thread_name_prefix="call")
        self._health = Health((codec.GCN_SERVICE, codec.SCORING_SERVICE))
        self._server = grpc.server(
            self._pool, options=channel_options(options), maximum_concurrent_rpcs=options.concurrent_calls
        )
        self._add_services(engine, options, traces or Traces())

    def start(self) -> None:
        """Listen and serve. Raises ServeError if the address is taken; afterwards `address` has the real port."""
        try:
            address.make_free(self.address)
            # A socket file is the server's own: no one else may connect, from the first moment on.
            mask = os.umask(0o177) if self.address.path else None
            try:
                port = self._server.add_insecure_port(str(self.address))
            finally:
                if mask is not None:
                    os.umask(mask)
        except address.BindError as error:
            raise ServeError(str(error)) from None
        except RuntimeError as error:
            raise ServeError(f"cannot listen on {self.address}: {' '.join(str(error).split())}") from None
        if self.address.path is None:
            self.address = replace(self.address, port=port)
        self._server.start()

    def stop(self, grace: float) -> None:
        """Refuse new calls, wait `grace` seconds for running ones, end the others; then return."""
        self._health.drain()
        self._server.stop(grace).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._health.close()
        if self.address.path is not None:
            self.address.path.unlink(missing_ok=True)

    def _add_services(self, engine: Engine, options: ServerOptions, traces: Traces) -> None:
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
        )
        turns = Semaphore(options.threads)
        scoring, gcn = ScoringServicer(engine, info, turns), GCNServicer(engine, turns)
        services = (scoring.handler(traces), gcn.handler(traces))
        self._server.add_generic_rpc_handlers((*services, *self._health.handlers()))


def channel_options(options: ServerOptions) -> list[tuple[str, Any]]:
    """Return the settings of gRPC itself."""
    return [
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        # Two servers on one port would each get some of the connections, unnoticed.
        ("grpc.so_reuseport", 0),
        # Identity only: a compressed message passes the size limit and is inflated afterwards.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        # Clients may ping every 10 s, also between calls; by default they are cut off as a flood.
        ("grpc.http2.min_ping_interval_without_data_ms", 5000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
