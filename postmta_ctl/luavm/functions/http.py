"""``kumo.http``: clients, requests and responses."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from postmta_ctl.luavm.convert import to_bytes
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.formats import parse_duration
from postmta_ctl.luavm.http import HttpFailure, HttpRequest, HttpResponse
from postmta_ctl.luavm.userdata import SerializedUserdata, Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.context import Context
    from postmta_ctl.luavm.vm import Vm


class HttpClient(Userdata):
    """A client; a closed one can no longer be used."""

    lua_type = "HttpClient"

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._is_open = True

    def _request(self, method: str, url: str) -> Request:
        if not self._is_open:
            raise LuaProblem("closed", "the client was closed")
        if urlsplit(url).scheme not in ("http", "https"):
            raise LuaProblem("bad_value", f"{url!r} is not an http URL", "url")
        agent = self._options["user_agent"]
        headers = {"user-agent": agent} if agent else {}
        return Request(method, url, headers, parse_duration(self._options["timeout"]))

    def lua_get(self, _vm: Vm, url: str) -> Request:
        """A GET request."""
        return self._request("GET", url)

    def lua_post(self, _vm: Vm, url: str) -> Request:
        """A POST request."""
        return self._request("POST", url)

    def lua_put(self, _vm: Vm, url: str) -> Request:
        """A PUT request."""
        return self._request("PUT", url)

    def lua_close(self, *_vm: Vm) -> None:
        """Close it."""
        self._is_open = False


class Request(Userdata):
    """A request in the making; each step gives the same request back."""

    lua_type = "HttpRequest"

    def __init__(self, method: str, url: str, headers: dict[str, str], timeout: float) -> None:
        self._method = method
        self._url = url
        self._headers = headers
        self._timeout = timeout
        self._body = b""

    def lua_header(self, _vm: Vm, name: str, value: str) -> Request:
        """Set a header."""
        if any(character in name + value for character in "\r\n\0"):
            raise LuaProblem("bad_value", f"header {name!r} holds a line break")
        self._headers[name.lower()] = value
        return self

    def lua_headers(self, vm: Vm, headers: dict[str, str]) -> Request:
        """Set headers."""
        for name, value in headers.items():
            self.lua_header(vm, name, value)
        return self

    def lua_timeout(self, _vm: Vm, duration: str | float) -> Request:
        """Wait no longer than that."""
        self._timeout = parse_duration(duration)
        return self

    def lua_basic_auth(self, vm: Vm, user: str, password: str | None) -> Request:
        """Say who is calling (RFC 7617)."""
        credentials = base64.b64encode(to_bytes(f"{user}:{password or ''}")).decode()
        return self.lua_header(vm, "Authorization", f"Basic {credentials}")

    def lua_bearer_auth(self, vm: Vm, token: str) -> Request:
        """Show a token (RFC 6750)."""
        return self.lua_header(vm, "Authorization", f"Bearer {token}")

    def lua_body(self, _vm: Vm, body: str) -> Request:
        """The body; KumoMTA takes UTF-8 only."""
        data = to_bytes(body)
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise LuaProblem("bad_value", "the body is not UTF-8", "body") from error
        self._body = data
        return self

    def lua_form_url_encoded(self, vm: Vm, params: dict[str, str]) -> Request:
        """The body of a form."""
        self._body = urlencode(params).encode()
        return self.lua_header(vm, "Content-Type", "application/x-www-form-urlencoded")

    def lua_send(self, vm: Vm) -> Response:
        """Send it; no answer is a Lua error, any answer is a response."""
        request = HttpRequest(
            method=self._method, url=self._url, headers=self._headers, body=self._body, timeout=self._timeout
        )
        try:
            return Response(vm.node.http(request))
        except HttpFailure as failure:
            raise LuaProblem("http_failure", str(failure)) from failure


class HeaderMap(SerializedUserdata):
    """Response headers, by name in any case."""

    lua_type = "HttpHeaderMap"

    def __init__(self, response: HttpResponse) -> None:
        self._headers = {name.lower(): value for name, value in response.headers.items()}

    def lua_index(self, _vm: Context, key: object) -> object:
        """One header."""
        return self._headers.get(str(key).lower())

    def lua_pairs(self) -> Iterable[tuple[object, object]]:
        """Each header."""
        return sorted(self._headers.items())


class Response(Userdata):
    """What came back."""

    lua_type = "HttpResponse"

    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    def lua_status_code(self, _vm: Vm) -> int:
        """The status."""
        return self._response.status

    def lua_status_reason(self, _vm: Vm) -> str | None:
        """Its usual phrase."""
        try:
            return self._response.reason or HTTPStatus(self._response.status).phrase
        except ValueError:
            return None

    def _is_in(self, hundred: int) -> bool:
        return self._response.status // 100 == hundred

    def lua_status_is_informational(self, _vm: Vm) -> bool:
        """1xx."""
        return self._is_in(1)

    def lua_status_is_success(self, _vm: Vm) -> bool:
        """2xx."""
        return self._is_in(2)

    def lua_status_is_redirection(self, _vm: Vm) -> bool:
        """3xx."""
        return self._is_in(3)

    def lua_status_is_client_error(self, _vm: Vm) -> bool:
        """4xx."""
        return self._is_in(4)

    def lua_status_is_server_error(self, _vm: Vm) -> bool:
        """5xx."""
        return self._is_in(5)

    def lua_headers(self, _vm: Vm) -> HeaderMap:
        """The headers."""
        return HeaderMap(self._response)

    def lua_content_length(self, _vm: Vm) -> int | None:
        """Bytes of the body."""
        return len(self._response.body)

    def lua_text(self, _vm: Vm) -> str:
        """The body as text."""
        return self._response.body.decode("utf-8", "replace")

    def lua_bytes(self, _vm: Vm) -> bytes:
        """The body."""
        return self._response.body


def build_url(_vm: Vm, url: str, params: dict[str, str]) -> str:
    """A URL with a query added."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(params)) if part)
    return urlunsplit(parts._replace(query=query))


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.http.build_client": lambda _vm, options: HttpClient(options),
    "kumo.http.build_url": build_url,
}
