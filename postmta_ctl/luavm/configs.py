"""The objects made by ``kumo.make_*``: what a policy answers KumoMTA's questions with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from postmta_ctl.luavm.formats import LimitSpec, ThrottleSpec, parse_duration, parse_limit, parse_throttle
from postmta_ctl.luavm.userdata import SerializedUserdata, Userdata

UNSPECIFIED = "unspecified"
"""KumoMTA's built-in pool and source: the host's default address."""


class Options:
    """Checked options with their defaults, as JSON-like values, and typed readers for those with a grammar."""

    struct: ClassVar[str]

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.values!r})"

    def seconds(self, option: str) -> float | None:
        """A duration option in seconds."""
        value = self.values[option]
        return None if value is None else parse_duration(value)

    def throttle(self, option: str) -> ThrottleSpec | None:
        """A rate option."""
        value = self.values[option]
        return None if value is None else parse_throttle(value)

    def throttles(self, option: str) -> dict[str, ThrottleSpec]:
        """A map of rates, by bucket name."""
        return {name: parse_throttle(value) for name, value in self.values[option].items()}

    def limit(self, option: str) -> LimitSpec:
        """A connection limit."""
        return parse_limit(self.values[option])


class _Visible(Options, SerializedUserdata):
    """Options that Lua can index and iterate."""

    def to_plain(self) -> dict[str, object]:
        """The options that are set."""
        return {name: value for name, value in self.values.items() if value is not None}


class QueueConfig(_Visible):
    """How one scheduled queue behaves (``kumo.make_queue_config``)."""

    lua_type = struct = "QueueConfig"

    @property
    def egress_pool(self) -> str:
        """Name of the pool; without one KumoMTA sends from the host's default address."""
        return str(self.values["egress_pool"] or UNSPECIFIED)

    @property
    def max_age(self) -> float:
        """Seconds after which a message expires."""
        return self.seconds("max_age") or 0.0

    @property
    def protocol(self) -> dict[str, Any]:
        """``{"smtp": …}``, ``{"custom_lua": …}``, ``{"maildir_path": …}`` or ``{"xfer": …}``."""
        protocol: dict[str, Any] = self.values["protocol"]
        return protocol

    def retry_delay(self, attempts: int) -> float:
        """Seconds until the next attempt after ``attempts`` failed ones: doubled each time, up to the maximum."""
        delay: float = (self.seconds("retry_interval") or 0.0) * 2 ** max(attempts - 1, 0)
        longest = self.seconds("max_retry_interval")
        return delay if longest is None else min(delay, longest)


class EgressPathConfig(_Visible):
    """How one source talks to one site (``kumo.make_egress_path``)."""

    lua_type = struct = "EgressPathConfig"

    def selection_throttles(self, ready_queue: str, source: str) -> list[tuple[str, ThrottleSpec]]:
        """The rates that limit how often this source is picked, by bucket name, slowest first."""
        named = list(self.throttles("additional_source_selection_rates").items())
        if rate := self.throttle("source_selection_rate"):
            named.insert(0, (f"kumomta.source_selection_rate.{ready_queue}.{source}", rate))
        return sorted(named, key=lambda item: int(item[1].limit / item[1].period * 1_000_000))


class EsmtpDomain(_Visible):
    """What an inbound listener does for one domain (``kumo.make_listener_domain``)."""

    lua_type = struct = "EsmtpDomain"


class EgressSource(Options, Userdata):
    """One sending identity (``kumo.make_egress_source``)."""

    lua_type = struct = "EgressSource"

    @property
    def name(self) -> str:
        """The label used in pools, queue names and logs."""
        return str(self.values["name"])


class PoolEntry(msgspec.Struct, frozen=True):
    """A member of a pool; weight 0 takes it out."""

    name: str
    weight: int = 1


class EgressPool(Options, Userdata):
    """A weighted set of sources (``kumo.make_egress_pool``)."""

    lua_type = struct = "EgressPool"

    @property
    def name(self) -> str:
        """The name that queue configurations refer to."""
        return str(self.values["name"])

    @property
    def entries(self) -> tuple[PoolEntry, ...]:
        """The members in the order given."""
        return tuple(PoolEntry(entry["name"], entry["weight"]) for entry in self.values["entries"])


class Listener(Options):
    """A listener that ``init`` started; ``kind`` is ``esmtp`` or ``http``."""

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.kind = kind

    @property
    def listen(self) -> str:
        """``HOST:PORT``."""
        return str(self.values["listen"])


class Spool(Options):
    """A spool that ``init`` defined."""

    struct = "DefineSpoolParams"

    @property
    def name(self) -> str:
        """``data`` or ``meta`` on a working node."""
        return str(self.values["name"])


class LogOutput(Options):
    """A local log or a log hook: which records it takes, and which meta and headers go with them."""

    @property
    def name(self) -> str:
        """The name of a hook, empty for local logs."""
        return str(self.values.get("name") or "")

    def takes(self, record_type: str) -> bool:
        """Whether records of this type are wanted (``per_record``, with ``Any`` as the fallback)."""
        per_record: Mapping[str, Mapping[str, Any]] = self.values["per_record"]
        settings = per_record.get(record_type, per_record.get("Any"))
        return settings is None or bool(settings["enable"])

    @property
    def meta(self) -> Iterable[str]:
        """Names of the message meta to put into records."""
        return tuple(self.values["meta"])

    @property
    def headers(self) -> Iterable[str]:
        """Names of the message headers to put into records."""
        return tuple(self.values["headers"])
