"""What a server does for others while somebody attacks it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import grpc

from calls import GET_MODEL, HEALTH, PROCESS_GRAPH, SCORE, call
from processes import Process

REFLECTION: Final = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SOON: Final = 60.0
"""Seconds in which what is due must happen; on a quiet machine it takes one or two."""


def peak(process: Process) -> int:
    """The largest resident size of a server so far, in MiB."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def until(wanted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(address: str, *names: str) -> None:
    """Every method answers a new client; where the server is full that may take another attempt."""

    def answered(name: str) -> bool:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(address, options=options) as channel:
            try:
                call(channel, name, b"")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error.details()  # noqa: PT017
                return False
        return True

    for name in names or (HEALTH, GET_MODEL, SCORE, PROCESS_GRAPH):
        until(lambda name=name: answered(name))  # type: ignore[misc]
