"""Lines and records of text, with a bound on their size: no input decides how much memory is taken."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

LONGEST_LINE: Final = 1 << 20
_BLOCK: Final = 1 << 20
_KEPT: Final = 256  # of a line that is too long
_MOST_LINES: Final = 1000  # of a record with line breaks in quotes
_INNER_CR: Final = "a CR in the line, without LF after it: are these two rows?"


class Line(NamedTuple):
    """A line without its end. Of one longer than `LONGEST_LINE` bytes `text` has the beginning."""

    number: int
    text: bytes
    size: int

    @property
    def long(self) -> bool:
        """Whether the line is longer than is read."""
        return self.size > LONGEST_LINE


class Record(NamedTuple):
    """A row of text. `problem` says why it has no `fields`.

    `raw` are its bytes as they are in the file, of a line that is too long only the first; `size` is the number of all.
    """

    line: int
    fields: list[str]
    raw: bytes
    size: int
    problem: str = ""


def decoded(text: bytes) -> str:
    r"""Return bytes as text; what is not UTF-8 becomes `\xNN`, as in the ids that graphscore writes."""
    return text.decode("utf-8", "backslashreplace")


def lines(read: Callable[[int], bytes]) -> Iterator[Line]:
    """Yield the lines of what `read` returns; they end in LF or CR LF, the last one need not."""
    number, head, size = 1, b"", 0
    while block := read(_BLOCK):
        for place, piece in enumerate(block.split(b"\n")):
            if place:
                yield _line(number, head, size)
                number, head, size = number + 1, b"", 0
            size += len(piece)
            head = head + piece if size <= LONGEST_LINE + 1 else (head + piece[:_KEPT])[:_KEPT]
    if size:
        yield _line(number, head, size)


def _line(number: int, head: bytes, size: int) -> Line:
    if head.endswith(b"\r") and size == len(head):
        return Line(number, head[:-1], size - 1)
    return Line(number, head, size)


class _TooLongError(Exception):
    pass


class _UnclosedError(Exception):
    pass


class _Feed(Iterator[str]):
    """What csv.reader reads. It asks for more than one line a record only inside quotes."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._back: deque[Line] = deque()
        self.pulled: list[Line] = []
        self._size = 0

    def begin(self) -> None:
        """Begin a record."""
        self.pulled, self._size = [], 0

    def again(self) -> None:
        """Have all lines of the record but the first one read again."""
        self._back.extendleft(reversed(self.pulled[1:]))

    def __next__(self) -> str:
        if len(self.pulled) >= _MOST_LINES or self._size > LONGEST_LINE:
            raise _UnclosedError
        line = self._back.popleft() if self._back else next(self._source, None)
        if line is None:
            if self.pulled:
                raise _UnclosedError
            raise StopIteration
        if line.long and self.pulled:
            self._back.appendleft(line)
            raise _UnclosedError
        self.pulled.append(line)
        self._size += line.size
        if line.long:
            raise _TooLongError
        return decoded(line.text) + "\n"


def separated(source: Iterator[Line], delimiter: str) -> Iterator[Record]:
    """Yield the records of a CSV or TSV file; a line without a character is none.

    A record that cannot be read costs one line: reading goes on with the next one, so that a quote that is never
    closed does not swallow what follows it.
    """
    csv.field_size_limit(2 * LONGEST_LINE)
    feed = _Feed(source)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        problem = ""
        fields: list[str] = []
        try:
            fields = next(reader)
        except StopIteration:
            return
        except _TooLongError:
            problem = too_long(feed.pulled[0])
        except _UnclosedError:
            problem = "a quote that opens in this line is not closed"
        except csv.Error as error:
            inside = any(b"\r" in line.text for line in feed.pulled)
            problem = _INNER_CR if inside else f"not a row of CSV: {error}"
        if problem:
            feed.again()
            del feed.pulled[1:]
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
        raw = b"\n".join(line.text for line in feed.pulled)
        if fields or problem:
            size = feed.pulled[0].size if feed.pulled[0].long else len(raw)
            yield Record(feed.pulled[0].number, fields, raw, size, problem)


def smi(source: Iterator[Line]) -> Iterator[Record]:
    """Yield the records of a .smi file: SMILES, name, separated by tabs, or by blanks where there is no tab.

    An extension of CXSMILES (`|...|`) stays with its SMILES.
    """
    for line in source:
        if line.long:
            yield Record(line.number, [], line.text, line.size, too_long(line))
            continue
        if b"\r" in line.text:
            yield Record(line.number, [], line.text, line.size, _INNER_CR)
            continue
        text = decoded(line.text)
        if not text.strip():
            continue
        kept = text.rstrip()  # only there: a tab at the beginning comes after an empty SMILES
        fields = kept.split("\t") if "\t" in kept else kept.split()
        if len(fields) > 1 and fields[1].startswith("|"):
            end = next((i for i, part in enumerate(fields) if i and part.endswith("|")), 1)
            fields[: end + 1] = [" ".join(fields[: end + 1])]
        yield Record(line.number, [part.strip() for part in fields], line.text, line.size)


def too_long(line: Line) -> str:
    """Return what is wrong with a line that is longer than is read."""
    return f"the line has {line.size:,} bytes, and at most {LONGEST_LINE:,} are read"
