"""What of a policy ran for one message: the handlers, the functions they went through, and the line that each ended at.

A function's last line is the one that decided: it returned there, refused there, or went on to what comes next. So a
trace is a page for people, whatever the number of lines that ran.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from postmta_ctl.luavm.machine import Place

if TYPE_CHECKING:
    from postmta_ctl.luavm.node import NodeRuntime

MAX_FUNCTIONS = 100
MAX_CALLS = 200
"""Of one handler; a policy of ours stays far below, one edited by hand may loop."""
MAX_SOURCE = 200
"""Characters of a line that are shown, and of an argument."""
_NAME = re.compile(r"function\s+(?P<own>[\w.:]+)|(?P<given>[\w.]+)\s*=.*\bfunction\b")


Arguments = tuple[str | int | float | bool | None, ...]


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the policy that ran."""

    function: str
    """Its name, or ``line N`` for one without."""
    file: str
    line: int
    """The last of its lines that ran."""
    source: str
    """What stands there."""


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """A call of KumoMTA's, from the line that made it."""

    function: str
    arguments: list[str | int | float | bool | None]
    """Its texts, cut off, and numbers; null for a table or an object."""
    file: str
    line: int
    source: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A handler that KumoMTA asked."""

    event: str
    file: str | None
    line: int | None
    """Where it is registered."""
    functions: list[Reached]
    """In the order in which they were entered first."""
    calls: list[Called]


class _Running:
    def __init__(self, event: str, place: Place) -> None:
        self.event = event
        self.place = place
        self.lines: dict[tuple[str, int], int] = {}
        self.calls: dict[tuple[str, Arguments, str, int], None] = {}


class Trace:
    """Fed by a context that is watched; read by :meth:`steps`."""

    def __init__(self, node: NodeRuntime) -> None:
        self._node = node
        self._steps: list[_Running] = []

    def begin(self, event: str, place: Place) -> None:
        """Another handler runs from here on."""
        self._steps.append(_Running(event, place))

    def reached(self, file: str, defined: int, line: int) -> None:
        """A line ran, in the function that is defined at another one."""
        if self._steps:
            lines = self._steps[-1].lines
            if (file, defined) in lines or len(lines) < MAX_FUNCTIONS:
                lines[file, defined] = line

    def called(self, function: str, arguments: Sequence[object], place: Place) -> None:
        """Something of KumoMTA's was called."""
        if self._steps and place.file is not None and place.line is not None:
            calls = self._steps[-1].calls
            if len(calls) < MAX_CALLS:
                calls[
                    function,
                    tuple(_shown(self._node.relative(one) if isinstance(one, str) else one) for one in arguments),
                    place.file,
                    place.line,
                ] = None

    def steps(self) -> list[Step]:
        """What ran so far, in order; and begin anew."""
        found = [self._step(one) for one in self._steps]
        self._steps = []
        return found

    def _step(self, one: _Running) -> Step:
        file, line = one.place
        return Step(
            event=one.event,
            file=self._node.relative(file),
            line=line,
            functions=[
                Reached(
                    function=self._name(path, defined),
                    file=self._node.relative(path) or path,
                    line=last,
                    source=self._source(path, last),
                )
                for (path, defined), last in one.lines.items()
            ],
            calls=[
                Called(
                    function=function,
                    arguments=list(arguments),
                    file=self._node.relative(path) or path,
                    line=at,
                    source=self._source(path, at),
                )
                for function, arguments, path, at in one.calls
            ],
        )

    def _source(self, file: str, line: int) -> str:
        return self._node.source_line(file, line).strip()[:MAX_SOURCE]

    def _name(self, file: str, defined: int) -> str:
        """Lua does not tell a function's name, but the line that defines it does."""
        found = _NAME.search(self._node.source_line(file, defined))
        return (found["own"] or found["given"]) if found else f"line {defined}"


def _shown(value: object) -> str | int | float | bool | None:
    if isinstance(value, str):
        # Octets that are no text come from Lua as lone surrogates.
        return value[:MAX_SOURCE].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, bool | int | float) else None
