"""The control plane's ``/agent/v1``, as an agent asks it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import msgspec

from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.compiler.release_order import SignedOrder
from postmta_ctl.features.agents.schemas import KEYS_AT_ONCE, Files, Key, KeyName, KeysWanted, Report

MAX_ANSWER = 256 * 1024 * 1024
"""Octets: far more than any file of a release has, and less than would bring a host down."""
_PATIENCE = 30.0
T = TypeVar("T")


class ControlPlaneFailed(Exception):
    """It cannot be reached, refuses, or answers what cannot be read; asking again later may help."""


class ControlPlane:
    """One control plane, by the token of one node."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(limit=8),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def release(self, known: str | None, wait: float) -> tuple[str, SignedOrder] | None:
        """The order and its entity tag; None while it is the known one, or there is none."""
        found = await self._ask("GET", "/release", known=known, params={"wait": str(wait)}, wait=wait)
        return None if found is None else (found[0], _decode(found[1], SignedOrder))

    async def blob(self, digest: str) -> bytes:
        """A file of the release, which may be anything until its digest was compared."""
        return await self._body("GET", f"/blobs/{digest}")

    async def key_names(self) -> set[KeyFile]:
        """The private keys that belong on nodes."""
        names = _decode(await self._body("GET", "/keys"), list[KeyName])
        return {KeyFile(one.domain, one.selector, one.key_id) for one in names}

    async def keys(self, wanted: Collection[KeyFile]) -> dict[KeyFile, bytes]:
        """Those of the wanted keys that there are, and no others."""
        ordered, found = sorted(wanted), dict[KeyFile, bytes]()
        for start in range(0, len(ordered), KEYS_AT_ONCE):
            part = ordered[start : start + KEYS_AT_ONCE]
            names = [KeyName(domain=one.domain, selector=one.selector, key_id=one.key_id) for one in part]
            keys = _decode(await self._body("POST", "/keys", KeysWanted(keys=names)), list[Key])
            found |= {KeyFile(key.domain, key.selector, key.key_id): key.pem.encode() for key in keys}
        return {file: pem for file, pem in found.items() if file in wanted}

    async def files(
        self, version: int, *, after: str = "", known: str | None = None, wait: float = 0
    ) -> tuple[str, Files] | None:
        """A part of what lies beside the releases and its entity tag; None while it is the known one."""
        params = {"version": str(version), "after": after, "wait": str(wait)}
        found = await self._ask("GET", "/files", known=known, params=params, wait=wait)
        return None if found is None else (found[0], _decode(found[1], Files))

    async def report(self, report: Report) -> None:
        """Say how agent and node are."""
        await self._ask("POST", "/report", report)

    async def _body(self, method: str, path: str, body: Any = None) -> bytes:
        found = await self._ask(method, path, body)
        if found is None:
            raise ControlPlaneFailed(f"{path}: there is no such thing")
        return found[1]

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        known: str | None = None,
        params: Mapping[str, str] | None = None,
        wait: float = 0,
    ) -> tuple[str, bytes] | None:
        """Entity tag and body of an answer; None for 304 and 404."""
        headers = {} if known is None else {"If-None-Match": known}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method,
                f"{self._url}/agent/v1{path}",
                data=None if body is None else msgspec.json.encode(body),
                params=params,
                headers=headers,
                # Whoever it would be redirected to is not whom the token is for.
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=wait + _PATIENCE),
            ) as answer:
                if answer.status in (HTTPStatus.NOT_MODIFIED, HTTPStatus.NOT_FOUND):
                    return None
                content = await _limited(answer)
                if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                    words = content[:200].decode(errors="replace")
                    raise ControlPlaneFailed(f"{path}: answered with {answer.status}: {words}")
                return answer.headers.get("ETag", ""), content
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ControlPlaneFailed(f"{path}: {error or type(error).__name__}") from error


async def _limited(answer: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_any():
        found += chunk
        if len(found) > MAX_ANSWER:
            raise ControlPlaneFailed(f"answered with more than {MAX_ANSWER} octets")
    return bytes(found)


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ControlPlaneFailed(f"an answer cannot be read: {error}") from error
