"""Certificates and keys that are replaced while clients connect: a whole pair is served all the while."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

import graphscore
from calls import HEALTH, call
from graphscore._serving import access
from graphscore._serving.options import OptionError, ServerOptions

KEPT = Path(__file__).parents[1] / "data" / "certificates"
STAYS = "what was read before stays in use: "


@dataclass
class Served:
    """A server whose certificate and key are files, and clients that call it all the while, each time anew."""

    cert: Path
    key: Path
    address: str = ""
    failures: list[str] = field(default_factory=list)
    calls: int = 0

    def put(self, *names: str) -> None:
        """Replace files, each at once: NAME.pem, NAME.key."""
        for name in names:
            target = self.key if name.endswith("key") else self.cert
            new = target.with_suffix(".new")
            shutil.copyfile(KEPT / name, new)
            new.replace(target)

    def name(self) -> str:
        """Whose certificate a new client sees, three times."""
        context = ssl.create_default_context(cafile=str(KEPT / "ca.pem"))
        context.set_alpn_protocols(["h2"])
        host, port = self.address.split(":")
        names: set[str] = set()
        for _ in range(3):
            with (
                socket.create_connection((host, int(port))) as raw,
                context.wrap_socket(raw, server_hostname=host) as secure,
            ):
                certificate: Any = secure.getpeercert()
                names.add(dict(*certificate["subject"])["commonName"])
        assert len(names) == 1
        return names.pop()

    def call(self) -> None:
        credentials = grpc.ssl_channel_credentials((KEPT / "ca.pem").read_bytes())
        with grpc.secure_channel(self.address, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                call(channel, HEALTH, b"")
            except grpc.RpcError as error:
                self.failures.append(str(error))
            self.calls += 1


@contextmanager
def serving(engine: graphscore.Engine, cert: Path, key: Path) -> Iterator[Served]:
    """Serve, and fail where a call did."""
    server = graphscore.Server(engine, ServerOptions(listen="127.0.0.1:0", tls_cert=cert, tls_key=key))
    server.start()
    served, over = Served(cert, key, str(server.address)), threading.Event()

    def calling() -> None:
        while not over.is_set():
            served.call()

    clients = [threading.Thread(target=calling) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        yield served
    finally:
        over.set()
        for client in clients:
            client.join()
        server.stop(0)
    assert served.calls
    assert not served.failures


@pytest.fixture
def served(engine: graphscore.Engine, tmp_path: Path) -> Iterator[Served]:
    """The first pair."""
    for end in ("pem", "key"):
        shutil.copyfile(KEPT / f"first.{end}", tmp_path / f"tls.{end}")
    with serving(engine, tmp_path / "tls.pem", tmp_path / "tls.key") as running:
        yield running


def half(served: Served) -> None:
    served.put("second.key")
    served.cert.write_bytes((KEPT / "second.pem").read_bytes()[:300])


def denied(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """What the modes of files do for users other than root."""
    opens = access._open_at_once

    def opening(name: str, flags: int) -> int:
        if Path(name) == path:
            raise PermissionError(13, "Permission denied")
        return opens(name, flags)

    monkeypatch.setattr(access, "_open_at_once", opening)


Step = Callable[[Served], object]
STEPS: dict[str, tuple[Step, str]] = {
    "key first": (lambda s: s.put("second.key"), "not a certificate and its key"),
    "certificate first": (lambda s: s.put("second.pem"), "not a certificate and its key"),
    "half written": (half, "not a certificate and its key"),
    "a certificate of no bytes": (lambda s: s.cert.write_bytes(b""), "not a certificate and its key"),
    "expired": (lambda s: s.put("expired.key", "expired.pem"), "has expired"),
    "of the future": (lambda s: s.put("future.key", "future.pem"), "is not valid yet"),
    "removed certificate": (lambda s: s.cert.unlink(), "No such file or directory"),
    "removed key": (lambda s: s.key.unlink(), "No such file or directory"),
}


@pytest.mark.fault(
    "29",
    "certificate and key of a running server are replaced: one before the other, half written, expired, removed",
    "the pair before is served until the new one is whole, no call is refused, one line says why",
)
@pytest.mark.parametrize("name", STEPS)
def test_a_pair_is_taken_when_it_is_whole(name: str, served: Served, caplog: pytest.LogCaptureFixture) -> None:
    step, said = STEPS[name]
    caplog.set_level(logging.INFO)
    assert served.name() == "first"
    step(served)
    assert [served.name() for _ in range(3)] == ["first"] * 3
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(set(errors)) == len(errors)
    assert errors[-1].startswith(STAYS)
    assert said in errors[-1]
    assert str(served.cert) in errors[-1] or str(served.key) in errors[-1]
    if name != "key first":
        served.put("second.key")
    served.put("second.pem")
    assert served.name() == "second"
    assert caplog.messages[-1] == f"read anew: {served.cert}, {served.key}"


def test_a_file_that_may_not_be_read(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        denied(patched, served.key)
        served.put("second.key")
        served.put("second.pem")
        assert served.name() == "first"
        assert caplog.messages.count(f"{STAYS}tls_key: {served.key}: Permission denied") == 1
    served.put("second.pem")  # or a second later
    assert served.name() == "second"


@pytest.mark.fault(
    "29", "certificate and key are links into a folder that is swapped, as in Kubernetes", "both are new at once"
)
def test_a_folder_that_is_swapped(engine: graphscore.Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tmp_path / "..data"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        for end in ("pem", "key"):
            shutil.copyfile(KEPT / f"{name}.{end}", tmp_path / name / f"tls.{end}")
    data.symlink_to("first")
    for end in ("pem", "key"):
        (tmp_path / f"tls.{end}").symlink_to(f"..data/tls.{end}")
    with serving(engine, tmp_path / "tls.pem", tmp_path / "tls.key") as served:
        for name in ("second", "first") * 10:
            (tmp_path / "..new").symlink_to(name)
            (tmp_path / "..new").replace(data)
            assert served.name() == name
    # A handshake may fall into the swap: what it reads is then no pair, or changes while it is read.
    assert all(message.startswith((STAYS, "read anew: ")) for message in caplog.messages)


def test_what_no_time_tells_is_seen_a_second_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change within the grain of the times of files, and one that time alone mends."""
    now, usable = [1000.0], [True]
    path = tmp_path / "file"

    def make(contents: Any, _: bool) -> bytes:
        if not usable[0]:
            raise OptionError("not yet")
        return bytes(contents[0])

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now[0]

    monkeypatch.setattr(access, "time", Clock)
    monkeypatch.setattr(access, "_identity", lambda _: (stat.S_IFREG,))
    path.write_bytes(b"a")
    files = access._Files({"file": path}, make)
    path.write_bytes(b"b")
    assert not files.refresh()
    now[0], usable[0] = 1001, False
    assert not files.refresh()
    now[0], usable[0] = 1001.5, True
    assert not files.refresh()
    now[0] = 1002
    assert files.refresh()
    assert files.value == b"b"
    now[0] = 1003
    assert not files.refresh()
    path.write_bytes(b"c")
    now[0] = 2000  # it was settled
    assert not files.refresh()


def test_files_that_are_replaced_while_a_server_starts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a half")

    def make(contents: Any, _: bool) -> bytes:
        if contents[0] == b"a half":
            path.write_bytes(b"the whole")
            raise OptionError("a half")
        return bytes(contents[0])

    assert access._Files({"file": path}, make).value == b"the whole"


def test_pairs_that_a_server_does_not_start_with(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = ServerOptions(tls_cert=KEPT / "first.pem", tls_key=KEPT / "second.key")
    with pytest.raises(OptionError, match="not a certificate and its key"):
        access.server_credentials(options)
    access.server_credentials(ServerOptions(tls_cert=KEPT / "first.pem", tls_key=KEPT / "first.key"))
    assert caplog.messages == []
    for name, said in (("expired", "has expired"), ("future", "is not valid yet")):
        access.server_credentials(ServerOptions(tls_cert=KEPT / f"{name}.pem", tls_key=KEPT / f"{name}.key"))
        assert caplog.messages == [f"tls_cert: {KEPT / name}.pem {said}: clients refuse it"]
        caplog.clear()
