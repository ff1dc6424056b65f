"""Endpoints of the contract that no slice has yet: they are there, guarded, and say that they do nothing."""

import re
from collections.abc import Iterator, Sequence

from litestar import Router, route
from litestar.handlers import HTTPRouteHandler

from postmta_ctl.errors import NotAvailable
from postmta_ctl.features.pending.contract import Endpoint, endpoints, shape_of
from postmta_ctl.web import scope

SCOPES = {"Messages": "messages", "vMTAs": "vmtas"}
"""First part of the scopes, by group; ``account`` for those that have none yet."""


def pending(routes: Sequence[Router | HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """A handler for each endpoint of the contract that is not among the routes."""
    paths = [
        (method, path) for one in routes for path, each in Router.get_route_handler_map(one).items() for method in each
    ]
    built = {(method, shape_of(path)) for method, path in paths}
    parameters = {shape_of(beginning): name for _, path in paths for beginning, name in _parameters(path)}
    return [_handler(one, _path(one, parameters)) for one in endpoints() if one.shape not in built]


def _parameters(path: str) -> Iterator[tuple[str, str]]:
    """Each parameter of a path, and the path up to and with it."""
    segments = path.split("/")
    for index, segment in enumerate(segments):
        if segment.startswith(("{", ":")):
            yield "/".join(segments[: index + 1]), segment


def _path(endpoint: Endpoint, parameters: dict[str, str]) -> str:
    """With the names that the routes of the same thing use: one path must not have two."""
    path = endpoint.path
    for beginning, name in _parameters(endpoint.path):
        path = path.replace(f"/{name}", "/" + parameters.get(shape_of(beginning), f"{{{name[1:]}:str}}"), 1)
    return path


def _handler(endpoint: Endpoint, path: str) -> HTTPRouteHandler:
    subject = SCOPES.get(endpoint.group, "account")
    verb = "read" if endpoint.method == "GET" else "send" if subject == "messages" else "write"
    words = re.findall(r"[a-z0-9]+", endpoint.path.removeprefix("/api/v1"))
    name = "_".join((endpoint.method.lower(), *words))

    async def answer() -> None:
        """Part of the contract, and not built yet: always answers 501."""
        raise NotAvailable(f"{endpoint.method} {endpoint.path} is not built yet in this version.")

    return route(
        path,
        http_method=[endpoint.method],
        opt=scope(f"{subject}:{verb}") | {"errors": ("501",), "pending": True},
        summary=endpoint.description,
        tags=[endpoint.group],
        operation_id=name,
        status_code=200,
    )(answer)
