"""Examples for the OpenAPI document, put together from those that the fields carry."""

from __future__ import annotations

from typing import Any

ID = "0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79"
MOMENT = "2026-11-22T12:00:00Z"
_MAX_DEPTH = 8

Schema = dict[str, Any]


class Examples:
    """Makes examples by the schemas of one document.

    Args:
        components: The named schemas that the others refer to.
    """

    def __init__(self, components: dict[str, Schema]) -> None:
        self._components = components

    def request(self, schema: Schema) -> Any:
        """What a caller may send: what is required, and what shows itself by an example of its own."""
        return self._value(schema, "", full=False, depth=0)

    def answer(self, schema: Schema) -> Any:
        """What an answer may look like, every field of it."""
        return self._value(schema, "", full=True, depth=0)

    def _value(self, schema: Schema, name: str, *, full: bool, depth: int) -> Any:
        schema = self._chosen(schema)
        given = _given(schema)
        if given is not None:
            return given
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self._object(schema, full=full, depth=depth)
        if kind == "array":
            items = schema.get("items")
            return [self._value(items, name, full=full, depth=depth + 1)] if items and depth < _MAX_DEPTH else []
        return _scalar(schema, kind, name)

    def _object(self, schema: Schema, *, full: bool, depth: int) -> dict[str, Any]:
        if depth >= _MAX_DEPTH:
            return {}
        required = schema.get("required", [])
        return {
            name: self._value(one, name, full=full, depth=depth + 1)
            for name, one in schema.get("properties", {}).items()
            if full or name in required or _given(self._chosen(one)) is not None
        }

    def _chosen(self, schema: Schema) -> Schema:
        """Follow references, and take the first alternative that is not null; words beside a reference stay."""
        while True:
            if "$ref" in schema:
                target = self._components[schema["$ref"].rpartition("/")[2]]
                schema = target | {key: value for key, value in schema.items() if key != "$ref"}
            elif alternatives := schema.get("oneOf") or schema.get("anyOf"):
                first = next((one for one in alternatives if one.get("type") != "null"), {"type": "null"})
                rest = {key: value for key, value in schema.items() if key not in ("oneOf", "anyOf")}
                schema = rest | first
            else:
                return schema


def _given(schema: Schema) -> Any:
    """The value that the schema itself names."""
    for values in (schema.get("examples"), schema.get("enum")):
        if values:
            return values[0] if isinstance(values, list) else next(iter(values.values()))["value"]
    return schema.get("const", schema.get("example"))


def _scalar(schema: Schema, kind: Any, name: str) -> Any:
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds:
        return _text(schema, name)
    if "integer" in kinds or "number" in kinds:
        return schema.get("default") or schema.get("minimum") or 1
    return True if "boolean" in kinds else None


def _text(schema: Schema, name: str) -> str:
    if schema.get("format") == "date-time" or name.endswith("_at"):
        return MOMENT
    if schema.get("format") == "date":
        return MOMENT[:10]
    if name == "id" or name.endswith("_id"):
        return ID
    text = str(schema.get("default") or name or "text")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text) + 200)]
