"""Reading the fields of a request one by one, so that the answer names all that are wrong and not just the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from postmta_ctl.core.errors import InputError
from postmta_ctl.errors import FieldError, InvalidRequest

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_NAMED = re.compile(r"(?:unknown|missing required) field `(?P<name>[^`]*)`")


def field_error(message: str, within: str = "") -> FieldError:
    """The field that msgspec's text of a validation error is about.

    Args:
        message: Its text, which names the place within the value: ``… - at `$.to[0]```.
        within: Where the value itself stands.
    """
    if at := _AT.search(message):
        within, message = at["path"], message[: at.start()]
    if named := _NAMED.search(message):
        within = f"{within}.{named['name']}" if within else named["name"]
    return FieldError(field=within or "body", message=message)


class Fields:
    """The problems found so far."""

    def __init__(self) -> None:
        self._problems: list[FieldError] = []

    def read(self, field: str, parse: Callable[[str], str], text: str) -> str:
        """What ``parse`` makes of the field; empty, and a problem more, when it refuses."""
        try:
            return parse(text)
        except InputError as error:
            self.refuse(field, error.message, code=error.code)
            return ""

    def refuse(self, field: str, message: str, *, code: str = "invalid") -> None:
        """Note a problem."""
        self._problems.append(FieldError(field=field, message=message, code=code))

    def done(self) -> None:
        """The end of reading.

        Raises:
            InvalidRequest: At least one problem was found.
        """
        if self._problems:
            detail = "; ".join(f"{one.field}: {one.message}" for one in self._problems)
            raise InvalidRequest(detail, errors=tuple(self._problems))


def field_with_nul(value: Any, path: str = "") -> str | None:
    """Where in a decoded body the first text with U+0000 stands; PostgreSQL keeps no such text."""
    if isinstance(value, str):
        return path if "\0" in value else None
    parts: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        parts = ((f"{path}.{name}".lstrip("."), one) for name, one in value.items())
    elif isinstance(value, list):
        parts = ((f"{path}[{index}]", one) for index, one in enumerate(value))
    return next((found for where, one in parts if (found := field_with_nul(one, where))), None)
