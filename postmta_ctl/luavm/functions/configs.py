"""``kumo.make_*`` for configuration objects, and ``kumo.invoke_get_*``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.configs import EgressPathConfig, EgressPool, EgressSource, EsmtpDomain, QueueConfig
from postmta_ctl.luavm.errors import LuaProblem

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


def make_egress_source(_vm: Vm, values: dict[str, Any]) -> EgressSource:
    """A source. A proxy takes effect only when its server and its source address are both given."""
    for proxy in ("ha_proxy", "socks5_proxy"):
        given = [part for part in ("server", "source_address") if values[f"{proxy}_{part}"] is not None]
        if len(given) == 1:
            raise LuaProblem("lenient_half_proxy", f"{proxy}_{given[0]} alone is ignored by kumod: give both")
    return EgressSource(values)


FUNCTIONS = {
    "kumo.make_queue_config": lambda _vm, values: QueueConfig(values),
    "kumo.make_egress_path": lambda _vm, values: EgressPathConfig(values),
    "kumo.make_egress_pool": lambda _vm, values: EgressPool(values),
    "kumo.make_egress_source": make_egress_source,
    "kumo.make_listener_domain": lambda _vm, values: EsmtpDomain(values),
    "kumo.invoke_get_queue_config": lambda vm, name: vm.queue_config_of(name),
    "kumo.invoke_get_egress_pool": lambda vm, name: vm.egress_pool(name),
    "kumo.invoke_get_egress_source": lambda vm, name: vm.egress_source(name),
    "kumo.invoke_get_egress_path_config": lambda vm, *names: vm.egress_path(*names),
}
