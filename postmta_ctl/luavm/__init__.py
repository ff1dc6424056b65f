"""A Lua 5.4 VM with a strict stand-in for KumoMTA's ``kumo``: one engine for lint, explain, simulate and tests."""

from __future__ import annotations

from postmta_ctl.luavm.access import TRUSTED_GROUP
from postmta_ctl.luavm.addresses import EnvelopeAddress
from postmta_ctl.luavm.clock import Clock, ManualClock, SystemClock
from postmta_ctl.luavm.configs import EgressPathConfig, EgressPool, EgressSource, EsmtpDomain, PoolEntry, QueueConfig
from postmta_ctl.luavm.connection import ConnectionMeta, LuaConnection
from postmta_ctl.luavm.control import NodeControl
from postmta_ctl.luavm.dns import DnsFailure, EveryHostHasBoth, Resolver
from postmta_ctl.luavm.errors import PolicyError, Rejected
from postmta_ctl.luavm.http import HttpFailure, HttpRequest, HttpResponse, HttpTransport, HttpxTransport, no_network
from postmta_ctl.luavm.lint import Finding, check_policy
from postmta_ctl.luavm.message import Message
from postmta_ctl.luavm.node import NodeRuntime
from postmta_ctl.luavm.queues import QueueName
from postmta_ctl.luavm.selector import Selection, SourceSelector
from postmta_ctl.luavm.throttle import ThrottleStore
from postmta_ctl.luavm.vm import Vm

__all__ = [
    "TRUSTED_GROUP",
    "Clock",
    "ConnectionMeta",
    "DnsFailure",
    "EgressPathConfig",
    "EgressPool",
    "EgressSource",
    "EnvelopeAddress",
    "EsmtpDomain",
    "EveryHostHasBoth",
    "Finding",
    "HttpFailure",
    "HttpRequest",
    "HttpResponse",
    "HttpTransport",
    "HttpxTransport",
    "LuaConnection",
    "ManualClock",
    "Message",
    "NodeControl",
    "NodeRuntime",
    "PolicyError",
    "PoolEntry",
    "QueueConfig",
    "QueueName",
    "Rejected",
    "Resolver",
    "Selection",
    "SourceSelector",
    "SystemClock",
    "ThrottleStore",
    "Vm",
    "check_policy",
    "no_network",
]
