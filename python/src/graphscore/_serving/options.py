"""How to serve. Imports nothing heavy: the command line reads the defaults before numpy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

TOKENS_VARIABLE: Final = "GRAPHSCORE_SERVER_TOKENS"
"""The environment variable with the tokens that are accepted, apart by blanks."""

_LEAST_MESSAGE_BYTES: Final = 64 << 10
_MOST_MESSAGE_BYTES: Final = (1 << 31) - 1


class OptionError(ValueError):
    """An option that is invalid or not allowed; the message names it and says what to do."""


@dataclass(frozen=True)
class ServerOptions:
    """How to serve."""

    listen: str = "127.0.0.1:9999"
    """HOST:PORT (port 0: any free one) or unix:PATH."""
    insecure: bool = False
    """Listen without TLS on addresses that other machines can reach."""
    tls_cert: Path | None = None
    """The server's certificate with those that lead to its CA, in PEM; with it `tls_key`."""
    tls_key: Path | None = None
    """The key of the certificate, in PEM, without a password."""
    tls_client_ca: Path | None = None
    """The CAs of clients, in PEM: clients need a certificate of one of them."""
    token_file: Path | None = None
    """Bearer tokens, one a line: calls need one of them."""
    token_environment: bool = False
    """Calls need one of the tokens of the environment variable GRAPHSCORE_SERVER_TOKENS."""
    max_message_bytes: int = 64 << 20
    """The largest message, received or sent."""
    threads: int = 4
    """Batches that are computed at once. The others take turns: threads that share a core, and the lock of the
    interpreter, only throw each other's data out of the caches."""
    concurrent_calls: int = 1024
    """Calls of each service that may be open at once, waiting ones included; a further one takes the place of one
    whose body has not arrived for a second, or gets RESOURCE_EXHAUSTED. Health and GetModel are not among them."""
    body_seconds: float = 3600.0
    """In which the body of a call must arrive once it is read; then the call gets UNAVAILABLE. A link may be slow: a
    body is ended earlier, with RESOURCE_EXHAUSTED, only where its place or its memory is needed."""
    idle_seconds: float = 60.0
    """After which a connection over TCP without a call is closed; clients connect again when they have a call."""
    stuck_seconds: float = 15.0
    """Health is NOT_SERVING where no scoring call could be served for longer: calls wait while none is computed, or all
    `threads` compute what nobody waits for any more, past its deadline or cancelled. math.inf: never."""

    def check(self) -> None:
        """Raise OptionError for what cannot be. The address and the files are checked where they are read."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise OptionError("tls_cert, tls_key: a certificate needs its key, and a key its certificate: set both")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise OptionError("tls_client_ca: clients show certificates over TLS only: set --tls-cert and --tls-key")
        if self.token_file is not None and self.token_environment:
            raise OptionError(f"token_file: {TOKENS_VARIABLE} is set as well; use one of them")
        if (self.token_file is not None or self.token_environment) and self.tls_cert is None:
            where = TOKENS_VARIABLE if self.token_file is None else "token_file"
            raise OptionError(f"{where}: tokens are taken over TLS only: set --tls-cert and --tls-key")
        if not _LEAST_MESSAGE_BYTES <= self.max_message_bytes <= _MOST_MESSAGE_BYTES:
            raise OptionError(
                f"max_message_bytes: {self.max_message_bytes} is not between {_LEAST_MESSAGE_BYTES} and"
                f" {_MOST_MESSAGE_BYTES}"
            )
        if self.threads < 1:
            raise OptionError(f"threads: {self.threads} is not at least 1")
