"""Addresses to listen on."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from graphscore._serving.options import OptionError

_PATH_BYTES = 107  # sun_path, less its final zero byte


class BindError(Exception):
    """An address that cannot be listened on now; the message says why."""


@dataclass(frozen=True)
class Address:
    """HOST:PORT, or the path of a unix socket."""

    host: str
    port: int
    path: Path | None = None

    def __str__(self) -> str:
        """Return the address as grpc takes it."""
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str, *, remote: bool) -> Address:
    """Read 'HOST:PORT', '[V6]:PORT' or 'unix:PATH'.

    Raises OptionError, also for a host that others can reach, unless that is allowed.
    """
    path = socket_path(text)
    if path is not None:
        if not path.name:
            raise OptionError(f"listen: {text!r} names no socket; use unix:/path/to/socket")
        if len(os.fsencode(path)) > _PATH_BYTES:
            raise OptionError(f"listen: {text!r}: the path of a unix socket has at most {_PATH_BYTES} bytes")
        return Address("", 0, path)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        raise OptionError(f"listen: {text!r} is not an address; use HOST:PORT, e.g. 127.0.0.1:9999, or unix:/path")
    host = host.removeprefix("[").removesuffix("]")
    if not remote and not _is_loopback(host):
        raise OptionError(
            f"listen: {text!r} can be reached from other machines, and calls are neither encrypted nor authenticated;"
            " set --tls-cert and --tls-key, listen on 127.0.0.1 or a unix socket, or set --insecure"
        )
    return Address(host or "::", int(port))


def socket_path(text: str) -> Path | None:
    """Return the path in 'unix:PATH', None for other addresses."""
    return Path(text.removeprefix("unix:").removeprefix("//")) if text.startswith("unix:") else None


def _is_loopback(host: str) -> bool:
    if not host:
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OptionError(f"listen: host {host!r} cannot be resolved: {error.strerror or error}") from None
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def make_free(address: Address) -> None:
    """Check that nobody listens on the address; remove the socket file that a dead server left.

    Raises BindError. grpc would take a socket file from a living server, and does not report why it cannot
    bind.
    """
    if address.path is not None:
        _free_path(address.path)
    else:
        _try_port(address)


def _free_path(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise BindError(f"cannot listen on unix:{path}: folder {path.parent} does not exist") from None
        return
    except OSError as error:
        raise BindError(f"cannot listen on unix:{path}: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on unix:{path}: it exists and is not a socket; remove it")
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
    except (ConnectionRefusedError, FileNotFoundError):
        path.unlink(missing_ok=True)
        return
    except OSError as error:
        raise BindError(f"cannot listen on unix:{path}: {error.strerror or error}") from None
    raise BindError(f"cannot listen on unix:{path}: another server is listening there")


def _try_port(address: Address) -> None:
    for family, kind, protocol, _, place in _resolve(address):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(place)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6:
                    continue  # a name like localhost on a machine without IPv6
                if error.errno == errno.EADDRINUSE:
                    raise BindError(f"cannot listen on {address}: the port is in use by another program") from None
                raise BindError(f"cannot listen on {address}: {error.strerror}") from None


def _resolve(
    address: Address,
) -> list[tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BindError(f"cannot listen on {address}: {error.strerror or error}") from None
    return [(int(f), int(k), p, n, a) for f, k, p, n, a in found]  # type: ignore[misc]
