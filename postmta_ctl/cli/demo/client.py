"""The API as the demonstration uses it: plain HTTP, and a failure is shown with the API's own words."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

from postmta_ctl.errors import PostMTAError


class Api:
    """One account's view of the service."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self.token = ""

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def request(
        self, method: str, path: str, *, body: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a request as it is, and return the answer whatever it says."""
        return self._http.request(method, path, content=body, headers=headers)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send JSON with the account's token, return JSON.

        Raises:
            PostMTAError: The API refused; with its detail.
        """
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = self._http.request(method, path, json=body, headers=headers)
        if answer.is_error:
            raise PostMTAError(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None
