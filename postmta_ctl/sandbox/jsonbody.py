"""Request bodies: strict JSON, refused in the words that KumoMTA's HTTP server uses.

Its errors are plain text: 400 for what is no JSON, 422 for JSON that does not fit, with the path of the field and
where in the text it stands.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_PATH = re.compile(r" - at `(?P<path>.*)`$", re.DOTALL)
_NAMES = {
    "str": "a string",
    "int": "an integer",
    "bool": "a boolean",
    "array": "a sequence",
    "object": "a map",
    "null": "null",
}
_GOT = {"str": "string", "int": "integer", "float": "floating point", "bool": "boolean", "array": "sequence"} | {
    "object": "map",
    "null": "null",
}


class BodyError(Exception):
    """A body that is refused: ``status`` and the text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


def decode(body: bytes, kind: type[T]) -> T:
    """The body as a struct.

    Raises:
        BodyError: 400 or 422.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BodyError(422, _misfit(str(error), body, kind)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyError(400, f"Failed to parse the request body as JSON: {error}") from error


def _misfit(text: str, body: bytes, kind: type[Any]) -> str:
    found = _PATH.search(text)
    path = found["path"].removeprefix("$").removeprefix(".") if found else ""
    reason, column = _reason(text, path, body, kind)
    where = f"{reason[0]}: " if reason[0] else ""
    place = f"line 1 column {column}" if b"\n" not in body else _line_and_column(body, column)
    return f"Failed to deserialize the JSON body into the target type: {where}{reason[1]} at {place}"


def _reason(text: str, path: str, body: bytes, kind: type[Any]) -> tuple[tuple[str, str], int]:
    """Path and text of the misfit, and after how many characters of the body it was noticed."""
    if match := _UNKNOWN.search(text):
        field = match["field"]
        known = ", ".join(f"`{name}`" for name in _fields_at(kind, path))
        return (_join(path, field), f"unknown field `{field}`, expected one of {known}"), _end_of_key(body, field)
    if match := _MISSING.search(text):
        return (path, f"missing field `{match['field']}`"), len(body)
    if match := _WRONG_TYPE.search(text):
        wanted, got = match["wanted"].split(" | ")[0], match["got"]
        if got == "array" and wanted == "object" and not path:
            count = len(kind.__struct_fields__)
            length = len(json.loads(body))
            return (path, f"invalid length {length}, expected struct {kind.__name__} with {count} elements"), len(body)
        reason = f"invalid type: {_GOT.get(got, got)}, expected {_NAMES.get(wanted, wanted)}"
        return (path, reason), _end_of_key(body, re.split(r"[.\[]", path)[-1] if path else "")
    return (path, text.partition(" - at ")[0]), len(body)


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _fields_at(kind: type[Any], path: str) -> tuple[str, ...]:
    """Names of the fields of the struct that the path leads to."""
    info: Any = msgspec.inspect.type_info(kind)
    for step in re.findall(r"[^.\[\]]+|\[", path):
        info = _inner(info, None if step in {"[", "..."} else step)
    fields = _struct(info)
    return tuple(field.encode_name for field in fields.fields) if fields else ()


def _inner(info: Any, field: str | None) -> Any:
    if isinstance(info, msgspec.inspect.UnionType):
        structured = [each for each in info.types if not isinstance(each, msgspec.inspect.NoneType)]
        info = _struct(info) if field else structured[0]
    if isinstance(info, msgspec.inspect.StructType):
        return next((each.type for each in info.fields if each.encode_name == field), info)
    return getattr(info, "item_type", info) if field is None else info


def _struct(info: Any) -> msgspec.inspect.StructType | None:
    if isinstance(info, msgspec.inspect.UnionType):
        return next((each for each in info.types if isinstance(each, msgspec.inspect.StructType)), None)
    return info if isinstance(info, msgspec.inspect.StructType) else None


def _end_of_key(body: bytes, field: str) -> int:
    match = re.search(re.escape(json.dumps(field)) + r"(?=\s*:)", body.decode("utf-8", "replace"))
    return match.end() if match else len(body)


def _line_and_column(body: bytes, position: int) -> str:
    before = body[:position].decode("utf-8", "replace").split("\n")
    return f"line {len(before)} column {len(before[-1])}"
