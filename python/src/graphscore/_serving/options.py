"""How to serve. Imports nothing heavy: the command line reads the defaults before numpy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LEAST_MESSAGE_BYTES: Final = 64 << 10
_MOST_MESSAGE_BYTES: Final = (1 << 31) - 1


class OptionError(ValueError):
    """An option that is invalid or not allowed; the message names it and says what to do."""


@dataclass(frozen=True)
class ServerOptions:
    """How to serve."""

    listen: str = "127.0.0.1:9999"
    """HOST:PORT (port 0: any free one) or unix:PATH."""
    allow_remote: bool = False
    """Listen on addresses that other machines can reach."""
    max_message_bytes: int = 64 << 20
    """The largest message, received or sent."""
    threads: int = 4
    """Batches that are computed at once. The others take turns: threads that share a core, and the lock of the
    interpreter, only throw each other's data out of the caches."""
    concurrent_calls: int = 1040
    """Calls that may be open at once, waiting ones included; further ones get RESOURCE_EXHAUSTED. Room for
    1,024 of ProcessGraph and some of health and reflection."""

    def check(self) -> None:
        """Raise OptionError for a number out of its range. The address is checked where it is parsed."""
        if not _LEAST_MESSAGE_BYTES <= self.max_message_bytes <= _MOST_MESSAGE_BYTES:
            raise OptionError(
                f"max_message_bytes: {self.max_message_bytes} is not between {_LEAST_MESSAGE_BYTES} and"
                f" {_MOST_MESSAGE_BYTES}"
            )
        if self.threads < 1:
            raise OptionError(f"threads: {self.threads} is not at least 1")
