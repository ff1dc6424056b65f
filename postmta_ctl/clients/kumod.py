"""KumoMTA's HTTP API: injection and administration of one node.

Each method names its endpoint; see KumoMTA's reference under ``reference/http/kumod``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import msgspec

from postmta_ctl.errors import NodeFailed, NodeUnreachable
from postmta_ctl.lazy import lazily

if TYPE_CHECKING:
    import aiohttp
else:
    # It takes a tenth of a second, and certificates of all authorities: a service without nodes has no use for it.
    aiohttp = lazily("aiohttp")

T = TypeVar("T")

READY_SUSPENSIONS = "/api/admin/suspend-ready-q/v1"


class NodeAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node is, and the token that it knows us by."""

    name: str
    admin_url: str
    token: str
    weight: int = 1
    """Its share of the mail against that of others; 0: none that another one can take."""


class MachineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who a node is, and since when it runs."""

    node_id: str
    hostname: str
    online_since: datetime
    version: str


class Suspension(msgspec.Struct, frozen=True, kw_only=True):
    """A hold of scheduled queues that is in force on a node; it does not tell queues that were named one by one."""

    id: str
    reason: str
    campaign: str | None = None
    tenant: str | None = None
    domain: str | None = None

    @property
    def text(self) -> str:
        """Its reason, and what it holds as far as the node says."""
        criteria = {"campaign": self.campaign, "tenant": self.tenant, "domain": self.domain}
        held = ", ".join(f"{name} {value}" for name, value in criteria.items() if value)
        return f"{self.reason} ({held})" if held else self.reason


class ReadySuspension(msgspec.Struct, frozen=True, kw_only=True):
    """A ready queue, of one source to one site, that nothing leaves from."""

    id: str
    name: str
    """``source->site@smtp_client``."""
    reason: str
    expires: datetime


class ResolvedPath(msgspec.Struct, frozen=True, kw_only=True):
    """How a source would talk to a domain."""

    domain: str
    source: str
    queue_name: str
    """The ready queue's: ``source->site@smtp_client``."""
    path_config: dict[str, Any]
    """The options of ``kumo.make_egress_path``, all of them."""

    @property
    def site(self) -> str:
        """KumoMTA's name for the hosts that take the domain's mail."""
        return self.queue_name.partition("->")[2].rpartition("@")[0]


class NodeTimeout(NodeFailed):
    """The request was sent and no answer came: whether the node acted on it is unknown."""

    code = "node_timeout"


class NodeRefused(NodeFailed):
    """The node answered with an error status."""

    code = "node_refused"

    def __init__(self, detail: str, *, http_status: int) -> None:
        super().__init__(detail)
        self.http_status = http_status


class KumodClient:
    """One connection pool for all nodes.

    Args:
        timeout: Seconds to wait for an answer before its outcome counts as unknown.
    """

    def __init__(self, timeout: float = 30.0) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
        """``POST /api/inject/v1``: status and body of the answer, for ``core.inject_answer`` to read.

        Raises:
            NodeUnreachable: Nothing was sent.
            NodeTimeout: The node may have taken some.
        """
        return await self._exchange(node, "POST", "/api/inject/v1", body)

    async def bump_epoch(self, node: NodeAddress) -> None:
        """``POST /api/admin/bump-config-epoch``: have the node read its policy anew."""
        await self._call(node, "POST", "/api/admin/bump-config-epoch")

    async def machine_info(self, node: NodeAddress) -> MachineInfo:
        """``GET /api/machine-info``."""
        return _decode(node, await self._call(node, "GET", "/api/machine-info"), MachineInfo)

    async def clock(self, node: NodeAddress) -> datetime | None:
        """What the node's host takes for the time, to the second, by the ``Date`` of an answer (RFC 9110 §6.6.1)."""
        headers = {"Authorization": f"Bearer {node.token}"}
        with _translated(node, "GET /api/machine-info"):
            async with self._pool().get(node.admin_url.rstrip("/") + "/api/machine-info", headers=headers) as response:
                said = response.headers.get("Date", "")
        try:
            return parsedate_to_datetime(said)
        except ValueError:
            return None

    async def alive(self, node: NodeAddress) -> None:
        """``GET /api/check-liveness/v1``: raises with the node's words when it does not take mail."""
        await self._call(node, "GET", "/api/check-liveness/v1")

    async def admin(self, node: NodeAddress, method: str, path: str, body: Any = None) -> Any:
        """Any other administrative endpoint, JSON in and out."""
        answer = await self._call(node, method, path, None if body is None else msgspec.json.encode(body))
        return _decode(node, answer, object) if answer else None

    async def end_suspension(self, node: NodeAddress, suspension_id: str) -> None:
        """``DELETE /api/admin/suspend/v1``, which answers in plain text; one that the node does not know has ended."""
        await self._end(node, "/api/admin/suspend/v1", suspension_id)

    async def suspensions(self, node: NodeAddress) -> list[Suspension]:
        """``GET /api/admin/suspend/v1``: those in force."""
        return _decode(node, await self._call(node, "GET", "/api/admin/suspend/v1"), list[Suspension])

    async def ready_suspensions(self, node: NodeAddress) -> list[ReadySuspension]:
        """``GET /api/admin/suspend-ready-q/v1``: those in force."""
        return _decode(node, await self._call(node, "GET", READY_SUSPENSIONS), list[ReadySuspension])

    async def suspend_ready(self, node: NodeAddress, body: dict[str, str]) -> None:
        """``POST /api/admin/suspend-ready-q/v1``; takes the place of another suspension of the same queue."""
        await self._call(node, "POST", READY_SUSPENSIONS, msgspec.json.encode(body))

    async def resolve_path(self, node: NodeAddress, domain: str, source: str) -> ResolvedPath:
        """``GET /api/admin/resolve-egress-path/v1``, which older versions do not have; it looks up mail exchangers."""
        query = urlencode({"domain": domain, "source": source})
        answer = await self._call(node, "GET", f"/api/admin/resolve-egress-path/v1?{query}")
        return _decode(node, answer, ResolvedPath)

    async def end_ready_suspension(self, node: NodeAddress, suspension_id: str) -> None:
        """``DELETE /api/admin/suspend-ready-q/v1``; one that the node does not know has ended."""
        await self._end(node, READY_SUSPENSIONS, suspension_id)

    async def _end(self, node: NodeAddress, path: str, suspension_id: str) -> None:
        try:
            await self._call(node, "DELETE", path, msgspec.json.encode({"id": suspension_id}))
        except NodeRefused as error:
            if error.http_status != 404:
                raise

    async def metric_lines(self, node: NodeAddress) -> AsyncIterator[str]:
        """``GET /metrics``: Prometheus text, line by line, as a busy node has tens of thousands of them.

        Raises:
            NodeFailed: As the other calls, also in the middle of it.
        """
        headers = {"Authorization": f"Bearer {node.token}"}
        with _translated(node, "GET /metrics"):
            async with self._pool().get(node.admin_url.rstrip("/") + "/metrics", headers=headers) as response:
                if response.status != 200:
                    raise NodeRefused(f"node {node.name}: {response.status} to /metrics", http_status=response.status)
                async for line in response.content:
                    yield line.decode("utf-8", "replace").rstrip("\r\n")

    async def _call(self, node: NodeAddress, method: str, path: str, body: bytes | None = None) -> bytes:
        status, answer = await self._exchange(node, method, path, body)
        if status != 200:
            text = answer.decode("utf-8", "replace").strip()[:500]
            raise NodeRefused(f"node {node.name}: {status}: {text}", http_status=status)
        return answer

    async def _exchange(self, node: NodeAddress, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {node.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = node.admin_url.rstrip("/") + path
        with _translated(node, f"{method} {path}"):
            async with self._pool().request(method, url, data=body, headers=headers) as response:
                return response.status, await response.read()

    def _pool(self) -> aiohttp.ClientSession:
        # Made on first use, since a session belongs to the running event loop.
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout, connect=5)
            connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=60, ttl_dns_cache=60)
            self._session = aiohttp.ClientSession(
                timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


@contextmanager
def _translated(node: NodeAddress, request: str) -> Iterator[None]:
    """What goes wrong on the way, in our words."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NodeUnreachable(f"node {node.name}: cannot connect to {node.admin_url}: {error}") from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise NodeTimeout(f"node {node.name}: no answer to {request}: {type(error).__name__}") from error


def _decode(node: NodeAddress, answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError as error:
        raise NodeFailed(f"node {node.name}: its answer is not KumoMTA's: {error}", code="node_unreadable") from error
