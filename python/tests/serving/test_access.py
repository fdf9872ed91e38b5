"""Files of certificates and tokens that change, tokens that are sent, and files that others may open."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from graphscore._serving import access
from graphscore._serving.access import Tokens, _Files
from graphscore._serving.options import OptionError, ServerOptions

KEPT = Path(__file__).parents[1] / "data" / "certificates"
TOKEN = "0123456789abcdef"


def test_a_token_file_of_others_warns_at_start_and_when_read_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    file.chmod(0o640)
    warning = f"token_file: {file}: users other than its owner may open it (mode 0640): chmod 600 {file}"
    with caplog.at_level(logging.WARNING):
        tokens = Tokens(file)
        assert tokens._accepts(f"Bearer {TOKEN}")
        assert caplog.messages == [warning]
        file.write_text(TOKEN + "0\n")
        assert tokens._accepts(f"Bearer {TOKEN}0")
        assert tokens._accepts(f"Bearer {TOKEN}0")
        assert caplog.messages == [warning] * 2
        file.chmod(0o600)
        file.write_text(TOKEN + "00\n")
        assert tokens._accepts(f"Bearer {TOKEN}00")
        assert caplog.messages == [warning] * 2


def test_other_token_files_do_not_warn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(kept))
    for file, mode in ((tmp_path / "read", 0o400), (tmp_path / "written", 0o600), (kept / "by systemd", 0o440)):
        file.write_text(TOKEN)
        file.chmod(mode)
        Tokens(file)
    read, write = os.pipe()
    try:
        os.write(write, TOKEN.encode())
        os.close(write)
        os.fchmod(read, 0o644)
        Tokens(Path(f"/dev/fd/{read}"))
    finally:
        os.close(read)
    assert caplog.messages == []


def test_files_are_read_anew_once_where_they_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Valid, broken, gone, valid: of all looks at once, one reports what is new."""
    path = tmp_path / "cert.pem"

    def make(contents: Sequence[bytes], _: bool) -> str:
        if contents[0] == b"broken":
            raise OptionError("it cannot be used")
        return contents[0].decode()

    def looks() -> int:
        with ThreadPoolExecutor(8) as threads:
            return sum(threads.map(lambda _: files.refresh(), range(32)))

    path.write_text("first")
    files = _Files({"cert": path}, make)
    assert looks() == 0
    for content, new, value in (
        ("second", 1, "second"),
        ("broken", 0, "second"),
        (None, 0, "second"),
        ("the third", 1, "the third"),
    ):
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        assert looks() == new
        assert files.value == value
        assert looks() == 0
    assert caplog.messages == [
        "what was read before stays in use: it cannot be used",
        f"what was read before stays in use: cert: {path}: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Bearer {TOKEN}".encode(), True),
        (TOKEN, False),
        (f"Basic {TOKEN}", False),
        (f"Bearer {TOKEN}0", False),
        (f"Bearer {TOKEN[:-1]}", False),
        (f"Bearer {TOKEN.upper()}", False),
        ("Bearer", False),
        ("", False),
        (b"Bearer \xff\xfe", False),
    ],
)
def test_tokens_that_are_sent(sent: str | bytes, accepted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHSCORE_SERVER_TOKENS", f"{'z' * 16} {TOKEN}")
    tokens = Tokens(None)
    assert tokens._accepts(sent) == accepted
    assert TOKEN not in repr(vars(tokens))


def test_a_device_is_not_read_to_its_end() -> None:
    with pytest.raises(OptionError, match="token_file: /dev/zero is no regular file: write it to a file first"):
        Tokens(Path("/dev/zero"))


def _pipe(folder: Path) -> Path:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    os.utime(pipe, (0, 0))  # that it is written to shows
    return pipe


def _say_later(pipe: Path, said: str, *, end: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a writer say something after the first look at a pipe, once it is open."""
    read = access._from_pipe

    def later(name: str, opened: int) -> bytes:
        writer = os.open(pipe, os.O_WRONLY)
        try:
            os.write(writer, said.encode())
            if end:
                os.close(writer)
            return read(name, opened)
        finally:
            if not end:
                os.close(writer)

    monkeypatch.setattr(access, "_from_pipe", later)


def test_a_pipe_that_nobody_writes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_PIPE_SECONDS", 0.1)
    pipe = _pipe(tmp_path)
    with pytest.raises(
        OptionError, match=f"token_file: {pipe} is a pipe that nobody wrote to for 0.1 s: its writer must"
    ):
        Tokens(pipe)


@pytest.mark.parametrize("said", ["", TOKEN])
def test_a_pipe_that_does_not_end(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_PIPE_SECONDS", 0.1)
    pipe = _pipe(tmp_path)
    _say_later(pipe, said, end=False, monkeypatch=monkeypatch)
    with pytest.raises(
        OptionError, match=f"token_file: {pipe} is a pipe that did not end within 0.1 s: its writer must"
    ):
        Tokens(pipe)


def test_a_pipe_that_says_a_byte_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is that of all of it."""
    monkeypatch.setattr(access, "_PIPE_SECONDS", 0.1)
    pipe, ended = _pipe(tmp_path), Event()
    writer = os.open(pipe, os.O_RDWR)

    def drip() -> None:
        while not ended.wait(0.001):
            os.write(writer, b"0")

    with ThreadPoolExecutor(1) as threads:
        threads.submit(drip)
        try:
            with pytest.raises(OptionError, match=f"token_file: {pipe} is a pipe that did not end within 0.1 s"):
                Tokens(pipe)
        finally:
            ended.set()
    os.close(writer)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "is a pipe that was closed without a token: its writer must write one"),
        ("\n", "has no token"),
        ("short", ": token 1 is not at least 16 letters"),
    ],
)
def test_a_pipe_that_says_no_token_later(said: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said at once, however long a pipe may take."""
    monkeypatch.setattr(access, "_PIPE_SECONDS", 1e6)
    pipe = _pipe(tmp_path)
    _say_later(pipe, said, end=True, monkeypatch=monkeypatch)
    with pytest.raises(OptionError, match=f"token_file: {pipe} ?{why}"):
        Tokens(pipe)


def test_a_pipe_that_was_closed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of `<(true)`."""
    monkeypatch.setattr(access, "_PIPE_SECONDS", 1e6)
    read, write = os.pipe()
    os.close(write)
    try:
        with pytest.raises(OptionError, match=f"token_file: /dev/fd/{read} is a pipe that was closed without a token"):
            Tokens(Path(f"/dev/fd/{read}"))
    finally:
        os.close(read)


@pytest.mark.parametrize(
    ("option", "why"), [("token_file", "is a pipe that did not end within 0.1 s"), ("tls_cert", "is no regular file")]
)
def test_a_file_that_becomes_a_pipe_before_it_is_opened(
    option: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_PIPE_SECONDS", 0.1)
    path, open_it = tmp_path / "file", access._open_at_once
    path.write_text(TOKEN)
    with contextlib.ExitStack() as stack:

        def replaced(name: str, flags: int) -> int:
            path.unlink()
            os.mkfifo(path)
            stack.callback(os.close, os.open(path, os.O_RDWR))  # a writer that says nothing
            return open_it(name, flags)

        monkeypatch.setattr(access, "_open_at_once", replaced)
        with pytest.raises(OptionError, match=f"{option}: {path} {why}"):
            access._read(option, path, pipes=True)


@pytest.mark.parametrize("option", ["token_file", "tls_cert"])
def test_a_file_that_becomes_a_pipe_while_it_is_served(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and what was read before stays in use."""
    monkeypatch.setattr(access, "_AGAIN_SECONDS", 0)  # each look reads it again
    path = tmp_path / "file"
    path.write_text(TOKEN)
    files = _Files({option: path}, lambda contents, _: contents[0].decode())
    path.unlink()
    os.mkfifo(path)
    for _ in range(3):
        assert not files.refresh()
    assert files.value == TOKEN
    said = f"what was read before stays in use: {option}: {path} is no regular file: write it to a file first"
    assert caplog.messages == [said]
    path.unlink()
    path.write_text(f"{TOKEN}0")
    assert files.refresh()
    assert files.value == f"{TOKEN}0"


def test_a_pipe_that_is_written_to_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read once, whatever happens to it then."""
    monkeypatch.setattr(access, "_AGAIN_SECONDS", 0)
    pipe = _pipe(tmp_path)
    with ThreadPoolExecutor(1) as threads:
        written = threads.submit(pipe.write_text, f"{TOKEN}\n")
        tokens = Tokens(pipe)
        written.result()
    assert tokens._accepts(f"Bearer {TOKEN}")
    pipe.touch()
    assert tokens._accepts(f"Bearer {TOKEN}")
    assert caplog.messages == []


@pytest.mark.parametrize("option", ["tls_cert", "tls_key", "tls_client_ca"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_tls_needs_regular_files(option: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    pem = KEPT / "first.pem"
    paths: dict[str, Any] = {"tls_cert": pem, "tls_key": KEPT / "first.key", "tls_client_ca": pem}
    paths[option] = tmp_path / "special"
    make(paths[option])
    with pytest.raises(OptionError, match=f"{option}: {paths[option]} is no regular file: write it to a file first"):
        access.server_credentials(replace(ServerOptions(), **paths))


@pytest.mark.parametrize("text", ["", "short", f"{TOKEN} and blanks", f"{TOKEN}é", f"# {TOKEN}"])
def test_token_files_that_cannot_be_used_show_no_token(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(OptionError) as caught:
        Tokens(file)
    assert str(file) in str(caught.value)
    assert TOKEN not in str(caught.value)
