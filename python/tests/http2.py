"""HTTP/2 by hand, frame by frame: what a client that breaks every rule sends.

Headers are literals without index and without Huffman coding, so that nothing has to be kept.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 1
ACK: Final = 1
END_HEADERS: Final = 4

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LARGEST_FRAME: Final = 16384


@dataclass(frozen=True)
class Frame:
    """What the server sent."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(path: str, *more: tuple[str, str]) -> bytes:
    """The headers of a call, encoded."""
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    )
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def _text(text: str) -> bytes:
    """A string with its length in seven bits and more."""
    size, data = len(text), text.encode()
    if size < 127:
        return bytes([size]) + data
    length, rest = b"\x7f", size - 127
    while rest > 127:
        length, rest = length + bytes([rest % 128 + 128]), rest // 128
    return length + bytes([rest]) + data


def message(data: bytes, size: int | None = None) -> bytes:
    """A message of gRPC, which may say that it is larger than it is."""
    return b"\0" + struct.pack(">I", len(data) if size is None else size) + data


class Connection:
    """One connection. Nothing is answered by itself but SETTINGS."""

    def __init__(self, address: str, *, preface: bool = True) -> None:
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address.removeprefix("unix:"))
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)))
        self._stream = -1
        self._unread = b""
        if preface:
            self.send(_PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1)) + frame(SETTINGS, ACK, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def call(self, path: str, data: bytes = b"", *more: tuple[str, str], end: bool = False) -> int:
        """Begin a call with the first bytes of its body, and more headers; return its stream."""
        self._stream += 2
        begin_flags = END_STREAM if end and not data else 0
        fields = headers(path, *more)
        pieces = [fields[at : at + _LARGEST_FRAME] for at in range(0, len(fields), _LARGEST_FRAME)]
        block = b"".join(
            frame(
                CONTINUATION if number else HEADERS,
                (0 if number else begin_flags) | (END_HEADERS if piece is pieces[-1] else 0),
                self._stream,
                piece,
            )
            for number, piece in enumerate(pieces)
        )
        for begin in range(0, len(data), _LARGEST_FRAME):
            piece = data[begin : begin + _LARGEST_FRAME]
            last = END_STREAM if end and begin + len(piece) == len(data) else 0
            block += frame(DATA, last, self._stream, piece)
        self.send(block)
        return self._stream

    def frames(self, seconds: float) -> Iterator[Frame]:
        """What the server sends, until it closes the connection. Raises TimeoutError after the time."""
        deadline = time.monotonic() + seconds
        while True:
            while len(self._unread) >= 9 and len(self._unread) >= 9 + (size := int.from_bytes(self._unread[:3], "big")):
                kind, flags, stream = struct.unpack(">BBI", self._unread[3:9])
                payload, self._unread = self._unread[9 : 9 + size], self._unread[9 + size :]
                yield Frame(kind, flags, stream, payload)
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                received = self.socket.recv(1 << 16)
            except ConnectionError:
                return
            if not received:
                return
            self._unread += received

    def push(self, stream: int, data: bytes, seconds: float, *, end: bool = False) -> bool:
        """Send data as fast as the server takes it; return whether all of it was sent before the call was ended."""
        sent, window = 0, {0: 65535, stream: 65535}
        try:
            for got in self.frames(seconds):
                if got.kind == WINDOW_UPDATE and got.stream in window:
                    window[got.stream] += int.from_bytes(got.payload, "big")
                elif got.kind == SETTINGS and not got.flags & ACK:
                    for key, value in struct.iter_unpack(">HI", got.payload):
                        window[stream] += value - 65535 if key == 4 else 0
                elif got.stream == stream or got.kind == GOAWAY:
                    return False
                elif got.kind == PING and not got.flags & ACK:
                    self.send(frame(PING, ACK, 0, got.payload))
                while (size := min(*window.values(), _LARGEST_FRAME, len(data) - sent)) > 0:
                    last = END_STREAM if end and sent + size == len(data) else 0
                    self.send(frame(DATA, last, stream, data[sent : sent + size]))
                    sent += size
                    window = {key: value - size for key, value in window.items()}
                if sent == len(data):
                    return True
        except (TimeoutError, ConnectionError):
            pass
        return False

    def ended(self, wanted: set[int], seconds: float) -> dict[int, Frame]:
        """Wait until the server has ended the streams; return the frames that did."""
        found: dict[int, Frame] = {}
        for got in self.frames(seconds):
            if got.stream in wanted and (got.kind == RST_STREAM or got.flags & END_STREAM):
                found.setdefault(got.stream, got)
                if len(found) == len(wanted):
                    break
        return found


@contextmanager
def half_sent(
    address: str, path: str, count: int, per_connection: int = 100, size: int = 1000
) -> Iterator[list[Connection]]:
    """Begin calls whose body stops half way."""
    connections = []
    try:
        while count > 0:
            connection = Connection(address)
            connections.append(connection)
            for _ in range(min(count, per_connection)):
                connection.call(path, message(b"half", size))
            count -= per_connection
        yield connections
    finally:
        for connection in connections:
            connection.socket.close()
