"""What ends a conversion, with its exit code."""

from __future__ import annotations

from typing import Final

USAGE: Final = 64
NO_INPUT: Final = 65
NOT_THERE: Final = 66
UNAVAILABLE: Final = 69
MEMORY: Final = 71
CANNOT_CREATE: Final = 73
INPUT_OUTPUT: Final = 74
LOCKED: Final = 75
REFUSED: Final = 78


class ConvertError(Exception):
    """A conversion cannot begin or go on. The message names the file or flag and says what to do.

    Attributes:
        code: the exit code of the command.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[ConvertError], tuple[int, str]]:
        """Return how it is made again in another process: the parent of the one that raised it."""
        return type(self), (self.code, str(self))
