"""The rpc methods: bytes -> codec -> engine -> codec -> bytes."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field
from threading import Semaphore
from typing import Any, Final, TypeAlias, cast

import grpc

from graphscore._batch import BatchError, GraphBatch
from graphscore._engines import Engine, ModelFacts
from graphscore._serving import codec
from graphscore._serving.arrivals import Arrivals, Method
from graphscore._serving.logs import labelled
from graphscore._serving.memory import Slot, SlotError, SlotMemoryError, UnmappedError
from graphscore._serving.traces import Called, Traces
from graphscore._serving.turns import GoneError, Turns
from graphscore._serving.wire import SMALL, GraphLimit

_log = logging.getLogger(__name__)

_RESPONSE_SLACK: Final = 1024
"""Bytes of a ScoreResponse apart from scores and errors, at most."""

_REASON: Final = "graphscore-reason"
"""Trailing metadata that says why a call failed, where its status alone would not."""

_SLOT: Final = "graphscore-slot"
"""Trailing metadata of a failed call that touches its slot no more: the number of the use."""

_SAID_LENGTH: Final = 200
_UNSAID: Final = re.compile(r"(?<![\w/])[/~]\w|\\|\w://|\b[A-Za-z]:/|0x[0-9A-Fa-f]|[^ -~]")
"""What a message may not have that leaves the machine: paths, addresses, more than a line."""

Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"
"""The methods of a service for gRPC, by name."""


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
    turns: Turns

    def score(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Score a batch."""
        try:
            batch, embed, slot = codec.decode_score_request(request, self.info.memory)
        except SlotMemoryError as error:
            _trail(context, _SLOT, str(error.number))
            raise
        if slot is None:
            return self._answer(batch, embed, None)
        try:
            return self._answer(batch, embed, slot)
        except SlotError:
            raise
        except BaseException:
            _trail(context, _SLOT, str(slot.number))  # the call is over, and the slot may be used again
            raise

    def _answer(self, batch: GraphBatch, embed: str, slot: Slot | None) -> bytes:
        self._check_response(batch.rows(self.info.level), embed)
        start = time.perf_counter_ns()
        scores = self.engine.score(batch, embed) if embed else self.engine.score(batch)
        nanos = time.perf_counter_ns() - start
        return codec.encode_score_response(scores, self.info.digest, nanos, slot)

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

    def handlers(self, traces: Traces, scoring: Arrivals, asking: Arrivals) -> Handlers:
        """Return the service for grpc. Calls of Score arrive with `scoring`, of GetModel with `asking`."""
        name = codec.SCORING_SERVICE
        return {
            "Score": scoring.unary(_observed(name, "Score", _in_turn(self.turns, self.score), traces)),
            "GetModel": asking.unary(_observed(name, "GetModel", self.get_model, traces)),
        }


@dataclass(frozen=True)
class GCNServicer:
    """GCNService of gcn.proto."""

    engine: Engine
    turns: Turns
    limit: GraphLimit
    large: Semaphore = field(default_factory=lambda: Semaphore(1))
    """Of large graphs, one is decoded and encoded at once, beside the turns: Score goes on meanwhile."""

    def process_graph(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Score one graph."""
        model = self.engine.model
        lacks = _lacks(model)
        if lacks:
            raise CallError(grpc.StatusCode.FAILED_PRECONDITION, f"model {model.name!r} {lacks}; use Score")
        if len(request) <= SMALL:
            with self.turns.take(context):
                ids, batch = codec.decode_graph(request, model.in_features)
                return codec.encode_gcn_result(ids, self.engine.score(batch).values)
        with self.large:
            ids, batch = codec.decode_large_graph(request, model.in_features, self.limit)
            with self.turns.take(context):
                values = self.engine.score(batch).values
            return codec.encode_gcn_result(ids, values)

    def handlers(self, traces: Traces, arrivals: Arrivals) -> Handlers:
        """Return the service for grpc."""
        return {
            "ProcessGraph": arrivals.unary(_observed(codec.GCN_SERVICE, "ProcessGraph", self.process_graph, traces))
        }


def _lacks(model: ModelFacts) -> str:
    """Return what of a model GraphData and GCNResult have no place for, '' where they have one for all of it."""
    if len(model.outputs) != 1:
        return f"has {len(model.outputs)} outputs, ProcessGraph returns one"
    if model.level != "node":
        return f"scores {model.level}s, ProcessGraph returns scores of nodes"
    reads = [name for name in model.inputs if name != "x" and name not in model.optional]
    return f"reads {reads[0]}, ProcessGraph takes features of nodes alone" if reads else ""


def _observed(service: str, name: str, method: Method, traces: Traces) -> Method:
    """Label the log lines of a call with its run, shard and trace, make its span, and answer its failures."""
    guarded = _guard(service, method)

    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = context.invocation_metadata()
        with labelled(metadata), traces.call(f"{service}/{name}", metadata, cast("Called", context)):
            return guarded(request, context)

    return call


def _in_turn(turns: Turns, method: Method) -> Method:
    """Limit the calls of a method that run at the same time to the number of turns."""

    def waiting(request: bytes, context: grpc.ServicerContext) -> bytes:
        with turns.take(context):
            return method(request, context)

    return waiting


def _guard(service: str, method: Method) -> Method:
    """Turn every exception of a method into a status; none ends the server."""

    def guarded(request: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: RET503 abort raises
        try:
            return method(request, context)
        except CallError as error:
            code, message = error.code, str(error)
        except GoneError:
            code, message = grpc.StatusCode.CANCELLED, "nobody waits for the call any more"
        except SlotError as error:
            _trail(context, _REASON, "slot")
            code, message = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except UnmappedError as error:
            _trail(context, _REASON, "slot")
            code, message = grpc.StatusCode.FAILED_PRECONDITION, str(error)
        except BatchError as error:
            code, message = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except MemoryError:
            # The trailer tells it from a server that has too many calls: this request will not fit later either.
            _trail(context, _REASON, "memory")
            code, message = grpc.StatusCode.RESOURCE_EXHAUSTED, "not enough memory for this request"
        except BaseException as error:  # noqa: BLE001 whatever it is, SystemExit too, the call needs an answer
            _log.exception("%s: a call failed", service)
            code, message = grpc.StatusCode.INTERNAL, f"the server failed: {_said(error)}"
        context.abort(code, message[:2000])

    return guarded


def _trail(context: grpc.ServicerContext, key: str, value: str) -> None:
    """Add to the trailing metadata of a call."""
    context.set_trailing_metadata((*(context.trailing_metadata() or ()), (key, value)))


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
