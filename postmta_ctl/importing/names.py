"""Names of PostMTA made of names that others allow."""

from __future__ import annotations

import re

MAX_NAME = 63


class Names:
    """Gives each name of a configuration one of ours: 1 to 63 of ``a-z``, ``0-9`` and ``-``, no two the same.

    The same names in the same order give the same results, so that a second import finds what the first one made.
    """

    def __init__(self, fallback: str) -> None:
        self._fallback = fallback
        self._by_given: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, given: str) -> str:
        """Our name for a name."""
        if given not in self._by_given:
            self._by_given[given] = self.new(given)
        return self._by_given[given]

    def new(self, given: str) -> str:
        """Our name for one more thing that has this name."""
        slug = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:MAX_NAME].rstrip("-") or self._fallback
        name, number = slug, 1
        while name in self._taken:
            number += 1
            name = f"{slug[: MAX_NAME - 1 - len(str(number))]}-{number}"
        self._taken.add(name)
        return name


def renamed(given: str, name: str) -> str:
    """What to say of a name that had to be changed; empty when it is the same."""
    return "" if given == name else f"; its name here is {name}"
