"""The OpenAPI document: what Litestar derives from the routes, and what all of them have in common."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from postmta_ctl.features.docs import foreign, problems
from postmta_ctl.features.docs.curated import REQUESTS
from postmta_ctl.features.docs.examples import Examples

_GENERIC = re.compile(r"(?P<outer>\w+?)_[\w.]+\.(?P<inner>\w+)_")
Operation = dict[str, Any]


def operation_id(handler: HTTPRouteHandler, _method: object, _path: object) -> str:
    """The name of the handler, after that of its slice where it says too little: ``get_user``, ``policy_plan``."""
    slice_name = handler.fn.__module__.split(".")[-2]
    name = handler.handler_name
    return name if slice_name.rstrip("s") in name else f"{slice_name}_{name}"


def describe(app: Litestar) -> dict[str, Any]:
    """The whole document of an application, as JSON."""
    # Examples and defaults may be structs of ours.
    document = _with_short_names(msgspec.to_builtins(app.openapi_schema.to_schema()))
    components = document["components"]
    components.setdefault("schemas", {}).update(problems.schemas())
    components["responses"] = problems.responses()
    examples = Examples(components["schemas"])
    for path, method, handler in _operations(app):
        operation = document["paths"].get(path, {}).get(method)
        if operation is not None:
            if form := handler.opt.get("form"):
                foreign.describe(operation, form, components["schemas"])
            _complete(operation, method, path, dict(handler.opt), examples)
    return document


def _with_short_names(document: dict[str, Any]) -> dict[str, Any]:
    """``Page_postmta_ctl.features.users.profile.User_`` becomes ``PageOfUser``."""
    text = msgspec.json.encode(document).decode()
    for name in document["components"]["schemas"]:
        if match := _GENERIC.fullmatch(name):
            short = f"{match['outer']}Of{match['inner']}"
            text = text.replace(f'/schemas/{name}"', f'/schemas/{short}"').replace(f'"{name}":', f'"{short}":')
    shortened: dict[str, Any] = msgspec.json.decode(text)
    return shortened


def _operations(app: Litestar) -> list[tuple[str, str, HTTPRouteHandler]]:
    return [
        (route.path_format, method.lower(), handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
    ]


def _complete(operation: Operation, method: str, path: str, opt: dict[str, Any], examples: Examples) -> None:
    if opt.get("public"):
        operation["security"] = []
    else:
        operation["x-scope"] = opt["scope"]
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope `{opt['scope']}`."
    for one in operation.get("parameters", ()):
        if one["name"] == "sort":
            names = opt.get("sorted_by") or ("created_at", *opt.get("sortable", ()))
            first = one["schema"].get("default", "-created_at")
            one["schema"] = {"type": "string", "enum": [f"{sign}{name}" for name in names for sign in ("-", "")]}
            one["description"] = f"Field to sort by, descending with `-` before it; `{first}` if absent."
    # What Litestar says of a 400 is not what we answer.
    own = {status: one for status, one in operation["responses"].items() if status != "400" or "form" in opt}
    operation["responses"] = own if "form" in opt else problems.declared(operation, method, path, opt) | own
    for media_type, words in opt.get("also", {}).items():
        # Litestar knows one media type for each status.
        own["200"]["content"][media_type] = {"schema": {"type": "string"}, "description": words}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content.setdefault(
            "example", REQUESTS.get(operation["operationId"]) or examples.request(content.get("schema", {}))
        )
    for response in own.values():
        for media_type, content in response.get("content", {}).items():
            if media_type == "application/json" and content.get("schema"):
                content.setdefault("example", examples.answer(content["schema"]))
