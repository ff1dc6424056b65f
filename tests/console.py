"""A browser as far as pages need one that have no script: cookies, and forms with the token of their page."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx

from tests.conftest import PASSWORD, Client

_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Browser:
    """One person's browser, with cookies of its own; redirects are not followed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.cookies: dict[str, str] = {}

    @classmethod
    async def logged_in(cls, client: Client, email: str = "ann@acme.test") -> Browser:
        browser = cls(client)
        answer = await browser.post("/console/login", {"email": email, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return browser

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return await self._request("GET", path, headers=headers)

    async def token(self, page: str) -> str:
        """The token of the forms of a page."""
        found = _TOKEN.search((await self.get(page)).text)
        assert found is not None, f"{page} has no form"
        return found[1]

    async def post(self, path: str, fields: Mapping[str, str], *, at: str = "") -> httpx.Response:
        """Send a form that stands on the page ``at``, or on the page of its own address."""
        return await self.send(
            path.partition("?")[0], self._also(path) | {"csrf": await self.token(at or path), **fields}
        )

    async def send(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send what a form might."""
        return await self._request("POST", path, headers=headers, fields=fields)

    def _also(self, path: str) -> dict[str, str]:
        # The log-in keeps where to go in a field.
        return dict(httpx.URL(path).params)

    async def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        self._client.cookies.clear()
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**(headers or {}), **({"Cookie": cookies} if cookies else {})}
        answer = await self._client.request(method, path, headers=sent, data=fields, follow_redirects=False)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        self._client.cookies.clear()
        return answer
