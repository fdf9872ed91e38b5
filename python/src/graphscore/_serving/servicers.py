"""The rpc methods: bytes -> codec -> engine -> codec -> bytes."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Semaphore
from typing import Final, TypeAlias, cast

import grpc

from graphscore._batch import BatchError
from graphscore._engines import Engine, ModelFacts
from graphscore._serving import codec
from graphscore._serving.logs import labelled
from graphscore._serving.traces import Called, Traces

_log = logging.getLogger(__name__)

_RESPONSE_SLACK: Final = 1024
"""Bytes of a ScoreResponse apart from scores and errors, at most."""

_REASON: Final = "graphscore-reason"
"""Trailing metadata that says why a call failed, where its status alone would not."""

_SAID_LENGTH: Final = 200
_UNSAID: Final = re.compile(r"(?<![\w/])[/~]\w|\\|\w://|\b[A-Za-z]:/|0x[0-9A-Fa-f]|[^ -~]")
"""What a message may not have that leaves the machine: paths, addresses, more than a line."""

Method: TypeAlias = Callable[[bytes, grpc.ServicerContext], bytes]


class CallError(Exception):
    """Ends a call with a status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ScoringServicer:
    """graphscore.v1.ScoringService."""

    engine: Engine
    info: codec.ModelInfo
    turns: Semaphore

    def score(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        """Score a batch."""
        batch, embed = codec.decode_score_request(request)
        self._check_response(batch.rows(self.info.level), embed)
        start = time.perf_counter_ns()
        scores = self.engine.score(batch, embed) if embed else self.engine.score(batch)
        nanos = time.perf_counter_ns() - start
        return codec.encode_score_response(scores, self.info.digest, nanos)

    def get_model(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        """Describe the model and the server."""
        codec.decode_get_model_request(request)
        return codec.encode_get_model_response(self.info)

    def _check_response(self, rows: int, embed: str) -> None:
        """Raise BatchError where the response would be larger than a message may be."""
        outputs = len(self.info.outputs)
        width = next((step.width for step in self.info.steps if step.name == embed), 0) if embed else 0
        size = rows * (outputs + width) * 4 + _RESPONSE_SLACK
        if size > self.info.max_message_bytes:
            unit = f"{self.info.level}s"
            values = f"{outputs} outputs" + (f" and {width} values of step {embed}" if width else "")
            raise BatchError(
                f"{unit}: the scores of {rows} {unit} with {values} are a message of {size}"
                f" bytes, but the largest has {self.info.max_message_bytes}; send fewer {unit}"
            )

    def handler(self, traces: Traces) -> grpc.GenericRpcHandler:
        """Return the service for grpc."""
        methods = {"Score": _in_turn(self.turns, self.score), "GetModel": self.get_model}
        return _service(codec.SCORING_SERVICE, methods, traces)


@dataclass(frozen=True)
class GCNServicer:
    """GCNService of gcn.proto."""

    engine: Engine
    turns: Semaphore

    def process_graph(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        """Score one graph."""
        model = self.engine.model
        lacks = _lacks(model)
        if lacks:
            raise CallError(grpc.StatusCode.FAILED_PRECONDITION, f"model {model.name!r} {lacks}; use Score")
        ids, batch = codec.decode_graph(request, model.in_features)
        return codec.encode_gcn_result(ids, self.engine.score(batch).values)

    def handler(self, traces: Traces) -> grpc.GenericRpcHandler:
        """Return the service for grpc."""
        methods = {"ProcessGraph": _in_turn(self.turns, self.process_graph)}
        return _service(codec.GCN_SERVICE, methods, traces)


def _lacks(model: ModelFacts) -> str:
    """Return what of a model GraphData and GCNResult have no place for, '' where they have one for all of it."""
    if len(model.outputs) != 1:
        return f"has {len(model.outputs)} outputs, ProcessGraph returns one"
    if model.level != "node":
        return f"scores {model.level}s, ProcessGraph returns scores of nodes"
    reads = [name for name in model.inputs if name != "x" and name not in model.optional]
    return f"reads {reads[0]}, ProcessGraph takes features of nodes alone" if reads else ""


def _service(name: str, methods: dict[str, Method], traces: Traces) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        name,
        {
            method: grpc.unary_unary_rpc_method_handler(_observed(f"{name}/{method}", _guard(name, function), traces))
            for method, function in methods.items()
        },
    )


def _observed(name: str, method: Method, traces: Traces) -> Method:
    """Label the log lines of a call with its run, shard and trace, and make its span."""

    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = context.invocation_metadata()
        with labelled(metadata), traces.call(name, metadata, cast("Called", context)):
            return method(request, context)

    return call


def _in_turn(turns: Semaphore, method: Method) -> Method:
    """Limit the calls of a method that run at the same time to the number of turns."""

    def waiting(request: bytes, context: grpc.ServicerContext) -> bytes:
        with turns:
            return method(request, context)

    return waiting


def _guard(service: str, method: Method) -> Method:
    """Turn every exception of a method into a status; none ends the server."""

    def guarded(request: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: RET503 abort raises
        try:
            return method(request, context)
        except CallError as error:
            code, message = error.code, str(error)
        except BatchError as error:
            code, message = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except MemoryError:
            # The trailer tells it from a server that has too many calls: this request will not fit later either.
            context.set_trailing_metadata(((_REASON, "memory"),))
            code, message = grpc.StatusCode.RESOURCE_EXHAUSTED, "not enough memory for this request"
        except BaseException as error:  # noqa: BLE001 whatever it is, SystemExit too, the call needs an answer
            _log.exception("%s: a call failed", service)
            code, message = grpc.StatusCode.INTERNAL, f"the server failed: {_said(error)}"
        context.abort(code, message[:2000])

    return guarded


def _said(error: BaseException) -> str:
    """Return the class of an exception, and its message where that is short and names nothing of this machine."""
    name = type(error).__name__
    try:
        message = str(error).strip()
    except Exception:  # noqa: BLE001 it is other people's code
        message = ""
    if not message or len(message) > _SAID_LENGTH or _UNSAID.search(message):
        return f"{name}; see its log"
    return f"{name}: {message}"
