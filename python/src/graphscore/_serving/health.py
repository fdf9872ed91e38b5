"""Health and reflection, on threads of their own: they answer while every other thread scores.

The stock registration functions of both libraries would use the threads of the scoring calls (and the one of
health keeps its settings on the class, for all servers of a process).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

_SERVING = health_pb2.HealthCheckResponse.SERVING


class Health:
    """grpc.health.v1 ("" and every service: SERVING) and grpc.reflection.v1alpha for the named services."""

    def __init__(self, services: Sequence[str]) -> None:
        self._health = health.HealthServicer()
        for name in ("", *services):
            self._health.set(name, _SERVING)
        listed = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._reflection = reflection.ReflectionServicer(listed)
        # One each: a client that keeps reflection open must not hide the server's health.
        self._pools = [ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("health", "reflection")]

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return both services for grpc."""
        health_pool, reflection_pool = self._pools
        return (
            grpc.method_handlers_generic_handler(
                health.SERVICE_NAME,
                {
                    "Check": grpc.unary_unary_rpc_method_handler(
                        _on(health_pool, self._health.Check),
                        request_deserializer=health_pb2.HealthCheckRequest.FromString,
                        response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
                    ),
                    # Occupies no thread while it waits for a change.
                    "Watch": grpc.unary_stream_rpc_method_handler(
                        _on(health_pool, self._health.Watch, experimental_non_blocking=True),
                        request_deserializer=health_pb2.HealthCheckRequest.FromString,
                        response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
                    ),
                },
            ),
            grpc.method_handlers_generic_handler(
                reflection.SERVICE_NAME,
                {
                    "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                        _on(reflection_pool, self._reflection.ServerReflectionInfo),
                        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
                        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
                    )
                },
            ),
        )

    def drain(self) -> None:
        """Answer NOT_SERVING from now on."""
        self._health.enter_graceful_shutdown()

    def close(self) -> None:
        """End the threads."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)


def _on(pool: ThreadPoolExecutor, behavior: Callable[..., Any], **attributes: object) -> Callable[..., Any]:
    """Return a behavior that grpc runs on `pool`."""

    def call(*arguments: object) -> object:
        return behavior(*arguments)

    call.__dict__.update(attributes, experimental_thread_pool=pool)
    return call
