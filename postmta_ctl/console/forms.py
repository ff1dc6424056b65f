"""Fields of forms into the request structs of the API, and what is wrong with them back to the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from postmta_ctl import errors
from postmta_ctl.features.fields import field_error
from postmta_ctl.web import AnyRequest

T = TypeVar("T")


async def posted(request: AnyRequest) -> dict[str, str]:
    """The fields of a form that were filled in; of several of one name, the last.

    Raises:
        InvalidRequest: A field has the character U+0000.
    """
    fields = {
        name: value
        for name, value in (await request.form()).multi_items()
        if isinstance(value, str) and name != "csrf" and value.strip()
    }
    for name, value in fields.items():
        if "\0" in name + value:
            raise errors.InvalidRequest.of(name, "must not hold the character U+0000", code="nul")
    return fields


def read(fields: Mapping[str, Any], kind: type[T]) -> T:
    """Make the request struct out of text: numbers and booleans are read from it, fields left out have their default.

    Raises:
        InvalidRequest: A field is missing or cannot be read.
    """
    try:
        return msgspec.convert(dict(fields), kind, strict=False)
    except msgspec.ValidationError as error:
        found = field_error(str(error))
        raise errors.InvalidRequest(f"{found.field}: {found.message}", errors=(found,)) from None


def lines(text: str) -> list[str]:
    """What was written on lines of their own, or with commas between."""
    return [one.strip() for one in text.replace(",", "\n").splitlines() if one.strip()]


def by_field(error: errors.PostMTAError) -> dict[str, str]:
    """What is wrong, by field; under ``form`` what is with none, as a conflict."""
    found: dict[str, str] = {}
    for one in error.errors:
        found.setdefault(one.field.partition("[")[0].partition(".")[0], one.message)
    return found or {"form": error.detail}
