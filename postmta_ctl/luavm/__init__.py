"""A Lua 5.4 VM with a strict stand-in for KumoMTA's ``kumo``: one engine for lint, explain, simulate and tests."""

from __future__ import annotations

from postmta_ctl.luavm.clock import Clock, ManualClock, SystemClock
from postmta_ctl.luavm.connection import ConnectionMeta, LuaConnection
from postmta_ctl.luavm.errors import PolicyError, Rejected
from postmta_ctl.luavm.message import Message
from postmta_ctl.luavm.node import NodeRuntime
from postmta_ctl.luavm.vm import Vm

__all__ = [
    "Clock",
    "ConnectionMeta",
    "LuaConnection",
    "ManualClock",
    "Message",
    "NodeRuntime",
    "PolicyError",
    "Rejected",
    "SystemClock",
    "Vm",
]
