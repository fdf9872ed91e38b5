"""What commands print: no text of a file, and of no library that repeats one, commands a terminal."""

from __future__ import annotations

import re
from typing import Final

# Control characters but newline and tab, marks that turn the direction of writing, and other ends of lines: the same as
# display.Harmless of the Go side escapes.
_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    r"""Return a text with what a terminal could take as a command as \u001b: JSON stays JSON."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def line(text: str) -> str:
    """Return a text of one line, harmless, with the end of a line."""
    return harmless(text.replace("\n", "\\n")) + "\n"
