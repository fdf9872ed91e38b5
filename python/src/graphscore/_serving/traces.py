"""Spans of calls, where OpenTelemetry is installed (the extra `otel`) and its environment variables ask for them.

A call whose caller sampled it has a span. Of the others those that were slow or failed do where the caller leaves that
to us, or names no trace, and of the latter a share: see `Choice`. Names and attributes are those of OpenTelemetry's
conventions for RPC up to version 1.37, and the later names of status and system beside them.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import grpc

from graphscore._serving.logs import Metadata
from graphscore._version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 2.0

_STATE: Final = ("graphscore", "late")
"""The tracestate of calls whose span is kept only if they turn out slow or failed."""

_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The statuses that the conventions call an error of the server; others are the caller's."""

_NANOS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def enabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the variables of OpenTelemetry ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return exporter == "otlp" or (not exporter and any(environment.get(name) for name in endpoints))


class Called(Protocol):
    """What is asked of a grpc.ServicerContext."""

    def code(self) -> grpc.StatusCode | int | None:
        """Return the status of the call, None before it has one."""

    def details(self) -> str | bytes | None:
        """Return the message of the status."""


@dataclass(frozen=True)
class Choice:
    """Which calls have spans though nobody else sampled them."""

    share: float = 0.01
    """Of calls that name no trace, from 0 to 1; the first is one of them unless it is 0."""
    slow: int = 10**9
    """Nanoseconds from which a call is slow."""
    _calls: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Choice:
        """Read GRAPHSCORE_TRACE_CALLS and GRAPHSCORE_TRACE_SLOW; ValueError says which of them cannot be read."""
        choice = cls()
        share, slow = environment.get("GRAPHSCORE_TRACE_CALLS", ""), environment.get("GRAPHSCORE_TRACE_SLOW", "")
        return cls(_share(share) if share else choice.share, _nanos(slow) if slow else choice.slow)

    def sampled(self) -> bool:
        """Draw the share evenly, beginning with the first call."""
        n = next(self._calls)  # one step of the interpreter, whatever the threads
        return self.share > 0 and (n == 1 or math.floor(n * self.share) > math.floor((n - 1) * self.share))


def _share(text: str) -> float:
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError(f"GRAPHSCORE_TRACE_CALLS is {text!r}: it must be a share from 0 to 1, as 0.01 or 1%")
    return share


def _nanos(text: str) -> int:
    """Read a time span as the Go program writes it: 500ms, 1m30s."""
    terms = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", text)
    if text != "0" and "".join(number + unit for number, unit in terms) != text:
        raise ValueError(f"GRAPHSCORE_TRACE_SLOW is {text!r}: it must be a time span, as 500ms or 2s")
    return round(sum(float(number) * _NANOS[unit] for number, unit in terms))


@dataclass(frozen=True)
class _Ended:
    """A call that has ended, and who makes its span. Times are nanoseconds since 1970."""

    provider: TracerProvider
    began: int
    at: int
    code: grpc.StatusCode
    message: str


class Traces:
    """Makes spans of calls, as children of the spans that callers name. Without a provider it does nothing."""

    def __init__(self, provider: TracerProvider | None = None, choice: Choice | None = None) -> None:
        self._provider = provider
        self._choice = choice or Choice()
        self._stopping = threading.Lock()
        self._stopped = False

    @classmethod
    def from_environment(cls) -> Traces:
        """Return traces where the environment asks for them and the extra is installed; else nothing is imported."""
        if not enabled():
            return cls()
        try:
            choice = Choice.from_environment()
        except ValueError as error:
            _log.warning("no traces are sent: %s", error)
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
        return cls(provider, choice)

    @contextmanager
    def call(self, name: str, metadata: Metadata, called: Called) -> Iterator[None]:
        """Make the span of a call, which ends with the context, if it is to have one.

        The name is SERVICE/METHOD; the status of an exception is that of called.
        """
        if self._provider is None:
            yield
            return
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        carried = {key: value for key, value in metadata if isinstance(value, str)}
        caller = TraceContextTextMapPropagator().extract(carried)
        began, code, message = time.time_ns(), grpc.StatusCode.OK, ""
        try:
            yield
        except BaseException as error:
            code, message = _status(called, error)
            raise
        finally:
            ended = _Ended(self._provider, began, time.time_ns(), code, message)
            if (kept := self._kept(caller, ended)) is not None:
                self._record(name, *kept, ended)

    def _kept(self, caller: Context, ended: _Ended) -> tuple[str, Context] | None:
        """Return why a call has a span, and its parent; None for a call that has none."""
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span  # noqa: PLC0415
        from opentelemetry.trace import set_span_in_context as within  # noqa: PLC0415

        parent = get_current_span(caller).get_span_context()
        slow = ended.at - ended.began >= self._choice.slow
        why = "failed" if ended.code is not grpc.StatusCode.OK else "slow" if slow else ""
        if not parent.is_valid:
            why = ("sampled" if self._choice.sampled() else "") or why
            return (why, caller) if why else None
        if parent.trace_flags.sampled:
            return why or "sampled", caller
        if not why or parent.trace_state.get(_STATE[0]) != _STATE[1]:
            return None
        sampled = SpanContext(
            parent.trace_id,
            parent.span_id,
            True,
            TraceFlags(parent.trace_flags | TraceFlags.SAMPLED),
            parent.trace_state,
        )
        return why, within(NonRecordingSpan(sampled))

    def _record(self, name: str, why: str, parent: Context, ended: _Ended) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

        code = ended.code
        service, _, method = name.rpartition("/")
        attributes: dict[str, str | int] = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.grpc.status_code": code.value[0],
            "rpc.system.name": "grpc",
            "rpc.response.status_code": code.name,
            "graphscore.kept": why,
        }
        if code is not grpc.StatusCode.OK:
            attributes["error.type"] = code.name
        tracer = ended.provider.get_tracer("graphscore", __version__)
        span = tracer.start_span(name, parent, SpanKind.SERVER, attributes, start_time=ended.began)
        if code in _FAULTS:
            span.set_status(Status(StatusCode.ERROR, ended.message))
        span.end(ended.at)

    def stop(self) -> None:
        """Send the spans that are not sent yet, for two seconds at most. A second call waits for the first."""
        with self._stopping:
            if self._provider is None or self._stopped:
                return
            self._stopped = True
            last = threading.Thread(target=self._provider.shutdown, daemon=True)
            last.start()
            last.join(_STOP_SECONDS)


def _status(called: Called, error: BaseException) -> tuple[grpc.StatusCode, str]:
    """Return how a call ended that raised: what it was aborted with, else that it broke."""
    code, details = called.code(), called.details()
    text = details.decode(errors="replace") if isinstance(details, bytes) else details or ""
    if isinstance(code, grpc.StatusCode):
        return code, text
    return grpc.StatusCode.UNKNOWN, type(error).__name__


def _exporter() -> SpanExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as OverGRPC,
        )

        return OverGRPC()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter()
