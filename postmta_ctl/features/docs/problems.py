"""The errors that an operation declares."""

from __future__ import annotations

from typing import Any

import msgspec

from postmta_ctl import errors
from postmta_ctl.errors import PostMTAError
from postmta_ctl.web import Problem

MEDIA_TYPE = "application/problem+json"
_REF = "#/components/{kind}/{name}"

COMMON: dict[str, type[PostMTAError]] = {
    "400": errors.MalformedRequest,
    "401": errors.Unauthenticated,
    "402": errors.InsufficientCredits,
    "403": errors.PermissionDenied,
    "404": errors.NotFound,
    "409": errors.Conflict,
    "412": errors.PreconditionFailed,
    "413": errors.PayloadTooLarge,
    "422": errors.InvalidRequest,
    "429": errors.RateLimited,
    "501": errors.NotAvailable,
    "502": errors.NodeFailed,
    "503": errors.Busy,
}
"""Statuses, and the class of error that each stands for."""

_RATE_LIMIT_HEADERS = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "RateLimit-Policy": {
        "description": "The limits that the request counts against, as its plan or the installation sets them.",
        "schema": {"type": "string", "examples": ['"key";q=600;w=60, "organization";q=1200;w=60']},
    },
    "RateLimit": {
        "description": "What is left of each, and seconds until it is full again.",
        "schema": {"type": "string", "examples": ['"key";r=0;t=60, "organization";r=600;t=30']},
    },
}


def schemas() -> dict[str, Any]:
    """JSON schemas of a problem and its parts."""
    _, components = msgspec.json.schema_components([Problem], ref_template=_REF.format(kind="schemas", name="{name}"))
    return components


def responses() -> dict[str, Any]:
    """The responses to refer to, each with an example."""
    return {kind.__name__: _response(kind) for kind in COMMON.values()} | {"Problem": _response(PostMTAError)}


def _response(kind: type[PostMTAError]) -> dict[str, Any]:
    words = (kind.__doc__ or "").strip().partition("\n")[0]
    example = {
        "title": kind.title,
        "status": kind.status,
        "detail": words,
        "code": kind.code,
        "request_id": "7f3c9a1e5b2d4860",
        "type": "about:blank",
    }
    content = {"schema": {"$ref": _REF.format(kind="schemas", name="Problem")}, "example": example}
    response: dict[str, Any] = {"description": words, "content": {MEDIA_TYPE: content}}
    if kind is errors.RateLimited:
        response["headers"] = _RATE_LIMIT_HEADERS
    return response


def declared(operation: dict[str, Any], method: str, path: str, opt: dict[str, Any]) -> dict[str, Any]:
    """References to the errors that an operation may answer with, by status."""
    statuses = {"400", *opt.get("errors", ())}
    if path.startswith("/api/"):
        statuses.add("429")
        if not opt.get("public") or method != "get":
            statuses |= {"401", "403"}
    names = {one["name"] for one in operation.get("parameters", ())}
    if "{" in path:
        statuses.add("404")
    if names or "requestBody" in operation:
        statuses.add("422")
    if "requestBody" in operation:
        statuses.add("413")
    if method != "get":
        statuses.add("409")
    if "If-Match" in names:
        statuses.add("412")
    found = {status: _reference(COMMON[status]) for status in sorted(statuses)}
    return found | {"default": _reference(None)}


def _reference(kind: type[PostMTAError] | None) -> dict[str, str]:
    return {"$ref": _REF.format(kind="responses", name=kind.__name__ if kind else "Problem")}
