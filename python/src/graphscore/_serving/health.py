"""Health and reflection, on threads of their own: they answer while every other thread scores.

The stock registration functions of both libraries would use the threads of the scoring calls (and the one of
health keeps its settings on the class, for all servers of a process), and a message that does not parse would leave
a call that never ends. So requests are bytes here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from graphscore._batch import BatchError
from graphscore._serving import codec
from graphscore._serving.arrivals import Arrivals

_log = logging.getLogger(__name__)

_WATCHING: Final = 1024
"""Watches of health that may be open."""


class Health:
    """grpc.health.v1 for "" and every service, and grpc.reflection.v1alpha for the named services."""

    def __init__(
        self,
        services: Sequence[str],
        asking: Arrivals,
        reflecting: Arrivals,
        unserved: Callable[[], float],
        stuck_seconds: float,
    ) -> None:
        """Prepare. Calls of health arrive with `asking`, of reflection with `reflecting`.

        Health is NOT_SERVING while no scoring call could be served, by `unserved`, for longer than `stuck_seconds`:
        never while one is computed that somebody waits for, however long that takes.
        """
        self._names = ("", *services)
        self._asking, self._unserved, self._stuck_seconds = asking, unserved, stuck_seconds
        self._health = health.HealthServicer()
        self._set(serving=True)
        listed = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._reflection = reflection.ReflectionServicer(listed)
        self._reflecting = reflecting
        self._serving, self._draining = True, False
        self._lock, self._watching = threading.Lock(), 0

    def handlers(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        """Return the methods of both services for grpc."""
        return {
            health.SERVICE_NAME: {
                "Check": self._asking.unary(self._check),
                "Watch": self._asking.stream(self._watch),
            },
            reflection.SERVICE_NAME: {"ServerReflectionInfo": self._reflecting.conversation(self._reflect)},
        }

    def drain(self) -> None:
        """Answer NOT_SERVING from now on."""
        self._draining = True
        self._health.enter_graceful_shutdown()

    def look(self) -> None:
        """Answer as the scoring calls demand. Due every tenth of a second."""
        unserved = self._unserved()
        serving = unserved < self._stuck_seconds
        if serving != self._serving and not self._draining:
            self._serving = serving
            self._set(serving=serving)
            if serving:
                _log.warning("health is SERVING again: scoring calls are served")
            else:
                _log.error(
                    "health is NOT_SERVING: for %.0f s no scoring call could be served: all are received and no body"
                    " arrives, or what is computed is awaited by nobody and does not end",
                    unserved,
                )

    def _set(self, *, serving: bool) -> None:
        response = health_pb2.HealthCheckResponse
        for name in self._names:
            self._health.set(name, response.SERVING if serving else response.NOT_SERVING)

    def _check(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = _parsed(health_pb2.HealthCheckRequest, request, context)
        answer: health_pb2.HealthCheckResponse = self._health.Check(asked, context)
        return answer.SerializeToString()

    def _watch(self, request: bytes, context: grpc.ServicerContext, send: Callable[[bytes | None], None]) -> None:
        asked = _parsed(health_pb2.HealthCheckRequest, request, context)

        with self._lock:
            if self._watching >= _WATCHING:
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watches are open")
            self._watching += 1
        if not context.add_callback(self._unwatched):
            self._unwatched()

        def answer(response: health_pb2.HealthCheckResponse | None) -> None:
            send(None if response is None else response.SerializeToString())

        self._health.Watch(asked, context, answer)  # occupies no thread while it waits for a change

    def _unwatched(self) -> None:
        with self._lock:
            self._watching -= 1

    def _reflect(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        asked = (_parsed(reflection_pb2.ServerReflectionRequest, request, context) for request in requests)
        for answer in self._reflection.ServerReflectionInfo(asked, context):
            yield answer.SerializeToString()


def _parsed(kind: Any, data: bytes, context: grpc.ServicerContext) -> Any:
    """Return a message of a generated class, or end the call."""
    try:
        return codec.parse_asked(kind, data)
    except BatchError as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
