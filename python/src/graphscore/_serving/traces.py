"""Spans of calls, where OpenTelemetry is installed (the extra `otel`) and its environment variables ask for them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from graphscore._serving.logs import Metadata
from graphscore._version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_STOP_SECONDS: Final = 2.0


def enabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the variables of OpenTelemetry ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return exporter == "otlp" or (not exporter and any(environment.get(name) for name in endpoints))


class Traces:
    """Makes a span of every call, as a child of the span that the caller names. Without a provider it does nothing."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._stopping = threading.Lock()
        self._stopped = False

    @classmethod
    def from_environment(cls) -> Traces:
        """Return traces where the environment asks for them and the extra is installed; else nothing is imported."""
        if not enabled():
            return cls()
        try:
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

            exporter = _exporter()
        except ImportError:
            return cls()
        about = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME") or "graphscore-server",
            "service.version": __version__,
        }
        provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    def call(self, name: str, metadata: Metadata) -> AbstractContextManager[object]:
        """Return the span of a call, which ends with the context."""
        if self._provider is None:
            return nullcontext()
        from opentelemetry.trace import SpanKind  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        carried = {key: value for key, value in metadata if isinstance(value, str)}
        caller = TraceContextTextMapPropagator().extract(carried)
        tracer = self._provider.get_tracer("graphscore", __version__)
        return tracer.start_as_current_span(name, context=caller, kind=SpanKind.SERVER)

    def stop(self) -> None:
        """Send the spans that are not sent yet, for two seconds at most. A second call waits for the first."""
        with self._stopping:
            if self._provider is None or self._stopped:
                return
            self._stopped = True
            last = threading.Thread(target=self._provider.shutdown, daemon=True)
            last.start()
            last.join(_STOP_SECONDS)


def _exporter() -> SpanExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as OverGRPC,
        )

        return OverGRPC()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter()
