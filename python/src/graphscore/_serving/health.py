"""Health and reflection, on threads of their own: they answer while every other thread scores.

The stock registration functions of both libraries would use the threads of the scoring calls, and a message that does
not parse would leave a call that never ends. So requests are bytes here. The stock servicer of health sends to watchers
under the lock that each check needs: one who does not read would stop them all. So a watch has a thread here.
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

WATCHES: Final = 1024
"""Watches of health that may be open."""

_STATUS: Final = health_pb2.HealthCheckResponse


class Health:
    """grpc.health.v1 for "" and every service, and grpc.reflection.v1alpha for the named services."""

    def __init__(
        self,
        services: Sequence[str],
        arrivals: tuple[Arrivals, Arrivals, Arrivals],
        unserved: Callable[[], float],
        stuck_seconds: float,
    ) -> None:
        """Prepare. Where calls arrive: of health, watches of it, and of reflection.

        Health is NOT_SERVING while no scoring call could be served, by `unserved`, for longer than `stuck_seconds`:
        never while one is computed that somebody waits for, however long that takes.
        """
        self._names = ("", *services)
        self._asking, self._watched, self._reflecting = arrivals
        self._unserved, self._stuck_seconds = unserved, stuck_seconds
        listed = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._reflection = reflection.ReflectionServicer(listed)
        self._serving, self._draining = True, False
        self._lock = threading.Lock()
        self._changed: set[threading.Event] = set()  # of each watch

    def handlers(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        """Return the methods of both services for grpc."""
        return {
            health.SERVICE_NAME: {
                "Check": self._asking.unary(self._check),
                "Watch": self._watched.stream(self._watch),
            },
            reflection.SERVICE_NAME: {"ServerReflectionInfo": self._reflecting.conversation(self._reflect)},
        }

    def drain(self) -> None:
        """Answer NOT_SERVING from now on."""
        self._draining = True
        self._tell()

    def look(self) -> None:
        """Answer as the scoring calls demand. Due every tenth of a second."""
        unserved = self._unserved()
        serving = unserved < self._stuck_seconds
        if serving != self._serving and not self._draining:
            self._serving = serving
            self._tell()
            if serving:
                _log.warning("health is SERVING again: scoring calls are served")
            else:
                _log.error(
                    "health is NOT_SERVING: for %.0f s no scoring call could be served: all are received and no body"
                    " arrives, or what is computed is awaited by nobody and does not end",
                    unserved,
                )

    def _tell(self) -> None:
        with self._lock:
            watching = list(self._changed)
        for changed in watching:
            changed.set()

    def _status(self, service: str) -> int | None:
        """Return the status of a service, None where there is none of that name."""
        if service not in self._names:
            return None
        return _STATUS.SERVING if self._serving and not self._draining else _STATUS.NOT_SERVING

    def _check(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = _parsed(health_pb2.HealthCheckRequest, request, context)
        status = self._status(asked.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no service of this name")
        return _STATUS(status=status).SerializeToString()

    def _watch(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        asked = _parsed(health_pb2.HealthCheckRequest, request, context)
        changed = threading.Event()
        with self._lock:
            full = len(self._changed) >= WATCHES
            if not full:
                self._changed.add(changed)
        if full:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watches are open")
        said: int | None = None
        try:
            going = context.add_callback(changed.set)
            while going:
                status = self._status(asked.service)
                status = _STATUS.SERVICE_UNKNOWN if status is None else status
                if status != said:
                    said = status
                    yield _STATUS(status=status).SerializeToString()
                changed.wait()
                changed.clear()
                going = context.is_active()
        finally:
            with self._lock:
                self._changed.discard(changed)

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
