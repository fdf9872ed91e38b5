"""A reader of pickles that builds nothing but plain values, tensors and inert records.

Context: `pickle.Unpickler` calls what a pickle names, and even with `find_class` overridden it takes memory for counts
that nothing backs, and recurses in C. Decision: an interpreter of the operations that torch.save writes (protocols 2 to
5), in which a name is a text and a call is a Record. Price: an operation that a later protocol adds is refused, by its
number. Each operation takes a byte of the pickle at least and builds one small value, so memory and time are bounded by
the length of the pickle; what it holds is walked nowhere but where the exporter looks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from graphscore.export.chemprop._names import STORAGES, FoundError, build, known
from graphscore.export.chemprop._records import Name, Record, Storage

_OPERATIONS: Final = 500_000
_KEYS: Final = (str, int, float, bool, bytes, type(None))
_MARK: Final = object()
_LARGEST: Final = 1 << 64
"""Of integers; seeds of random numbers have 64 bits without a sign."""
_STOP: Final = ord(".")


class _Machine:
    """The stack and the memo of a pickle that is being read. A method is named after what an operation does."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[object] = []
        self.memo: dict[int, object] = {}

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise FoundError("its pickle ends too early; the file is damaged, copy it again")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: struct.Struct) -> int:
        number: int = form.unpack(self.take(form.size))[0]
        return number

    def line(self) -> str:
        end = self.data.index(b"\n", self.at) if b"\n" in self.data[self.at : self.at + 1024] else -1
        if end < 0:
            raise FoundError("its pickle ends too early; the file is damaged, copy it again")
        return self.take(end + 1 - self.at)[:-1].decode()

    def pop(self) -> object:
        value = self.stack.pop()
        if value is _MARK:
            raise IndexError
        return value

    def push(self, value: object) -> None:
        self.stack.append(value)

    def until_mark(self) -> list[object]:
        values: list[object] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def top(self) -> object:
        if self.stack[-1] is _MARK:
            raise IndexError
        return self.stack[-1]

    def keep(self, place: int) -> None:
        self.memo[place] = self.top()

    def recall(self, place: int) -> None:
        if place not in self.memo:
            raise IndexError
        self.push(self.memo[place])

    def named(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise IndexError
        found = Name(module, name)
        if not known(found):
            raise FoundError(
                f"its pickle names {found}, which no checkpoint of chemprop 2 needs; nothing of it was run, and the"
                " file is not read"
            )
        self.push(found)

    def call(self, name: object, arguments: object) -> None:
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise FoundError("its pickle calls something that is no class; nothing of it was run")
        self.push(build(name, arguments))

    def persistent(self) -> None:
        match self.pop():
            case ("storage", Name(module, name), str(key), str(), int(count)) if f"{module}.{name}" in STORAGES:
                self.push(Storage(STORAGES[f"{module}.{name}"], key, count))
            case _:
                raise FoundError("its pickle has numbers of a type that no checkpoint of chemprop has")

    def set(self, pairs: list[object]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(pairs) % 2:
            raise FoundError("its pickle sets items of something that is no dictionary; nothing of it was run")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, _KEYS):
                raise FoundError("a dictionary in its pickle has keys that are neither texts nor numbers")
            target[key] = value

    def append(self, values: list[object]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise FoundError("its pickle appends to something that is no list; nothing of it was run")
        target += values

    def state(self) -> None:
        state, target = self.pop(), self.top()
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):
            raise FoundError("its pickle sets the state of something that has none; nothing of it was run")


_Operation = Callable[[_Machine], object]

_1: Final = struct.Struct("<B")
_2: Final = struct.Struct("<H")
_4: Final = struct.Struct("<I")
_4_SIGNED: Final = struct.Struct("<i")
_8: Final = struct.Struct("<Q")
_FLOAT: Final = struct.Struct(">d")


def _value(value: object) -> _Operation:
    return lambda vm: vm.push(value)


def _text(form: struct.Struct) -> _Operation:
    return lambda vm: vm.push(vm.take(vm.number(form)).decode())


def _raw(form: struct.Struct) -> _Operation:
    return lambda vm: vm.push(vm.take(vm.number(form)))


def _integer(form: struct.Struct) -> _Operation:
    return lambda vm: vm.push(vm.number(form))


def _long(vm: _Machine) -> None:
    value = int.from_bytes(vm.take(vm.number(_1)), "little", signed=True)
    if abs(value) > _LARGEST:
        raise FoundError("its pickle has an integer of more than 64 bits; it is no checkpoint of chemprop")
    vm.push(value)


def _last(count: int) -> _Operation:
    return lambda vm: vm.push(tuple([vm.pop() for _ in range(count)][::-1]))


def _stack_global(vm: _Machine) -> None:
    name, module = vm.pop(), vm.pop()
    vm.named(module, name)


def _reduce(vm: _Machine) -> None:
    arguments, name = vm.pop(), vm.pop()
    vm.call(name, arguments)


def _new_with_keywords(vm: _Machine) -> None:
    keywords, arguments, name = vm.pop(), vm.pop(), vm.pop()
    if keywords != {}:
        raise FoundError("its pickle makes something with keywords, which torch.save does not write")
    vm.call(name, arguments)


def _set_item(vm: _Machine) -> None:
    value, key = vm.pop(), vm.pop()
    vm.set([key, value])


def _append(vm: _Machine) -> None:
    value = vm.pop()
    vm.append([value])


_TABLE: Final[dict[int, _Operation]] = {
    ord("("): _value(_MARK),
    ord("0"): lambda vm: vm.stack.pop(),
    ord("1"): lambda vm: vm.until_mark(),
    ord("2"): lambda vm: vm.push(vm.top()),
    ord("B"): _raw(_4),
    ord("C"): _raw(_1),
    ord("G"): lambda vm: vm.push(_FLOAT.unpack(vm.take(_FLOAT.size))[0]),
    ord("J"): _integer(_4_SIGNED),
    ord("K"): _integer(_1),
    ord("M"): _integer(_2),
    ord("N"): _value(None),
    ord("Q"): lambda vm: vm.persistent(),
    ord("R"): _reduce,
    ord("X"): _text(_4),
    ord("]"): lambda vm: vm.push([]),
    ord("a"): _append,
    ord("b"): lambda vm: vm.state(),
    ord("c"): lambda vm: vm.named(vm.line(), vm.line()),
    ord("e"): lambda vm: vm.append(vm.until_mark()),
    ord("h"): lambda vm: vm.recall(vm.number(_1)),
    ord("j"): lambda vm: vm.recall(vm.number(_4)),
    ord("q"): lambda vm: vm.keep(vm.number(_1)),
    ord("r"): lambda vm: vm.keep(vm.number(_4)),
    ord("s"): _set_item,
    ord("t"): lambda vm: vm.push(tuple(vm.until_mark())),
    ord("u"): lambda vm: vm.set(vm.until_mark()),
    ord(")"): _value(()),
    ord("}"): lambda vm: vm.push({}),
    0x80: lambda vm: vm.take(1),  # the protocol
    0x81: _reduce,  # cls.__new__(cls, *arguments): a Record either way
    0x85: _last(1),
    0x86: _last(2),
    0x87: _last(3),
    0x88: _value(True),
    0x89: _value(False),
    0x8A: _long,
    0x8C: _text(_1),
    0x8D: _text(_8),
    0x8E: _raw(_8),
    0x92: _new_with_keywords,
    0x93: _stack_global,
    0x94: lambda vm: vm.keep(len(vm.memo)),
    0x95: lambda vm: vm.take(8),  # the length of a frame
}


def load(data: bytes) -> object:
    """Return the value of a pickle. Raises FoundError with what is wrong with it."""
    vm = _Machine(data)
    try:
        for _ in range(_OPERATIONS):
            code = vm.take(1)[0]
            if code == _STOP:
                return vm.pop()
            if code not in _TABLE:
                raise FoundError(f"operation {code:#04x} of its pickle is none that torch.save writes")
            _TABLE[code](vm)
    except (IndexError, UnicodeDecodeError):
        raise FoundError(f"its pickle is damaged at byte {vm.at}; copy the file again") from None
    raise FoundError(f"its pickle has more than {_OPERATIONS} operations; it is no checkpoint of chemprop")
