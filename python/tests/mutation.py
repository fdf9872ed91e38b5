"""Changed copies of real files, from a seed: pipeline/pipelinetest/mutation does the same for Go.

FUZZ_SEED is the seed, 1 without, and FUZZ_COUNT the number of mutations of each target, a few without.
"""

from __future__ import annotations

import os
import random
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from graphscore._terminal import harmless

FEW: Final = 40
LENGTHS: Final = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
TEXTS: Final = (
    *(b"\x1b[31m", b"\a", b"\r", b"\x00", b"\x7f", b"\xff\xfe", b"\n", b"\t", b'"', b"'", b"\\", b"\\u001b[2J"),
    *("\u009b2J".encode(), "\u202e".encode(), "\u2028".encode(), b"\\ud800", b"null", b"-1", b"1e999", b"NaN", b"[]"),
    *(b"[" * 300, b"9" * 400, b'{"a":' * 100, b"../../../etc/passwd", b"C" * 5000, b"(" * 300, b"1" * 100),
)


def mutate(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Return a changed copy. Pieces of `other` may come into it."""
    content = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        if len(content) < 16:
            return bytes(content) + rng.randbytes(1)
        last = len(content)
        at = rng.randrange(last - 8)
        end = min(at + rng.randint(1, 300), last)
        begin = rng.randrange(len(other))
        head, tail = rng.randrange(min(last, 400)), last - 1 - rng.randrange(min(last, 400))
        first, behind, piece = rng.choice(
            (
                (at, last, b""),
                (at, end, bytes(end - at)),  # as of a page that was never written
                (at, at + 4, rng.choice(LENGTHS).to_bytes(4, "little")),
                (at, at + 8, (rng.choice(LENGTHS) << rng.randrange(33)).to_bytes(8, "little")),
                (head, head + 1, rng.randbytes(1)),
                (tail, tail + 1, rng.randbytes(1)),
                (at, end, other[begin : begin + end - at]),
                (at, at, content[at:end]),
                (at, end, b""),
                (at, at, rng.choice(TEXTS)),
                (at, at + 1, bytes([content[at] ^ 1 << rng.randrange(8)])),
            )
        )
        content[first:behind] = piece
    return bytes(content)


def run(
    name: str,
    seeds: Mapping[str, bytes],
    read: Callable[[bytes], str | None],
    *,
    memory: int,
    share: int = 1,
    few: int = FEW,
) -> None:
    """Read mutations of the seeds.

    Args:
        name: of the target.
        seeds: real files.
        read: reads a content, and returns what a user is told of it, None where it is accepted. What is no fault of the
            file that the reader knows, it raises.
        memory: the most bytes that reading may take, beside 64 times those of the content.
        share: one in so many of FUZZ_COUNT, for files that take long.
        few: the mutations where nobody asks for more.
    """
    seed, count = int(os.environ.get("FUZZ_SEED", "1")), int(os.environ.get("FUZZ_COUNT", "0")) // share or few
    names = sorted(seeds)
    for number in range(count):
        rng = random.Random(f"{name} {seed} {number}")
        content = mutate(rng, seeds[names[number % len(names)]], seeds[rng.choice(names)])
        where = f"mutation {number} of seed {seed}, of {names[number % len(names)]}"
        tracemalloc.start()
        try:
            said = read(content)
            took = tracemalloc.get_traced_memory()[1]
        except Exception as error:
            error.add_note(f"{where}: kept as {_keep(name, content)}")
            raise
        finally:
            tracemalloc.stop()
        assert took < memory + 64 * len(content), f"{where}: {took} bytes: kept as {_keep(name, content)}"
        assert said is None or not _wrong(said), f"{where}: {said!r}: kept as {_keep(name, content)}"
    sys.stdout.write(f"mutations: {name} seed {seed} count {count}\n")


def _wrong(said: str) -> bool:
    return said != harmless(said) or "\n" in said or "Traceback" in said or len(said) > 4096


def _keep(name: str, content: bytes) -> Path:
    folder = Path(__file__).parents[2] / ".cache" / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hash(content) & 0xFFFFFFFF:08x}"
    path.write_bytes(content)
    return path
