"""TOML and JSON files as lists of their values, each with its path and line, which no parser of the library gives."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec

from postmta_ctl.core.errors import InputError
from postmta_ctl.importing.files import MAX_DIRECTIVES

MAX_DEPTH = 50
Path = tuple[str, ...]
_TOKEN = re.compile(r'[ \t\r]*(?:(\n)|("(?:[^"\\\n]|\\.)*"|[-+.\w]+)|([{}\[\],:]))')


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A scalar, a list of scalars, or a table with nothing in it."""

    path: Path
    """Names of the tables around it, and its own; positions in lists of tables are numbers in brackets."""
    value: Any
    line: int


def read(name: str, content: bytes) -> list[Value]:
    """The values of a file, in its order; duplicates too, where the format lets them be.

    Raises:
        InputError: It is neither TOML nor JSON, by its name and content, or is too large or too deep.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        found = list(_json(text) if name.lower().endswith(".json") else _toml(text))
    except RecursionError:
        raise InputError("document_depth", "has too many tables in tables") from None
    except UnicodeDecodeError as error:
        raise InputError("document_encoding", f"is not in UTF-8, from octet {error.start} on") from None
    except ValueError as error:  # of which the errors of tomllib and json are kinds
        raise InputError("document_syntax", str(error)) from None
    if len(found) > MAX_DIRECTIVES:
        raise InputError("document_size", f"has more than {MAX_DIRECTIVES} values")
    return found


def _toml(text: str) -> Iterator[Value]:
    tomllib.loads(text)
    table: Path = ()
    counts: dict[Path, int] = {}
    open_header: tuple[Path, int] | None = None
    for line, statement in _statements(text):
        if statement.lstrip().startswith("["):
            if open_header:
                yield Value(path=open_header[0], value={}, line=open_header[1])
            table = _numbered(*_header(statement), counts)
            open_header = table, line
            continue
        open_header = None
        yield from _leaves(tomllib.loads(statement), table, line)
    if open_header:
        yield Value(path=open_header[0], value={}, line=open_header[1])


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Headers and assignments with their first line. A statement ends with the first line that makes it valid."""
    start, parts = 0, list[str]()
    for number, line in enumerate(text.split("\n"), start=1):
        if not parts and (not line.strip() or line.lstrip().startswith("#")):
            continue
        start = start if parts else number
        parts.append(line)
        if _is_whole(parts):
            yield start, "\n".join(parts)
            parts = []


def _is_whole(parts: list[str]) -> bool:
    # Only a line that could end a list or a text of several lines is worth a try.
    if len(parts) > 1 and not re.search(r"[\]}]|\"\"\"|'''", parts[-1]):
        return False
    try:
        tomllib.loads("\n".join(parts))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _header(statement: str) -> tuple[Path, bool]:
    path, value = list[str](), tomllib.loads(statement)
    repeated = False
    while value:
        name = next(iter(value))
        path.append(name)
        repeated = isinstance(value[name], list)
        value = value[name][0] if repeated else value[name]
    return tuple(path), repeated


def _numbered(path: Path, repeated: bool, counts: dict[Path, int]) -> Path:
    """The path with the position of each list of tables on the way."""
    if repeated:
        counts[path] = counts.get(path, -1) + 1
    found = list[str]()
    for depth, name in enumerate(path, start=1):
        found.append(name)
        if path[:depth] in counts:
            found.append(f"[{counts[path[:depth]]}]")
    return tuple(found)


def _leaves(value: Any, path: Path, line: int) -> Iterator[Value]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name), line)
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for position, inner in enumerate(value):
            yield from _leaves(inner, (*path, f"[{position}]"), line)
    else:
        yield Value(path=path, value=value, line=line)


def _json(text: str) -> Iterator[Value]:
    if not isinstance(json.loads(text), dict):
        raise InputError("document_syntax", "is no object")
    return _JsonWalk(text).walk()


class _JsonWalk:
    """Goes through a text that is known to be JSON."""

    def __init__(self, text: str) -> None:
        self._tokens = self._tokenized(text)

    @staticmethod
    def _tokenized(text: str) -> list[tuple[str, int]]:
        line, found = 1, list[tuple[str, int]]()
        for newline, scalar, mark in _TOKEN.findall(text):
            if newline:
                line += 1
            else:
                found.append((scalar or mark, line))
        return found[::-1]

    def walk(self) -> Iterator[Value]:
        return self._value((), 0)

    def _value(self, path: Path, depth: int) -> Iterator[Value]:
        if depth > MAX_DEPTH:
            raise InputError("document_depth", "has too many tables in tables")
        token, line = self._tokens.pop()
        if token == "{":
            yield from self._object(path, line, depth)
        elif token == "[":
            yield from self._list(path, line, depth)
        else:
            yield Value(path=path, value=json.loads(token), line=line)

    def _object(self, path: Path, line: int, depth: int) -> Iterator[Value]:
        if self._tokens[-1][0] == "}":
            self._tokens.pop()
            yield Value(path=path, value={}, line=line)
            return
        while True:
            name = json.loads(self._tokens.pop()[0])
            self._tokens.pop()  # the colon
            yield from self._value((*path, name), depth + 1)
            if self._tokens.pop()[0] == "}":
                return

    def _list(self, path: Path, line: int, depth: int) -> Iterator[Value]:
        found, position = list[Value](), 0
        while self._tokens[-1][0] != "]":
            found += self._value((*path, f"[{position}]"), depth + 1)
            position += 1
            if self._tokens[-1][0] == ",":
                self._tokens.pop()
        self._tokens.pop()
        if len(found) == position and all(len(one.path) == len(path) + 1 and one.value != {} for one in found):
            yield Value(path=path, value=[one.value for one in found], line=line)
        else:
            yield from found
