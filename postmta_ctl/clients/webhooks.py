"""URLs that customers give us: one request, sent to an address that was judged, and whatever came of it.

The host's addresses are looked up and judged by the resolver of the connector itself, which connects to just those:
between the look and the leap no name is looked up again, so that a name cannot be rebound. TLS and ``Host`` go by the
name all the same. The socket is the last gate, since a URL with an address in it needs no resolver.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from postmta_ctl.clients.dns import Resolver, SystemResolver
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ssrf import EndpointPolicy, parse_endpoint, refusal
from postmta_ctl.lazy import lazily

if TYPE_CHECKING:
    import aiohttp
    import yarl
    from aiohttp.abc import AbstractResolver, ResolveResult
else:
    # It takes a tenth of a second, and certificates of all authorities: a service without nodes has no use for it.
    aiohttp, yarl = lazily("aiohttp"), lazily("yarl")

MAX_BODY = 4096
"""Octets of the answer to a POST that are read."""
KEEP_ALIVE = 2.0
"""Seconds that an idle connection is kept; many servers close theirs after 5, and a POST must not meet that."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint answered, or why there is no answer."""

    status: int | None = None
    body: bytes = b""
    """Its beginning, as it came."""
    retry_after: str | None = None
    error: str | None = None
    """``refused``, ``dns``, ``connect``, ``tls``, ``timeout`` or ``protocol``; none when there is a status."""
    detail: str | None = None
    milliseconds: int = 0


class AddressRefused(OSError):
    """The endpoint is somewhere that no request of ours goes."""


class WebhookClient:
    """One connection pool for all endpoints; how many requests there are at once is the caller's to bound.

    Args:
        policy: What is allowed beyond public HTTPS.
        resolver: Looks up hosts; the system's when absent.
        timeout: Seconds for a whole request.
        tls: Whose certificates are trusted; those of the system's authorities when absent.
    """

    def __init__(
        self,
        policy: EndpointPolicy | None = None,
        *,
        resolver: Resolver | None = None,
        timeout: float = 15.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy or EndpointPolicy()
        self._resolver = resolver or SystemResolver()
        self._tls = tls
        self.timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request; never raises for what an endpoint, its network or its name does. Follows no redirect."""
        return await self._request("POST", url, body, headers, MAX_BODY)

    async def get(self, url: str, *, limit: int) -> Reply:
        """Read at most ``limit`` octets of a document, under the same rules as :meth:`post`."""
        return await self._request("GET", url, None, {"Accept-Encoding": "identity"}, limit)

    async def _request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> Reply:
        started = time.monotonic()
        try:
            parse_endpoint(url, self.policy)
            reply = await self._exchange(method, url, body, headers, limit)
        except InputError as error:
            reply = Reply(error="refused", detail=error.message)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reply = _failed(error)
        return msgspec.structs.replace(reply, milliseconds=round((time.monotonic() - started) * 1000))

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> Reply:
        target = yarl.URL(url, encoded=True)
        request = self._pool().request(method, target, data=body, headers=headers, allow_redirects=False)
        async with request as response:
            answer = await _beginning(response, limit)
            return Reply(status=response.status, body=answer, retry_after=response.headers.get("Retry-After"))

    def _pool(self) -> aiohttp.ClientSession:
        # Made on first use, since a session belongs to the running event loop.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self.timeout),
                connector=aiohttp.TCPConnector(
                    limit=0,
                    ssl=self._tls or ssl.create_default_context(),
                    keepalive_timeout=KEEP_ALIVE,
                    resolver=cast(
                        "AbstractResolver", _JudgingResolver(self._resolver or SystemResolver(), self.policy)
                    ),
                    use_dns_cache=False,
                    socket_factory=self._socket,
                ),
                # One customer's cookies are no other's, and neither gets any; no proxy of the environment is asked.
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                # 4 KiB of an answer could be a terabyte when unpacked.
                auto_decompress=False,
            )
        return self._session

    def _socket(self, target: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = target
        if reason := refusal(address[0], self.policy.allowed_networks):
            raise AddressRefused(f"{address[0]} is {reason}")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class _JudgingResolver:
    """Gives the connector addresses that it may connect to. One bad address among good ones condemns them all."""

    def __init__(self, resolver: Resolver, policy: EndpointPolicy) -> None:
        self._resolver = resolver
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look up and judge.

        Raises:
            AddressRefused: The name leads to an address that is refused.
            OSError: There is no such name.
        """
        v4, v6 = await asyncio.gather(self._resolver.lookup(host, "A"), self._resolver.lookup(host, "AAAA"))
        for address in (*v4.values, *v6.values):
            if reason := refusal(address, self._policy.allowed_networks):
                raise AddressRefused(f"{host} leads to {address}, which is {reason}")
        found = [(one, socket.AF_INET) for one in v4.values] + [(one, socket.AF_INET6) for one in v6.values]
        if not found:
            raise OSError(f"{host} has no address" + "".join(f" ({one.reason})" for one in (v4, v6) if one.reason))
        return [_resolved(host, address, port, kind) for address, kind in found if family in (kind, socket.AF_UNSPEC)]

    async def close(self) -> None:
        """Nothing is held."""


def _resolved(host: str, address: str, port: int, family: socket.AddressFamily) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return {
        "hostname": host,
        "host": address,
        "port": port,
        "family": family,
        "proto": socket.IPPROTO_TCP,
        "flags": flags,
    }


async def _beginning(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The first octets of the body. The status is the answer: a body that never ends does not undo it."""
    found = b""
    try:
        while len(found) < limit and (chunk := await response.content.read(limit - len(found))):
            found += chunk
    except (aiohttp.ClientError, TimeoutError):
        return found
    finally:
        if not response.content.at_eof():
            response.close()
    return found


def _failed(error: Exception) -> Reply:
    cause = getattr(error, "os_error", error)
    return Reply(error=_kind(error, cause), detail=(str(cause) or type(cause).__name__)[:500])


def _kind(error: Exception, cause: object) -> str:
    if isinstance(cause, AddressRefused):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls"
    return "connect" if isinstance(error, aiohttp.ClientConnectorError) else "protocol"
