"""Who may connect: the certificates of TLS, and tokens. Their files are read anew when they change."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final, Generic, TypeVar, cast

import grpc

from graphscore._serving.options import TOKENS_VARIABLE, OptionError, ServerOptions

_log = logging.getLogger(__name__)

_LEAST_CHARACTERS: Final = 16
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


_T = TypeVar("_T")


class _Files(Generic[_T]):
    """What some files mean, read anew when one of them changes. Files that cannot be used later change nothing."""

    def __init__(self, paths: tuple[Path, ...], read: Callable[[], _T]) -> None:
        """Read them. Raises what `read` raises."""
        self._paths, self._read, self._lock = paths, read, Lock()
        self._seen = self._look()
        self.value = read()

    def refresh(self) -> bool:
        """Look at the files, and set `value` anew where one of them changed. Report whether this call set it."""
        with self._lock:
            seen = self._look()
            if seen == self._seen:
                return False
            self._seen = seen  # before they are read: what changes meanwhile is seen next time
            try:
                self.value = self._read()
            except OptionError as error:
                _log.error("what was read before stays in use: %s", error)
                return False
            _log.info("read anew: %s", ", ".join(map(str, self._paths)))
            return True

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_identity(path) for path in self._paths]


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def server_credentials(options: ServerOptions) -> grpc.ServerCredentials | None:
    """Return the credentials of TLS, None without. Raises OptionError for files that cannot be used."""
    if options.tls_cert is None or options.tls_key is None:
        return None
    cert, key, ca = options.tls_cert, options.tls_key, options.tls_client_ca
    paths = (cert, key) if ca is None else (cert, key, ca)
    files = _Files(paths, lambda: _certificates(cert, key, ca))

    def fetch() -> grpc.ServerCertificateConfiguration | None:  # for each handshake
        # What is returned takes the place of what other handshakes, under way now, use: grpc has crashed over that
        # (https://github.com/grpc/grpc/issues/36693). So only what is new is returned.
        return files.value if files.refresh() else None

    return grpc.dynamic_ssl_server_credentials(
        files.value,
        cast("Callable[[], grpc.ServerCertificateConfiguration]", fetch),  # None is for no change, which its stubs lack
        require_client_authentication=ca is not None,
    )


def _certificates(cert: Path, key: Path, ca: Path | None) -> grpc.ServerCertificateConfiguration:
    """Read and check the files: grpc does not report what is wrong with them."""
    chain, private = _read("tls_cert", cert), _read("tls_key", key)
    roots = None if ca is None else _read("tls_client_ca", ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
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
    return grpc.ssl_server_certificate_configuration([(private, chain)], root_certificates=roots)


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OptionError(f"{option}: {path}: {error.strerror}") from None


class Tokens(grpc.ServerInterceptor):
    """Refuses calls without one of the tokens with UNAUTHENTICATED. Keeps digests, never a token."""

    def __init__(self, file: Path | None) -> None:
        """Read tokens from a file, one a line, or from the environment. Raises OptionError."""
        if file is None:
            digests = _from_environment()
            self._digests: Callable[[], tuple[bytes, ...]] = lambda: digests
            return
        files = _Files((file,), lambda: _from_file(file))

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


def _from_file(path: Path) -> tuple[bytes, ...]:
    lines = (line.strip() for line in _read("token_file", path).decode(errors="replace").splitlines())
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
