"""Calls of the server with bytes, as any client in any language makes them."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from graphscore._proto import scoring_pb2

SCORE = "/graphscore.v1.ScoringService/Score"
GET_MODEL = "/graphscore.v1.ScoringService/GetModel"
PROCESS_GRAPH = "/GCNService/ProcessGraph"
HEALTH = "/grpc.health.v1.Health/Check"


def method(channel: grpc.Channel, name: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    """A method of the server."""
    return channel.unary_unary(name, request_serializer=bytes, response_deserializer=bytes)


def call(channel: grpc.Channel, name: str, data: bytes, *, deadline: float = 60, **options: Any) -> bytes:
    """The answer of one call."""
    return method(channel, name)(data, timeout=deadline, **options)


def fails(channel: grpc.Channel, name: str, data: bytes, **options: Any) -> tuple[grpc.StatusCode, str]:
    """Status and message of a call that must not succeed."""
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, name, data, **options)
    error: Any = caught.value
    return error.code(), error.details()


def get_model(address: str) -> scoring_pb2.GetModelResponse:
    """The answer of GetModel."""
    with grpc.insecure_channel(address) as channel:
        return scoring_pb2.GetModelResponse.FromString(call(channel, GET_MODEL, b"", wait_for_ready=True))
