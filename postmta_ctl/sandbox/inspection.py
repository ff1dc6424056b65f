"""What the admin API shows of queues, messages and the machine."""

from __future__ import annotations

import os
import platform
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.catalogue import catalogue
from postmta_ctl.luavm.configs import Options
from postmta_ctl.luavm.formats import parse_duration
from postmta_ctl.sandbox import metrics
from postmta_ctl.sandbox.durations import seconds, show_moment, show_span
from postmta_ctl.sandbox.mail import Mail
from postmta_ctl.sandbox.ready import ReadyQueue, site_of

if TYPE_CHECKING:
    from postmta_ctl.sandbox.hooks import Hooks
    from postmta_ctl.sandbox.node import Node

Shown = dict[str, Any]
_HIDDEN_WHEN_EMPTY = frozenset(["openssl_options", "rustls_cipher_suites"])
UNSPECIFIED = "unspecified"


class UnknownQueue(Exception):
    """No queue of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such queue {name}")


class Inspector:
    """Read-only views of the node."""

    def __init__(self, node: Node, hooks: Hooks) -> None:
        self._node = node
        self._hooks = hooks

    # -- scheduled queues and messages --------------------------------------------------------------------------

    def scheduled_queue(self, name: str, *, want_body: bool, limit: int | None) -> Shown:
        """A scheduled queue and its messages.

        Raises:
            UnknownQueue: there is none.
        """
        queue = self._node.queues.get(name)
        if queue is None:
            raise UnknownQueue(name)
        mails = list(queue.mails.values())[:limit]
        return {
            "queue_name": name,
            "messages": [{"id": mail.id, "message": self._queued(mail, want_body=want_body)} for mail in mails],
            "num_scheduled": len(queue.mails),
            "queue_config": _shown(queue.config),
            "delayed_metric": sum(not mail.busy for mail in queue.mails.values()),
            "now": show_moment(self._node.now()),
            "last_changed": show_moment(queue.changed),
        }

    def _queued(self, mail: Mail, *, want_body: bool) -> Shown:
        shown = self._envelope(mail, want_body=want_body)
        shown |= {"due": show_moment(mail.due), "num_attempts": mail.num_attempts}
        return shown | ({"scheduling": mail.scheduling} if mail.scheduling else {})

    def message(self, spool_id: str, *, want_body: bool) -> Shown:
        """A message, wherever it is.

        Raises:
            KeyError: there is none.
        """
        for queue in self._node.queues:
            if spool_id in queue.mails:
                return {"id": spool_id, "message": self._envelope(queue.mails[spool_id], want_body=want_body)}
        raise KeyError(spool_id)

    def _envelope(self, mail: Mail, *, want_body: bool) -> Shown:
        data = self._node.spool.data(mail.id).decode("utf-8", "replace") if want_body else None
        meta = dict(sorted(mail.meta.items()))
        return {"sender": mail.sender, "recipient": mail.recipient, "meta": meta, "data": data}

    # -- ready queues and paths ---------------------------------------------------------------------------------

    def ready_queue(self, name: str, *, scheduled: bool) -> Shown:
        """A ready queue.

        Raises:
            UnknownQueue: there is none.
        """
        ready = self._node.ready.get(name)
        if ready is None:
            raise UnknownQueue(name)
        now = self._node.now()
        rule = self._node.ready_suspensions.find(lambda request: request.name == name, now)
        shown = {
            "queue_name": name,
            "mx": _mx(ready),
            "egress_source": ready.source.name,
            "egress_pool": ready.pool,
            "protocol": "smtp_client",
            "state": {
                "ready_count": 0,
                "connection_count": int(ready.busy > 0),
                "connection_rate_throttled": None,
                "connection_limited": None,
                "suspended": {"context": rule.request.reason, "since": show_moment(now)} if rule else None,
                "watchdog_threshold": "10m",
            },
            "path_config": _path(ready),
            "constraints": _constraints(ready),
        }
        names = {"scheduled_queue_names": sorted(ready.scheduled_queues)} if scheduled else {}
        return shown | names | {"dispatchers": self._dispatchers(ready, now), "now": show_moment(now)}

    def _dispatchers(self, ready: ReadyQueue, now: int) -> list[Shown]:
        """One, as if all mail had gone over a single connection."""
        done = ready.delivered + ready.deferred + ready.failed
        return [
            {
                "session_id": ready.session,
                "started_at": show_moment(ready.began),
                "age": show_span(now - ready.began),
                "phase": "Delivering" if ready.busy else "Idle",
                "detail": None,
                "time_in_current_phase": show_span(now - ready.used),
                "messages_delivered": ready.delivered,
                "messages_transfailed": ready.deferred,
                "messages_failed": ready.failed,
                "delivered_this_connection": ready.delivered,
                "overall_rate_per_sec": done * seconds(1) / max(now - ready.began, 1),
            }
        ]

    def egress_path(self, domain: str, source: str) -> Shown:
        """How mail for a domain would leave through a source.

        Raises:
            QueueFailure: the policy makes no queue of that name.
            PolicyError: it does not know the source.
        """
        queue = self._node.queues.resolve(domain, self._node.now())
        ready = self._node.ready.resolve(queue, source, self._node.now())
        return {
            "domain": domain,
            "source": source,
            "mx": _mx(ready),
            "queue_name": f"{source}->{site_of(queue).name}@smtp_client",
            "queue_config": _shown(queue.config),
            "path_config": _path(ready),
            "constraints": _constraints(ready),
        }

    # -- the node -----------------------------------------------------------------------------------------------

    def machine(self) -> Shown:
        """The machine. It is the sandbox's host; only ``version`` says that this is no KumoMTA."""
        release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
        mac = f"{uuid.getnode():012x}"
        node_id = self._node.id
        return {
            "node_id": node_id,
            "hostname": self._node.hostname,
            "mac_address": ":".join(mac[i : i + 2] for i in range(0, 12, 2)),
            "num_cores": os.cpu_count() or 1,
            "kernel_version": platform.release(),
            "platform": f"{platform.system().lower()}/{platform.machine()}",
            "distribution": release.get("ID", "unknown"),
            "os_version": release.get("PRETTY_NAME", platform.platform()),
            "total_memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "container_runtime": None,
            "cpu_brand": platform.processor() or platform.machine(),
            "fingerprint": f"machine_uid=sandbox,node_id={node_id}",
            "online_since": show_moment(self._node.online_since),
            "process_kind": "kumod",
            "version": self._node.runtime.version,
        }

    def measurements(self) -> dict[metrics.Metric, metrics.Series]:
        """Everything that the node measures."""
        found = self._node.counters.snapshot()
        found.update({metrics.GAUGES[name]: series for name, series in self._gauges().items()})
        return found

    def _gauges(self) -> dict[str, metrics.Series]:
        queues = list(self._node.queues)
        sizes = [(queue, len(queue.mails)) for queue in queues]
        hooks = [(f"lua:{hook.name}", len(hook.waiting), hook.busy) for hook in self._hooks]
        ready = [(f"smtp_client:{each.name}", 0, each.busy) for each in self._node.ready]
        services = [*ready, ("smtp_client", 0, sum(busy for _, _, busy in ready)), *hooks]
        services.append(("lua", sum(waiting for _, waiting, _ in hooks), sum(busy for _, _, busy in hooks)))
        tenants = [(queue.parts.tenant, queue.parts.campaign, size) for queue, size in sizes if queue.parts.tenant]
        providers = [(_provider(queue), queue.config.egress_pool, size) for queue, size in sizes]
        spool = str(self._node.options.spool)
        disk = shutil.disk_usage(spool)
        total = sum(size for _, size in sizes)
        return {
            "scheduled_count": metrics.sums(((queue.name,), size) for queue, size in sizes),
            "scheduled_by_domain": metrics.sums(((queue.parts.domain,), size) for queue, size in sizes),
            "scheduled_by_tenant": metrics.sums(((tenant,), size) for tenant, _, size in tenants),
            "scheduled_by_tenant_campaign": metrics.sums(
                ((tenant, campaign), size) for tenant, campaign, size in tenants if campaign
            ),
            "scheduled_count_total": {(): total},
            "scheduled_queue_count": {(): len(queues)},
            "ready_count": metrics.sums(((name,), waiting) for name, waiting, _ in services),
            "connection_count": metrics.sums(((name,), int(busy > 0)) for name, _, busy in services),
            "queued_count_by_provider": metrics.sums(((provider,), size) for provider, _, size in providers),
            "queued_count_by_provider_and_pool": metrics.sums(
                ((provider, pool), size) for provider, pool, size in providers
            ),
            "message_count": {(): total},
            "memory_usage": {(): _resident_bytes()},
            "disk_free_bytes": {("data spool",): disk.free},
            "disk_free_percent": {("data spool",): disk.free * 100 // disk.total},
        }


def _provider(queue: Any) -> str:
    return str(queue.config.values["provider_name"] or (site_of(queue).name if queue.is_smtp else queue.parts.domain))


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _shown(options: Options) -> Shown:
    """Resolved options as KumoMTA prints them: all of them, durations in its own spelling."""
    fields = catalogue().structs[options.struct].fields
    return {name: _value(fields[name].type, value) for name, value in sorted(options.values.items())}


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "duration":
        return show_span(seconds(parse_duration(value)))
    if kind == "DeliveryProto" and "smtp" in value:
        smtp = value["smtp"] or {}
        mx_list = [
            {"addr": each, "name": each} if isinstance(each, str) else each for each in smtp.get("mx_list") or []
        ]
        return {"smtp": {"mx_list": mx_list, "treat_mx_list_as_secure": bool(smtp.get("treat_mx_list_as_secure"))}}
    return value


def _path(ready: ReadyQueue) -> Shown:
    shown = {name: value for name, value in _shown(ready.path).items() if value or name not in _HIDDEN_WHEN_EMPTY}
    limit = ready.path.limit("connection_limit")
    return shown | {"connection_limit": {"limit": limit.limit, "force_local": limit.local}}


def _constraints(ready: ReadyQueue) -> Shown:
    limit = ready.path.limit("connection_limit").limit
    source = {"kind": "primary"}
    rates: Mapping[str, str | None] = {
        "max_message_rate": "max_message_rate",
        "max_message_rate_declared": "max_message_rate",
        "max_connection_rate": "max_connection_rate",
        "max_source_selection_rate": "source_selection_rate",
    }
    shown: Shown = {"max_concurrent_dispatchers": {"value": float(limit), "source": source, "display": str(limit)}}
    for name, option in rates.items():
        spec = ready.path.throttle(str(option))
        text = ready.path.values[str(option)]
        shown[name] = {"value": spec.limit / spec.period, "source": source, "display": str(text)} if spec else None
    return shown


def _mx(ready: ReadyQueue) -> Shown | None:
    if ready.site.is_mx_list:
        return None
    return {
        "site_name": ready.site.name,
        "by_preference": {"10": [ready.site.host]},
        "is_mx": True,
        "is_domain_literal": False,
        "is_secure": False,
    }
