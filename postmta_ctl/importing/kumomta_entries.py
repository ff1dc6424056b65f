"""Values that make one thing together, from any number of files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from postmta_ctl.importing.builder import Builder
from postmta_ctl.importing.report import Outcome

Name = tuple[str, ...]


class Entry(msgspec.Struct, frozen=True):
    """A value and its directive."""

    value: Any
    index: int


class Entries:
    """Fields by thing. A later value of a field replaces an earlier one, as KumoMTA's helpers have it."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._by_name: dict[Name, dict[str, Entry]] = {}

    def add(self, name: Name, field: str, value: Any, index: int) -> None:
        """One more value."""
        entries = self._by_name.setdefault(name, {})
        if field in entries:
            place = self._builder.report.place(index)
            self._builder.settle(entries[field].index, "not_supported", f"another value replaces it at {place}")
        entries[field] = Entry(value, index)

    def settle(self, entries: dict[str, Entry], outcome: Outcome, note: str) -> None:
        """Say the same of all fields of a thing."""
        for entry in entries.values():
            self._builder.settle(entry.index, outcome, note)

    def __iter__(self) -> Iterator[tuple[Name, dict[str, Entry]]]:
        return iter(self._by_name.items())

    def get(self, name: Name) -> dict[str, Entry]:
        """The fields of one thing; none when there is no such."""
        return self._by_name.get(name, {})
