"""Which globals a chunk of Lua reads and writes, found in its compiled form without running it.

A global is a field of the upvalue ``_ENV``; Lua 5.4 compiles the access to GETTABUP or SETTABUP with the name as a
constant. The layout read here is that of ``string.dump`` (Lua 5.4, ldump.c and lopcodes.h).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

T = TypeVar("T")
_HEADER_SIZE = 32
_GETTABUP, _SETTABUP = 11, 15
_NO_LINE = -0x80
_SHORT_STRING, _LONG_STRING = 0x04, 0x14
_NUMBERS = frozenset([0x03, 0x13])


class GlobalAccess(msgspec.Struct, frozen=True):
    """One read or write of a global."""

    name: str
    line: int
    is_write: bool


def global_accesses(bytecode: bytes) -> list[GlobalAccess]:
    """All accesses in a dumped chunk, in the order of the code, inner functions after their outer one."""
    return list(_Reader(bytecode).function())


class _Reader:
    """Reads a dump from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = _HEADER_SIZE

    def function(self) -> Iterator[GlobalAccess]:
        self._string()
        line = self._integer()
        self._integer()
        self._skip(3)  # parameters, vararg, stack size
        code = struct.unpack(f"<{(count := self._integer())}I", self._bytes(4 * count))
        constants = self._list(self._constant)
        self._list(lambda: self._bytes(3))  # where the upvalues come from
        inner = [access for function in self._list(lambda: list(self.function())) for access in function]
        lines = self._lines(line)
        self._list(lambda: (self._string(), self._integer(), self._integer()))  # local variables
        upvalues = self._list(self._string)
        yield from _accesses(code, constants, upvalues, lines)
        yield from inner

    def _lines(self, line: int) -> list[int]:
        """The line of each instruction: steps from one to the next, and absolute ones where a step is too wide."""
        steps = struct.unpack(f"<{(count := self._integer())}b", self._bytes(count))
        absolute = dict(self._list(lambda: (self._integer(), self._integer())))
        lines = []
        for position, step in enumerate(steps):
            line = absolute[position] if step == _NO_LINE else line + step
            lines.append(line)
        return lines

    def _constant(self) -> str | None:
        kind = self._bytes(1)[0]
        if kind in _NUMBERS:
            self._skip(8)
        return self._string() if kind in (_SHORT_STRING, _LONG_STRING) else None

    def _list(self, read: Callable[[], T]) -> list[T]:
        return [read() for _ in range(self._integer())]

    def _string(self) -> str:
        size = self._integer()
        return self._bytes(size - 1).decode("utf-8", "surrogateescape") if size else ""

    def _integer(self) -> int:
        """Seven bits a byte, most significant first; the last byte has its high bit set."""
        value = 0
        while True:
            byte = self._bytes(1)[0]
            value = value << 7 | byte & 0x7F
            if byte & 0x80:
                return value

    def _bytes(self, count: int) -> bytes:
        self._skip(count)
        return self._data[self._position - count : self._position]

    def _skip(self, count: int) -> None:
        self._position += count


def _accesses(
    code: tuple[int, ...], constants: list[str | None], upvalues: list[str], lines: list[int]
) -> Iterator[GlobalAccess]:
    for instruction, line in zip(code, lines, strict=True):
        operation = instruction & 0x7F
        a, b, c = instruction >> 7 & 0xFF, instruction >> 16 & 0xFF, instruction >> 24
        if operation not in (_GETTABUP, _SETTABUP):
            continue
        is_write = operation == _SETTABUP
        table, name = (upvalues[a], constants[b]) if is_write else (upvalues[b], constants[c])
        if table == "_ENV" and name is not None:
            yield GlobalAccess(name, line, is_write)
