"""What became of each directive of a configuration that was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Outcome = Literal["imported", "approximated", "not_supported"]
OUTCOMES: tuple[Outcome, ...] = ("imported", "approximated", "not_supported")


class Directive(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a configuration: a line, the opening tag of a block, or one value of a TOML or JSON file."""

    file: str
    """As it is named in the configuration, or relative to its folder."""
    line: int
    """From 1."""
    text: str
    """For people, without secrets."""
    within: str = ""
    """The blocks around it."""
    problem: str = ""
    """Why it cannot be read at all; then nothing is done with it."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A directive in the report."""

    file: str
    line: int
    within: str
    directive: str
    outcome: Outcome
    note: str
    """What was made of it, how it is approximated, or why it is not supported."""


class Report:
    """The directives in the order they were read, and what becomes of each. Every one is settled exactly once."""

    def __init__(self, directives: Sequence[Directive]) -> None:
        self._directives = directives
        self._settled: dict[int, tuple[Outcome, str]] = {}

    def settle(self, index: int, outcome: Outcome, note: str) -> None:
        """Say what becomes of a directive.

        Raises:
            RuntimeError: It was said before.
        """
        if index in self._settled:
            raise RuntimeError(f"directive {index} is settled already")
        self._settled[index] = (outcome, note)

    def refuse(self, index: int, why: str) -> None:
        """What was to be made of a directive cannot be made after all."""
        if index not in self._settled:
            raise RuntimeError(f"directive {index} was not settled")
        self._settled[index] = ("not_supported", why)

    def place(self, index: int) -> str:
        """``file:line`` of a directive."""
        return f"{self._directives[index].file}:{self._directives[index].line}"

    def lines(self) -> list[Line]:
        """All of it.

        Raises:
            RuntimeError: A directive would be dropped silently.
        """
        if missing := set(range(len(self._directives))) - self._settled.keys():
            raise RuntimeError(f"{len(missing)} directives are not settled, first {self.place(min(missing))}")
        return [
            Line(file=one.file, line=one.line, within=one.within, directive=one.text, outcome=outcome, note=note)
            for one, (outcome, note) in ((one, self._settled[index]) for index, one in enumerate(self._directives))
        ]
