"""What both clients need to reach the API."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import httpx

from postmta_ctl.client.retries import Retries

TIMEOUT = 30.0
"""Seconds. Publishing waits for every node, so it may need more."""


Patience = float | httpx.Timeout


def http_options(base_url: str, api_key: str | None, access_token: str | None, timeout: Patience) -> dict[str, Any]:
    """Arguments of httpx's clients.

    Args:
        base_url: Where the API is, such as ``https://mail.example.com``.
        api_key: An API key.
        access_token: Of a login, instead of a key.
        timeout: Seconds to wait for the connection, and for each part of the answer.

    Raises:
        ValueError: The address is none of HTTP, or there are two credentials.
    """
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"base_url {base_url!r} must begin with http:// or https://")
    if api_key is not None and access_token is not None:
        raise ValueError("give either api_key or access_token")
    headers = {"User-Agent": f"postmta-client/{version('postmta-ctl')}"}
    if api_key is not None:
        headers["X-API-Key"] = api_key
    if access_token is not None:
        headers["Authorization"] = f"Bearer {access_token}"
    return {"base_url": base_url, "headers": headers, "timeout": timeout, "follow_redirects": False}


USUAL = Retries()
