"""What ``pre_init`` and ``init`` declare: listeners, spools, logs, hooks, settings. Recorded on the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.catalogue import catalogue, hint
from postmta_ctl.luavm.configs import Listener, LogOutput, Spool
from postmta_ctl.luavm.errors import LuaProblem

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


def start_listener(kind: str) -> Callable[[Vm, dict[str, Any]], None]:
    """A function that records a listener of that kind."""

    def start(vm: Vm, values: dict[str, Any]) -> None:
        listener = Listener(kind, values)
        if any(other.listen == listener.listen for other in vm.node.listeners):
            raise LuaProblem("duplicate_name", f"{listener.listen} is listened on twice", "listen")
        vm.node.listeners.append(listener)

    return start


def define_spool(vm: Vm, values: dict[str, Any]) -> None:
    """A spool; KumoMTA wants one named data and one named meta."""
    _refuse_duplicate(vm.node.spools, values["name"])
    vm.node.spools.append(Spool(values))


def configure_log_hook(vm: Vm, values: dict[str, Any]) -> None:
    """A stream of log records to ``should_enqueue_log_record``."""
    _refuse_duplicate(vm.node.log_hooks, values["name"])
    vm.node.log_hooks.append(LogOutput(values))


def configure_local_logs(vm: Vm, values: dict[str, Any]) -> None:
    """Log files."""
    vm.node.local_logs.append(LogOutput(values))


def _refuse_duplicate(known: list[Any], name: str) -> None:
    if any(other.name == name for other in known):
        raise LuaProblem("duplicate_name", f"{name!r} is defined twice", "name")


def once(name: str) -> Callable[[Vm, Any], None]:
    """A function whose argument is kept as a setting, and which KumoMTA refuses to be called a second time."""

    def configure(vm: Vm, value: object) -> None:
        if name in vm.node.settings:
            raise LuaProblem("called_twice", "can be called once in the life of a process")
        vm.node.settings[name] = value

    return configure


def keep(name: str) -> Callable[..., None]:
    """A function whose argument is kept as a setting; the last call wins."""

    def configure(vm: Vm, *values: object) -> None:
        vm.node.settings[name] = values[0] if len(values) == 1 else list(values)

    return configure


def set_cache_capacity(vm: Vm, name: str, capacity: int) -> None:
    """The size of one of KumoMTA's own caches."""
    known = catalogue().builtin_caches
    if name not in known:
        raise LuaProblem("bad_value", f"{name!r} is not a built-in cache{hint(name, known)}", "name")
    vm.node.settings[f"kumo.set_lruttl_cache_capacity.{name}"] = capacity


def spawn_task(vm: Vm, values: dict[str, Any]) -> None:
    """A background task: recorded, to be fired as an event by whoever drives the node."""
    vm.node.spawned_tasks.append((values["event_name"], values["args"]))


_ONCE = (
    "kumo.configure_bounce_classifier",
    "kumo.configure_redis_throttles",
    "kumo.aaa.configure_acct_log",
    "kumo.dkim.set_signing_threads",
)
_SETTINGS = (
    "kumo.aaa.set_acl_cache_ttl",
    "kumo.aaa.set_check_cache_ttl",
    "kumo.aaa.set_fall_back_to_acl_map",
    "kumo.configure_accounting_db_path",
    "kumo.configure_log_disposition_hook",
    "kumo.dns.configure_resolver",
    "kumo.dns.configure_unbound_resolver",
    "kumo.dns.define_resolver",
    "kumo.dns.set_mta_sts_enabled",
    "kumo.dns.set_mx_concurrency_limit",
    "kumo.dns.set_mx_negative_cache_ttl",
    "kumo.dns.set_mx_timeout",
    "kumo.enable_memory_callstack_tracking",
    "kumo.set_config_monitor_globs",
    "kumo.set_diagnostic_log_filter",
    "kumo.set_httpinject_recipient_rate_limit",
    "kumo.set_httpinject_threads",
    "kumo.set_logging_threads",
    "kumo.set_lua_gc_on_put",
    "kumo.set_max_lua_context_age",
    "kumo.set_max_lua_context_use_count",
    "kumo.set_max_spare_lua_contexts",
    "kumo.set_memory_hard_limit",
    "kumo.set_memory_low_thresh",
    "kumo.set_memory_soft_limit",
    "kumo.set_qmaint_threads",
    "kumo.set_ready_qmaint_threads",
    "kumo.set_readyq_threads",
    "kumo.set_smtpsrv_threads",
    "kumo.set_spoolin_threads",
    "kumo.set_timeq_spawn_reinsertion",
    "kumo.spawn_thread_pool",
    "kumo.suspend_delivery_when_spool_unhealthy",
)

FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.start_http_listener": start_listener("http"),
    "kumo.start_esmtp_listener": start_listener("esmtp"),
    "kumo.define_spool": define_spool,
    "kumo.configure_log_hook": configure_log_hook,
    "kumo.configure_local_logs": configure_local_logs,
    "kumo.set_lruttl_cache_capacity": set_cache_capacity,
    "kumo.spawn_task": spawn_task,
    "kumo.get_memory_hard_limit": lambda vm: vm.node.settings.get("kumo.set_memory_hard_limit"),
    "kumo.get_memory_soft_limit": lambda vm: vm.node.settings.get("kumo.set_memory_soft_limit"),
    "kumo.get_memory_low_thresh": lambda vm: vm.node.settings.get("kumo.set_memory_low_thresh"),
    **{name: once(name) for name in _ONCE},
    **{name: keep(name) for name in _SETTINGS},
}
