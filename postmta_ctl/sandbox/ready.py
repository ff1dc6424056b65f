"""Ready queues: one source on its way to one site, under the limits of their path.

Nothing waits in them here, since a simulated receiver always has a connection free. They hold what KumoMTA keeps
there: the path's configuration, the source as it was when the queue was made, and counts.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from postmta_ctl.luavm import PolicyError, Vm
from postmta_ctl.luavm.configs import EgressPathConfig, EgressSource
from postmta_ctl.luavm.formats import ThrottleSpec
from postmta_ctl.sandbox.durations import MINUTE, seconds
from postmta_ctl.sandbox.queues import ScheduledQueue
from postmta_ctl.sandbox.records import Peer, SourceAddress

_IDLE = 10 * MINUTE
"""After so long without mail a ready queue is forgotten, and with it the frozen source."""
_LOCAL = "127.0.0.1"
"""Where a source without an address sends from."""
_EPHEMERAL_PORTS = range(32768, 60999)


@dataclass(frozen=True, slots=True)
class Site:
    """Where mail for a domain goes: the name of the site as queues have it, and the host that answers."""

    name: str
    host: str
    addresses: tuple[str, ...]

    @property
    def is_mx_list(self) -> bool:
        """Whether the queue's configuration names the hosts, so that no MX is looked up."""
        return self.name.startswith("mx_list:")


def site_of(queue: ScheduledQueue) -> Site:
    """The site of a scheduled queue; nothing is looked up, each domain has one simulated MX host."""
    mx_list = (queue.config.protocol.get("smtp") or {}).get("mx_list") or []
    if mx_list:
        hosts = [entry if isinstance(entry, str) else entry["addr"] for entry in mx_list]
        first = mx_list[0]
        name = first if isinstance(first, str) else first["name"]
        return Site(f"mx_list:{','.join(hosts)}", name, _addresses(name))
    host = f"mx.{queue.routing_domain}"
    return Site(host, f"{host}.", _addresses(queue.routing_domain))


def _addresses(name: str) -> tuple[str, ...]:
    """Addresses for documentation (RFC 5737, RFC 3849), always the same for a name."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return f"203.0.113.{digest[0] % 254 + 1}", f"2001:db8::{digest[1]:x}:{digest[2]:x}"


@dataclass(slots=True, eq=False)
class ReadyQueue:
    """One source towards one site."""

    name: str
    source: EgressSource
    site: Site
    domain: str
    pool: str
    path: EgressPathConfig
    epoch: int
    refreshed: int
    used: int
    delivered: int = 0
    deferred: int = 0
    failed: int = 0
    scheduled_queues: set[str] = field(default_factory=set)
    busy: int = 0
    """Messages that a receiver has not answered yet."""
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: int = 0

    def peer(self) -> Peer:
        """The receiving host, by IPv6 if that is all that the source can or may use."""
        four, six = self.site.addresses
        own = self.source.values["source_address"]
        only_six = self.path.values["ip_lookup_strategy"] == "Ipv6Only" or (
            own and ipaddress.ip_address(own).version == 6
        )
        return Peer(name=self.site.host, addr=six if only_six else four)

    @property
    def source_ip(self) -> str:
        """The address that receivers see."""
        values = self.source.values
        proxied = values["ha_proxy_source_address"] or values["socks5_proxy_source_address"]
        return str(proxied or values["source_address"] or _LOCAL)

    def source_address(self) -> SourceAddress:
        """Our end of a new connection."""
        values = self.source.values
        for protocol in ("haproxy", "socks5"):
            prefix = "ha_proxy" if protocol == "haproxy" else protocol + "_proxy"
            address, server = values[f"{prefix}_source_address"], values[f"{prefix}_server"]
            if address and server:
                return SourceAddress(address=f"{_bracketed(address)}:0", server=server, protocol=protocol)
        port = secrets.choice(_EPHEMERAL_PORTS)
        return SourceAddress(address=f"{_bracketed(values['source_address'] or _LOCAL)}:{port}")

    def rates(self) -> list[tuple[str, ThrottleSpec]]:
        """The message rates of the path, by bucket name."""
        rates = list(self.path.throttles("additional_message_rate_throttles").items())
        own = self.path.throttle("max_message_rate")
        return rates if own is None else [(f"kumomta.max_message_rate.{self.name}", own), *rates]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class ReadyQueues:
    """All ready queues of the node."""

    def __init__(self, vm: Callable[[], Vm], epoch: Callable[[], int]) -> None:
        self._vm = vm
        self._epoch = epoch
        self._by_name: dict[str, ReadyQueue] = {}

    def __iter__(self) -> Iterator[ReadyQueue]:
        return iter(list(self._by_name.values()))

    def get(self, name: str) -> ReadyQueue | None:
        """The ready queue of that name, if there is one."""
        return self._by_name.get(name)

    def resolve(self, queue: ScheduledQueue, source: str, now: int) -> ReadyQueue:
        """The ready queue that takes a scheduled queue's mail when it leaves through a source.

        Raises:
            PolicyError: the policy does not know the source, or fails.
        """
        site = site_of(queue)
        name = f"{source}->{site.name}@smtp_client"
        ready = self._by_name.get(name)
        if ready is None:
            ready = self._by_name[name] = self._make(name, queue, source, site, now)
        elif self._is_stale(ready, now):
            self._refresh(ready, now)
        ready.scheduled_queues.add(queue.name)
        return ready

    def _make(self, name: str, queue: ScheduledQueue, source: str, site: Site, now: int) -> ReadyQueue:
        vm = self._vm()
        return ReadyQueue(
            name=name,
            source=vm.egress_source(source),
            site=site,
            domain=queue.routing_domain,
            pool=queue.config.egress_pool,
            path=vm.egress_path(queue.routing_domain, source, site.name),
            epoch=self._epoch(),
            refreshed=now,
            used=now,
            began=now,
        )

    def _is_stale(self, ready: ReadyQueue, now: int) -> bool:
        if ready.path.values["refresh_strategy"] == "Epoch":
            return ready.epoch != self._epoch()
        return now - ready.refreshed >= seconds(ready.path.seconds("refresh_interval") or 0)

    def _refresh(self, ready: ReadyQueue, now: int) -> None:
        """Read the path again. The source stays frozen while the queue lives, as in KumoMTA."""
        ready.epoch, ready.refreshed = self._epoch(), now
        try:
            ready.path = self._vm().egress_path(ready.domain, ready.source.name, ready.site.name)
        except PolicyError:
            return  # already in the node's log; the path stays what it was

    def reap(self, now: int) -> None:
        """Forget those that have long been idle."""
        for ready in self:
            if not ready.busy and now - ready.used >= _IDLE:
                del self._by_name[ready.name]
