"""Columns in memory that a client on the same machine and this process both map: see SharedColumns in scoring.proto.

Every number of a request is checked against the slot before a byte is read. Content may be wrong too, and a slot may
change while it is read if its client breaks the contract: what is used as an index is copied first and checked
afterwards, so that only values of features, which may be anything, stay where they lie.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from graphscore._arrays import Floats
from graphscore._batch import BatchError

VARIABLE: Final = "GRAPHSCORE_MEMORY"
VERSION: Final = 2
HEADER_BYTES: Final = 64

_FIELDS: Final = 6
_GRANULE: Final = 64 << 10
"""The slots of giants begin at a multiple of it: it is one of the pages of any system."""
_ALIGNMENT: Final = 4
_NUMBER: Final = struct.Struct("<Q")
_SEALS: Final = 0x0001 | 0x0002 | 0x0004
"""F_SEAL_SEAL, F_SEAL_SHRINK and F_SEAL_GROW: the size stays as it is, or reading could end the process."""
_GET_SEALS: Final = 1034


class SlotError(BatchError):
    """A slot that cannot be used, whatever is in it; the message names the field and the numbers."""


class SlotMemoryError(MemoryError):
    """There is no room for the columns of a slot, which is not used any more."""

    def __init__(self, number: int) -> None:
        """Take the number of the use."""
        super().__init__()
        self.number = number


class UnmappedError(Exception):
    """A request has its columns in memory that this process has not mapped."""


@dataclass(frozen=True)
class Extent:
    """A run of bytes in a slot."""

    name: str
    """For messages."""
    offset: int
    """From the beginning of the slot."""
    size: int


@dataclass(frozen=True)
class Giants:
    """The slots of giants, of which none is mapped before it is used."""

    descriptor: int
    """Of the memory; it stays open."""
    begin: int
    """Where the first one begins."""
    slots: int = 0
    slot_bytes: int = 0

    def map(self, slot: int, size: int) -> memoryview:
        """Return the first `size` bytes of a slot. They are mapped until nothing uses them. Raises OSError."""
        return memoryview(mmap.mmap(self.descriptor, size, offset=self.begin + slot * self.slot_bytes))


class Memory:
    """The shared memory. Safe for use from several threads."""

    def __init__(self, mapping: mmap.mmap, slots: int, slot_bytes: int, giants: Giants) -> None:
        """Take over a mapping of slots x slot_bytes bytes."""
        self.slots = slots
        self.slot_bytes = slot_bytes
        self.giants = giants
        self._view = memoryview(mapping)

    def open(self, slot: int, number: int, columns: Sequence[Extent], places: Sequence[Extent]) -> Slot:
        """Return a slot for one call.

        Raises SlotError where a number does not fit it, and SlotMemoryError where that of a giant cannot be mapped.

        Args:
            slot: which one, from 0.
            number: of this use, as in the header of the slot.
            columns: what is read.
            places: what is written.
        """
        giant = slot - self.slots
        if giant >= self.giants.slots:
            raise SlotError(f"slot: {slot}, but there are {self.slots + self.giants.slots}")
        end = _check((*columns, *places), self.slot_bytes if giant < 0 else self.giants.slot_bytes)
        if giant < 0:
            first = slot * self.slot_bytes
            view = self._view[first : first + self.slot_bytes]
        else:
            view = self._map(giant, number, end)
        opened = Slot(slot, number, view, places)
        opened.check()
        return opened

    def _map(self, giant: int, number: int, size: int) -> memoryview:
        try:
            return self.giants.map(giant, size)
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise SlotMemoryError(number) from None
            raise SlotError(f"slot: it cannot be mapped: {error.strerror}") from None


def _check(extents: Iterable[Extent], size: int) -> int:
    """Return the end of the last of some extents of a slot of so many bytes. Raises SlotError."""
    end, before = HEADER_BYTES, "the header"
    for extent in sorted(extents, key=lambda extent: (extent.offset, extent.size)):
        if extent.offset % _ALIGNMENT:
            raise SlotError(f"{extent.name}: offset {extent.offset} is not a multiple of {_ALIGNMENT}")
        if extent.offset < end:
            raise SlotError(f"{extent.name}: offset {extent.offset} lies before the end of {before} at {end}")
        end, before = extent.offset + extent.size, extent.name
        if end > size:
            raise SlotError(f"{extent.name}: it ends at {end}, but a slot has {size} bytes")
    return end


class Slot:
    """One slot in the hands of one call."""

    def __init__(self, index: int, number: int, view: memoryview, places: Sequence[Extent]) -> None:
        """Take the bytes of the slot."""
        self.index = index
        self.number = number
        self._view = view
        self._places = places

    def check(self) -> None:
        """Raise SlotError where the slot is not for this call, or no more."""
        found = _NUMBER.unpack_from(self._view)[0]
        if found != self.number or not found:
            raise SlotError(f"number: {self.number}, but the slot has {found}")

    def column(self, extent: Extent) -> memoryview:
        """Return the bytes of a column, not to be written; they may change."""
        return self._view[extent.offset : extent.offset + extent.size].toreadonly()

    def fits(self, sizes: Sequence[int]) -> None:
        """Raise SlotError where a place has another size than that of the values for it, in bytes."""
        for place, size in zip(self._places, sizes, strict=True):
            if place.size != size:
                raise SlotError(f"{place.name}: the place has {place.size} bytes, but the values take {size}")

    def write(self, values: Sequence[Floats]) -> None:
        """Copy values into the places, in their order. Raises SlotError where the slot is for another call by now."""
        self.fits([table.nbytes for table in values])
        self.check()
        for place, table in zip(self._places, values, strict=True):
            target = np.frombuffer(self._view, "<f4", table.size, place.offset)
            target[:] = table.ravel()
        self.check()


def inherited(environment: MutableMapping[str, str]) -> tuple[Memory | None, str]:
    """Map the memory that the environment describes, and take it out of there.

    Returns it, or None and why there is none: '' where none was given, or it is of a version not known here yet.
    The descriptor is closed where there are no slots of giants, or no memory; else no process that starts later has it.
    """
    described = environment.pop(VARIABLE, "")
    numbers = described.split()
    if numbers and numbers[0].isascii() and numbers[0].isdigit() and int(numbers[0]) < VERSION:
        return None, f"it has version {numbers[0]}, and this package is newer: it knows {VERSION}"
    if not described or numbers[:1] != [str(VERSION)]:
        return None, ""
    if len(numbers) != _FIELDS or not all(number.isascii() and number.isdigit() for number in numbers):
        return None, f"{VARIABLE} is not version, descriptor, slots and their size, slots of giants and their size"
    descriptor, slots, slot_bytes, giants, giant_bytes = map(int, numbers[1:])
    begin = -(-slots * slot_bytes // _GRANULE) * _GRANULE
    try:
        mapping = _map(descriptor, slots * slot_bytes, begin + giants * giant_bytes)
    except (OSError, ValueError, OverflowError) as error:
        with contextlib.suppress(OSError, OverflowError):  # it is not open, which is said below
            os.close(descriptor)
        return None, f"it cannot be mapped: {error.strerror if isinstance(error, OSError) else error}"
    if giants:
        os.set_inheritable(descriptor, False)
    else:
        os.close(descriptor)
    return Memory(mapping, slots, slot_bytes, Giants(descriptor, begin, giants, giant_bytes)), ""


def _map(descriptor: int, mapped: int, size: int) -> mmap.mmap:
    found = os.fstat(descriptor).st_size
    seals = fcntl.fcntl(descriptor, _GET_SEALS)
    if found != size or not size:
        raise ValueError(f"it has {found} bytes instead of {size}")
    if seals & _SEALS != _SEALS:
        raise ValueError(f"it has the seals {seals:#x}, so that its size may change")
    return mmap.mmap(descriptor, mapped)
