"""What ends a conversion."""

from __future__ import annotations

from graphscore._terminal import harmless


class ConvertError(Exception):
    """A conversion cannot begin or go on. The message names the file or flag and says what to do.

    Attributes:
        code: the exit code of the command, of `_exit_codes`.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(harmless(message))
        self.code = code

    def __reduce__(self) -> tuple[type[ConvertError], tuple[int, str]]:
        """Return how it is made again in another process: the parent of the one that raised it."""
        return type(self), (self.code, str(self))
