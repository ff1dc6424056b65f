"""YAML whose every value knows its line: plain data only.

Of YAML 1.2 (https://yaml.org/spec/1.2.2/) it takes mappings, lists and scalars, read by the core schema without octal
and hexadecimal numbers: ``no`` and ``1:30`` are texts here, as people mean them. Anchors, aliases, tags and several
documents in one file are refused: nobody reviews what is not there to be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]
from yaml import events

from postmta_ctl.core.errors import InputError

MAX_DEPTH = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z")
_WORDS: dict[str, bool | None] = {
    word: value
    for name, value in (("true", True), ("false", False), ("null", None))
    for word in (name, name.capitalize(), name.upper())
} | {"": None, "~": None}

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Node:
    """A value and where it stands."""

    value: Mapping[str, Node] | Sequence[Node] | Scalar
    line: int
    """From 1."""
    path: str
    """Of names, such as ``organizations.acme.vmtas.mx1``."""

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, Mapping):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


class Misplaced(InputError):
    """What is wrong at one place of the file."""

    def __init__(self, line: int, path: str, message: str, *, code: str = "state_invalid") -> None:
        super().__init__(code, message, field=path)
        self.line = line


def scalar(text: str) -> Scalar:
    """What a plain scalar stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def read(text: str) -> Node:
    """The value of a document.

    Raises:
        Misplaced: It is no YAML, or more of YAML than is read here.
    """
    try:
        parsed = (one for one in yaml.parse(text, Loader=_LOADER) if not isinstance(one, events.StreamStartEvent))
        return _Walk(parsed).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Misplaced(mark.line + 1 if mark else 1, "", error.problem or "is no YAML") from None
    except yaml.YAMLError as error:
        raise Misplaced(1, "", f"is no YAML: {' '.join(str(error).split())[:200]}") from None


class _Walk:
    """Goes through the events of a parser."""

    def __init__(self, parsed: Iterator[Any]) -> None:
        self._events = parsed

    def document(self) -> Node:
        first = next(self._events)
        if isinstance(first, events.StreamEndEvent):
            return Node({}, 1, "")
        found = self._value(next(self._events), "", 0)
        next(self._events)  # the end of the document
        more = next(self._events)
        if not isinstance(more, events.StreamEndEvent):
            raise Misplaced(more.start_mark.line + 1, "", "is a second document; one file has one")
        return found

    def _value(self, event: Any, path: str, depth: int) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, events.AliasEvent) or event.anchor:
            raise Misplaced(line, path, "anchors and aliases are not read; write it out")
        if event.tag is not None:
            raise Misplaced(line, path, "tags are not read")
        if depth > MAX_DEPTH:
            raise Misplaced(line, path[:200], "is nested too deeply")
        if isinstance(event, events.MappingStartEvent):
            return Node(self._mapping(path, depth), line, path)
        if isinstance(event, events.SequenceStartEvent):
            return Node(list(self._sequence(path, depth)), line, path)
        return Node(scalar(event.value) if event.implicit[0] else event.value, line, path)

    def _mapping(self, path: str, depth: int) -> dict[str, Node]:
        found = dict[str, Node]()
        while not isinstance(key := next(self._events), events.MappingEndEvent):
            line = key.start_mark.line + 1
            if not isinstance(key, events.ScalarEvent) or key.anchor or key.tag:
                raise Misplaced(line, path, "a name must be a text")
            name = key.value
            within = f"{path}.{name}" if path else name
            if name in found:
                raise Misplaced(line, within, f"stands here twice, first in line {found[name].line}")
            found[name] = self._value(next(self._events), within, depth + 1)
        return found

    def _sequence(self, path: str, depth: int) -> Iterator[Node]:
        index = 0
        while not isinstance(event := next(self._events), events.SequenceEndEvent):
            yield self._value(event, f"{path}[{index}]", depth + 1)
            index += 1
