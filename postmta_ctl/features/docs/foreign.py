"""Operations in the form of another service: body and errors are by its reference, and so are described by structs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from postmta_ctl.features.docs import problems
from postmta_ctl.web import Form

Schema = dict[str, Any]


def describe(operation: dict[str, Any], form: Form, components: dict[str, Schema]) -> None:
    """Say what the operation takes and how it refuses, with its schemas under names of their own."""
    (body, wrong), found = msgspec.json.schema_components(
        [form.body, form.errors], ref_template=f"#/components/schemas/{form.name}{{name}}"
    )
    components |= {f"{form.name}{name}": schema for name, schema in found.items()}
    for path, words in form.fields.items():
        for one in _properties(body, path.split("."), components):
            one["description"] = words
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    for status, headers in form.answers.items():
        answer = operation["responses"][status]
        answer.pop("content", None)
        answer["headers"] = {
            name: {"description": words, "schema": {"type": "string"}} for name, words in headers.items()
        }
    for status in form.statuses:
        words = (problems.COMMON[status].__doc__ or "").strip().partition("\n")[0]
        operation["responses"][status] = {"description": words, "content": {"application/json": {"schema": wrong}}}
    default = {"description": "Any other error.", "content": {"application/json": {"schema": wrong}}}
    operation["responses"]["default"] = default


def _properties(schema: Schema, path: list[str], components: dict[str, Schema]) -> Iterator[Schema]:
    """The property at a path, through lists and references."""
    if "$ref" in schema:
        yield from _properties(components[schema["$ref"].rpartition("/")[2]], path, components)
    for one in schema.get("anyOf", ()):
        yield from _properties(one, path, components)
    if "items" in schema:
        yield from _properties(schema["items"], path, components)
    if (found := schema.get("properties", {}).get(path[0])) is not None:
        if len(path) == 1:
            yield found
        else:
            yield from _properties(found, path[1:], components)
