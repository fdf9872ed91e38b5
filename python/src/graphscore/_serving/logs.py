"""Log lines: text on a terminal, JSON elsewhere. Lines of a call name its run, shard and trace."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, TypeAlias

from graphscore._terminal import harmless

FORMATS: Final = ("auto", "text", "json")

_LEVELS: Final = {logging.WARNING: "WARN", logging.CRITICAL: "ERROR"}  # as in the lines of the Go program
_LABEL_LENGTH: Final = 1000

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]
"""The metadata of a call."""

_labels: ContextVar[dict[str, str]] = ContextVar("labels")


@contextmanager
def labelled(metadata: Metadata) -> Iterator[None]:
    """Add the run, the shard and the trace that a call names to every line that is logged inside the context."""
    token = _labels.set(labels(metadata))
    try:
        yield
    finally:
        _labels.reset(token)


def labels(metadata: Metadata) -> dict[str, str]:
    """Return `run`, `shard` and `trace`, those that a call names."""
    found: dict[str, str] = {}
    for key, value in metadata:
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        if key == "graphscore-run":
            found["run"] = text[:_LABEL_LENGTH]
        elif key == "graphscore-shard-bin":
            found["shard"] = text[:_LABEL_LENGTH]
        elif key == "traceparent" and (match := re.fullmatch(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-.*", text)):
            found["trace"] = match[1]
    return found


class TextFormatter(logging.Formatter):
    """One line a record, its traceback included: PROGRAM: LEVEL: MESSAGE (run R, shard S, trace T)."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        labels_of_call = ", ".join(f"{key} {value}" for key, value in _labels.get({}).items())
        said = _one_line(f"{self._program}: {level}{_message(self, record)}")
        return harmless(f"{said} ({_one_line(labels_of_call)})" if labels_of_call else said)


class JSONFormatter(logging.Formatter):
    """One object a record: time, level, msg, and run, shard and trace where they are known."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": _LEVELS.get(record.levelno, record.levelname),
            "msg": _one_line(_message(self, record)),
        }
        return harmless(json.dumps(fields | _labels.get({}), ensure_ascii=False))


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    return f"{text}: {formatter.formatException(record.exc_info)}" if record.exc_info else text


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())


class _OnceFromTraces(logging.Filter):
    """Passes one line of OpenTelemetry: a collector that is down is reported once."""

    def __init__(self) -> None:
        super().__init__()
        self._reported = False

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("opentelemetry"):
            return True
        reported, self._reported = self._reported, True
        return not reported


def start(program: str, log_format: str = "auto") -> None:
    """Log to stderr from now on."""
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter(program) if log_format == "text" else JSONFormatter())
    handler.addFilter(_OnceFromTraces())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
