"""KumoMTA's daemon for traffic shaping automation over HTTP: what it decided and has not expired.

https://docs.kumomta.com/userguide/trafficshaping/automation/. Nothing that it answers is believed: it is taken in the
shape that KumoMTA's source gives it, or not at all.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from datetime import datetime
from typing import Annotated, Any, TypeVar

import httpx
import msgspec
from msgspec import Meta

SECONDS = 5.0
"""How long a daemon may take for all of its answers together."""
MAX_OCTETS = 4 * 1024 * 1024

T = TypeVar("T")
_Moment = Annotated[datetime, Meta(tz=True)]
_EXPIRES = re.compile(r"# expires: (\S+)")
_REASON = re.compile(r"# reason: (.*)")


class TsaFailed(Exception):
    """A daemon did not answer, or not with what is expected; the text says how."""


class ReadySuspension(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing leaves from a source to a site."""

    site_name: str
    """Name of the ready queue: ``source->site@smtp_client``."""
    source: str
    reason: str
    expires: _Moment


class Scheduled(msgspec.Struct, frozen=True, kw_only=True):
    """Scheduled queues that are held or bounced."""

    tenant: str | None = None
    domain: str
    campaign: str | None = None
    reason: str
    expires: _Moment


class Suspensions(msgspec.Struct, frozen=True, kw_only=True):
    """What is held."""

    ready_q: list[ReadySuspension]
    sched_q: list[Scheduled]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """An option of a path that is overridden."""

    domain: str
    source: str
    option: str
    value: int | float | str | bool
    reason: str
    expires: _Moment


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """All that a daemon decided."""

    suspensions: Suspensions
    bounces: list[Scheduled]
    limits: list[Limit]


async def decided(url: str, *, seconds: float = SECONDS) -> Decided:
    """Ask a daemon what it decided.

    Raises:
        TsaFailed: It is away, hangs, refuses us, or talks nonsense.
    """
    try:
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=seconds, trust_env=False) as client:
            return await _ask(client, url.rstrip("/"))
    except TimeoutError:
        raise TsaFailed(f"no answer within {seconds:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TsaFailed(str(error) or type(error).__name__) from error


async def _ask(client: httpx.AsyncClient, url: str) -> Decided:
    held = await _get(client, f"{url}/get_suspension_v1/suspended.json")
    bounced = await _get(client, f"{url}/get_bounce_v1/bounced.json")
    rendered = await _get(client, f"{url}/get_config_v1/shaping.toml")
    return Decided(
        suspensions=_decoded(held, Suspensions), bounces=_decoded(bounced, list[Scheduled]), limits=limits(rendered)
    )


async def _get(client: httpx.AsyncClient, url: str) -> bytes:
    found = b""
    async with client.stream("GET", url) as response:
        if response.status_code != 200:
            raise TsaFailed(f"{url} answered {response.status_code}")
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) > MAX_OCTETS:
                raise TsaFailed(f"{url} answered with more than {MAX_OCTETS} octets")
    return found


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TsaFailed(f"its answer makes no sense: {error}") from error


def limits(body: bytes) -> list[Limit]:
    """The limits in what a daemon renders: TOML whose comments tell reason and end of each.

    Raises:
        TsaFailed: It is something else.
    """
    try:
        text = body.decode()
        tomllib.loads(text)
        return _limits(text)
    except (ValueError, TypeError, AttributeError, StopIteration, msgspec.ValidationError) as error:
        raise TsaFailed(f"its answer makes no sense: {error}") from error


def _limits(text: str) -> list[Limit]:
    found, header, reason, expires = [], "", "", ""
    for line in text.splitlines():
        if line.startswith("["):
            header, expires = line, ""
        elif match := _REASON.fullmatch(line):
            reason = match[1]
        elif match := _EXPIRES.fullmatch(line):
            expires = match[1]
        elif header and expires and " = " in line and not line.startswith("#"):
            found.append(_limit(header, line, reason, expires))
            expires = ""
    return found


def _limit(header: str, line: str, reason: str, expires: str) -> Limit:
    domain, block = _only(tomllib.loads(f"{header}\n{line}"))
    source, options = _only(block["sources"])
    option, value = _only(options)
    values = {"domain": domain, "source": source, "option": option, "value": value}
    return msgspec.convert(values | {"reason": reason, "expires": datetime.fromisoformat(expires)}, Limit)


def _only(table: dict[str, Any]) -> tuple[str, Any]:
    ((name, value),) = table.items()
    return name, value
