"""Who may connect: the certificates of TLS, and tokens. Their files are read anew when they change."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import math
import os
import re
import select
import ssl
import stat
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, Generic, TypeVar, cast

import grpc

from graphscore._serving.options import TOKENS_VARIABLE, OptionError, ServerOptions

_log = logging.getLogger(__name__)

_LEAST_CHARACTERS: Final = 16
_MOST_BYTES: Final = 1 << 20
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")

_AGAIN_SECONDS: Final = 1.0
_PIPE_SECONDS: Final = 10.0
"""That a pipe may take until its writer has come, has written everything and has closed it."""

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?")
_TIMES: Final = {9: "is not valid yet", 10: "has expired"}
"""By the code of OpenSSL."""

_T = TypeVar("_T")


class _Files(Generic[_T]):
    """What some files mean, read anew when one of them changes. Files that cannot be used later change nothing.

    Files that were changed, or that cannot be used, are read once more a second later: of some changes no time tells,
    and some are mended by time alone.
    """

    def __init__(self, paths: Mapping[str, Path], make: Callable[[Sequence[bytes], bool], _T]) -> None:
        """Read files, by the option that names each. Raises OptionError.

        `make` returns what the contents mean, or raises OptionError; its second argument is whether they are read anew.
        """
        self._paths, self._make, self._lock = paths, make, Lock()
        self._said, self._again = "", math.inf
        self._seen: list[tuple[int, ...] | None] | None = None
        while self._seen != (seen := self._look()):
            self._seen = seen
            try:
                contents = self._read(pipes=True)
                self.value, self._digests = make(contents, False), _sums(contents)
            except OptionError:
                if seen == self._look():  # else they are being replaced
                    raise
        if not any(file is not None and stat.S_ISFIFO(file[0]) for file in self._seen):  # it can be read once
            self._look_again()

    def refresh(self) -> bool:
        """Look at the files, and set `value` anew where one of them changed. Report whether this call set it."""
        with self._lock:
            seen = self._look()
            if seen == self._seen and time.monotonic() < self._again:
                return False
            self._seen = seen  # before they are read: what changes meanwhile is seen next time
            self._look_again()
            try:
                contents = self._read(pipes=False)  # one that became a pipe would delay the calls
                new = (digests := _sums(contents)) != self._digests
                if new:
                    self.value, self._digests = self._make(contents, True), digests
            except OptionError as error:
                if self._said != str(error):
                    self._said = str(error)
                    _log.error("what was read before stays in use: %s", error)
                return False
            if new or self._said:
                _log.info("read anew: %s", ", ".join(map(str, self._paths.values())))
            self._said = ""
            if not new:
                self._again = math.inf
            return new

    def _look(self) -> list[tuple[int, ...] | None]:
        return [_identity(path) for path in self._paths.values()]

    def _look_again(self) -> None:
        self._again = time.monotonic() + _AGAIN_SECONDS

    def _read(self, *, pipes: bool) -> list[bytes]:
        return [_read(option, path, pipes=pipes) for option, path in self._paths.items()]


def _sums(contents: Sequence[bytes]) -> list[bytes]:
    return [hashlib.sha256(content).digest() for content in contents]


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what differs when a file is another or has changed, None without one. A pipe stays the same."""
    try:
        found = path.stat()
    except OSError:
        return None
    file = stat.S_IFMT(found.st_mode), found.st_dev, found.st_ino
    if stat.S_ISFIFO(found.st_mode):  # its times change when it is written to
        return file
    return *file, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def server_credentials(options: ServerOptions) -> grpc.ServerCredentials | None:
    """Return the credentials of TLS, None without. Raises OptionError for files that cannot be used."""
    if options.tls_cert is None or options.tls_key is None:
        return None
    paths = {"tls_cert": options.tls_cert, "tls_key": options.tls_key}
    if options.tls_client_ca is not None:
        paths["tls_client_ca"] = options.tls_client_ca
    files = _Files(paths, lambda contents, anew: _certificates(paths, contents, anew=anew))

    def fetch() -> grpc.ServerCertificateConfiguration | None:  # for each handshake
        # What is returned takes the place of what other handshakes, under way now, use: grpc has crashed over that
        # (https://github.com/grpc/grpc/issues/36693). So only what is new is returned.
        return files.value if files.refresh() else None

    return grpc.dynamic_ssl_server_credentials(
        files.value,
        cast("Callable[[], grpc.ServerCertificateConfiguration]", fetch),  # None is for no change, which its stubs lack
        require_client_authentication=options.tls_client_ca is not None,
    )


def _certificates(
    paths: Mapping[str, Path], contents: Sequence[bytes], *, anew: bool
) -> grpc.ServerCertificateConfiguration:
    """Check the contents of the files: grpc does not report what is wrong with them.

    A certificate and its key are two files, which cannot be replaced at once: what is returned belongs together.
    Outside of its time a certificate is taken at the start, with a warning, and never in place of another.
    """
    _context(paths)
    if [_read(option, path) for option, path in paths.items()] != list(contents):  # the pair was checked by its paths
        raise OptionError(f"{', '.join(paths)}: a file changed while they were read")
    chain, private, *roots = contents
    if fault := _out_of_time(paths["tls_key"], chain):
        if anew:
            raise OptionError(f"tls_cert: {paths['tls_cert']} {fault}")
        _log.warning("tls_cert: %s %s: clients refuse it", paths["tls_cert"], fault)
    return grpc.ssl_server_certificate_configuration([(private, chain)], root_certificates=roots[0] if roots else None)


def _context(paths: Mapping[str, Path]) -> ssl.SSLContext:
    """Return the context of a server with the certificate, of which is known that the key is its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert, key, ca = paths["tls_cert"], paths["tls_key"], paths.get("tls_client_ca")
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # a key with a password is an error, not a question
    except (OSError, ValueError) as error:
        raise OptionError(
            f"tls_cert, tls_key: {cert} and {key} are not a certificate and its key without a password, in PEM"
            f" ({getattr(error, 'reason', None) or error})"
        ) from None
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ValueError) as error:
            raise OptionError(f"tls_client_ca: {ca} has no certificate in PEM ({error})") from None
    return context


def _out_of_time(key: Path, chain: bytes) -> str:
    """Return what the time says against a certificate, '' where nothing: by a handshake with a client that trusts it.

    Python's ssl reads no certificate otherwise. Whatever else a client may have against it is not looked for, nor
    are the others of the chain: a client may have another way to a CA, as where a root was signed by an older one.
    """
    leaf = _CERTIFICATE.search(chain.decode("ascii", "ignore"))
    if leaf is None:
        return ""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # the context takes no content
            file.write(leaf[0])
            file.flush()
            server.load_cert_chain(file.name, key, password=lambda: "")
        client.load_verify_locations(cadata=leaf[0])
        ends = (
            client.wrap_bio(to_client, to_server),
            server.wrap_bio(to_server, to_client, server_side=True),
        )
        for end in ends * 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return _TIMES.get(error.verify_code, "")
    except (OSError, ValueError):
        return ""
    return ""


def _read(option: str, path: Path, *, pipes: bool = False) -> bytes:
    """Read a small file. With `pipes`, tokens may come from one, as of `<(command)`; TLS reads them again."""
    name, pipes = f"{option}: {path}", pipes and option == "token_file"
    try:
        _kind(name, path.stat(), pipes=pipes)  # opening a device can do something, and the writer of a pipe would end
        # Opening a pipe that nobody writes to would block, also one that has become one since.
        with open(path, "rb", opener=_open_at_once) as file:
            piped = _kind(name, os.fstat(file.fileno()), pipes=pipes)
            content = _from_pipe(name, file.fileno()) if piped else file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise OptionError(f"{name}: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise OptionError(f"{name} has more than {_MOST_BYTES} bytes; name a file of certificates, keys or tokens")
    return content


def _kind(name: str, file: os.stat_result, *, pipes: bool) -> bool:
    """Report whether it is a pipe. Raises OptionError for what is not read; reading a folder says what is wrong."""
    piped = stat.S_ISFIFO(file.st_mode)
    if not ((piped and pipes) or stat.S_ISREG(file.st_mode) or stat.S_ISDIR(file.st_mode)):
        raise OptionError(f"{name} is no regular file: write it to a file first")
    return piped


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _from_pipe(name: str, pipe: int) -> bytes:
    """Read a pipe to its end, or until it is too much. Raises OptionError for one that is empty or does not end.

    A pipe that has had no writer yet can be read, to nothing: poll waits until it is written to or closed.
    """
    content, until = b"", time.monotonic() + _PIPE_SECONDS
    events = select.poll()
    events.register(pipe, select.POLLIN)
    while len(content) <= _MOST_BYTES:
        left = until - time.monotonic()
        ready = left > 0 and events.poll(left * 1000)
        try:
            piece = os.read(pipe, _MOST_BYTES + 1)
        except BlockingIOError:
            piece = None
        if not ready:
            why = "nobody wrote to for" if piece == b"" else "did not end within"
            raise OptionError(f"{name} is a pipe that {why} {_PIPE_SECONDS:g} s: its writer must write and close it")
        if piece == b"":
            break
        content += piece or b""
    if not content:
        raise OptionError(f"{name} is a pipe that was closed without a token: its writer must write one")
    return content


class Tokens(grpc.ServerInterceptor):
    """Refuses calls without one of the tokens with UNAUTHENTICATED. Keeps digests, never a token."""

    def __init__(self, file: Path | None) -> None:
        """Read tokens from a file, one a line, or from the environment. Raises OptionError."""
        if file is None:
            digests = _from_environment()
            self._digests: Callable[[], tuple[bytes, ...]] = lambda: digests
            return
        files = _Files({"token_file": file}, lambda contents, _: _from_file(file, contents[0]))

        def current() -> tuple[bytes, ...]:
            files.refresh()
            return files.value

        self._digests = current

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Let the call through, or refuse it."""
        metadata = handler_call_details.invocation_metadata or ()
        sent = [value for name, value in metadata if name == "authorization"]
        if len(sent) != 1:
            return _REFUSE_MISSING
        return continuation(handler_call_details) if self._accepts(sent[0]) else _REFUSE_WRONG

    def _accepts(self, sent: str | bytes) -> bool:
        text = sent if isinstance(sent, bytes) else sent.encode()
        scheme, _, token = text.partition(b" ")
        digest = hashlib.sha256(token.strip()).digest()
        # Every one is compared, each in constant time: how long it takes does not depend on what was sent.
        found = sum(hmac.compare_digest(digest, known) for known in self._digests())
        return found > 0 and scheme.lower() == b"bearer"


def _from_environment() -> tuple[bytes, ...]:
    return _digests(TOKENS_VARIABLE, os.environ.get(TOKENS_VARIABLE, "").split())


def _from_file(path: Path, content: bytes) -> tuple[bytes, ...]:
    lines = (line.strip() for line in content.decode(errors="replace").splitlines())
    digests = _digests(f"token_file: {path}", [line for line in lines if line and not line.startswith("#")])
    _warn_of_others(path)
    return digests


def _warn_of_others(path: Path) -> None:
    """Log where others than its owner may use a file. Pipes, and what systemd keeps, have no owner's mode."""
    kept = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        mode = path.stat().st_mode
    except OSError:  # it went away since it was read
        return
    if stat.S_ISREG(mode) and mode & 0o077 and not (kept and path.parent == Path(kept)):
        _log.warning(
            "token_file: %s: users other than its owner may open it (mode %04o): chmod 600 %s",
            path,
            stat.S_IMODE(mode),
            path,
        )


def _digests(where: str, tokens: list[str]) -> tuple[bytes, ...]:
    if not tokens:
        raise OptionError(f"{where} has no token")
    for number, token in enumerate(tokens, 1):
        if len(token) < _LEAST_CHARACTERS or not _TOKEN.fullmatch(token):
            raise OptionError(
                f"{where}: token {number} is not at least {_LEAST_CHARACTERS} letters, digits and characters of ._~+/-="
                " (as of: openssl rand -hex 32)"
            )
    return tuple(hashlib.sha256(token.encode()).digest() for token in tokens)


def _refusal(message: str) -> grpc.RpcMethodHandler[Any, Any]:
    def refuse(_: object, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

    return grpc.stream_unary_rpc_method_handler(refuse)  # not unary: then its thread would wait for the body


_REFUSE_MISSING: Final = _refusal("the call has no bearer token")
_REFUSE_WRONG: Final = _refusal("the bearer token is none of the server's")


def interceptors(options: ServerOptions) -> list[grpc.ServerInterceptor]:
    """Return what looks at each call first. Raises OptionError."""
    if options.token_file is None and not options.token_environment:
        return []
    return [Tokens(options.token_file)]
