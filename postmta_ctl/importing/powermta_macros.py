"""Macros of PowerMTA: names for lists of domains."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postmta_ctl.importing.powermta_parser import Statement

MAX_DOMAINS = 10_000
MAX_DEPTH = 50
_SEPARATOR = re.compile(r"[\s,]+")


class Macros:
    """What ``domain-macro NAME domain, domain, …`` defines; a domain may be another macro, as ``$NAME``."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._domains = {
            one.words[0].lower(): split(one.words[1:])
            for one in statements
            if one.name == "domain-macro" and one.words and not one.problem
        }
        self._known: dict[str, list[str]] = {}

    def expand(self, words: Sequence[str]) -> list[str]:
        """The domains that are meant.

        Raises:
            ValueError: A macro is not defined, is defined by itself, or stands for too many domains.
        """
        return self._expanded(split(words), ())

    def _expanded(self, words: Sequence[str], within: tuple[str, ...]) -> list[str]:
        found: list[str] = []
        for word in words:
            found += self._macro(word[1:].lower(), within) if word.startswith("$") else [word.lower()]
            if len(found) > MAX_DOMAINS:
                raise ValueError(f"stands for more than {MAX_DOMAINS} domains")
        return found

    def _macro(self, name: str, within: tuple[str, ...]) -> list[str]:
        if name in within:
            raise ValueError(f"the macro ${name} is defined by itself")
        if name not in self._domains:
            raise ValueError(f"there is no macro ${name}")
        if len(within) > MAX_DEPTH:
            raise ValueError(f"the macro ${name} is more than {MAX_DEPTH} macros deep")
        if name not in self._known:  # macros that name others twice each would take exponential time
            self._known[name] = self._expanded(self._domains[name], (*within, name))
        return self._known[name]


def split(words: Sequence[str]) -> list[str]:
    """A list that is separated by commas, spaces or both."""
    return [one for one in _SEPARATOR.split(" ".join(words)) if one]
