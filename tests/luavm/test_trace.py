"""What a watched context tells of a policy that ran."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from postmta_ctl.luavm import PolicyError, Vm
from postmta_ctl.luavm.trace import MAX_CALLS, MAX_FUNCTIONS, MAX_SOURCE, Step

POLICY = """
local M = require 'rules'
kumo.on('get_queue_config', function(domain, tenant)
  return M.config(domain)
end)
"""
RULES = """local kumo = require 'kumo'
local M = {}

local age = function(domain)
  if domain == 'a.test' then
    return '1 day'
  end
  return '2 days'
end

function M.config(domain)
  return kumo.make_queue_config { max_age = age(domain) }
end

return M
"""


def asked(vm: Vm, domain: str) -> Step:
    trace = vm.watch()
    vm.queue_config(domain)
    (step,) = trace.steps()
    return step


def test_each_function_is_told_with_the_line_that_decided(load: Callable[..., Vm]) -> None:
    vm = load(POLICY, {"rules.lua": RULES})
    step = asked(vm, "a.test")
    assert (step.event, step.file) == ("get_queue_config", "init.lua")
    assert [(one.function, one.file, one.line, one.source) for one in step.functions if one.file == "rules.lua"] == [
        ("M.config", "rules.lua", 12, "return kumo.make_queue_config { max_age = age(domain) }"),
        ("age", "rules.lua", 6, "return '1 day'"),
    ]
    assert asked(vm, "b.test").functions[-1].source == "return '2 days'"


def test_calls_of_kumo_are_told_with_the_line_that_made_them(load: Callable[..., Vm]) -> None:
    (call,) = asked(load(POLICY, {"rules.lua": RULES}), "a.test").calls
    assert (call.function, call.arguments) == ("kumo.make_queue_config", [None])
    assert (call.file, call.line) == ("rules.lua", 12)


def test_a_refusal_and_an_error_end_at_their_lines(load: Callable[..., Vm]) -> None:
    vm = load("kumo.on('smtp_server_ehlo', function(name)\n  kumo.reject(550, name)\nend)")
    trace = vm.watch()
    vm.fire("smtp_server_ehlo", "x")
    (step,) = trace.steps()
    assert (step.functions[0].line, step.calls[0].function, step.calls[0].arguments) == (3, "kumo.reject", [550, "x"])
    vm = load("kumo.on('smtp_server_ehlo', function(name)\n  local x = nil\n  x.y = 1\nend)")
    trace = vm.watch()
    with pytest.raises(PolicyError):
        vm.fire("smtp_server_ehlo", "x")
    assert trace.steps()[0].functions[0].line == 4


def test_nothing_is_told_twice_and_nothing_before_somebody_watches(load: Callable[..., Vm]) -> None:
    vm = load(POLICY, {"rules.lua": RULES})
    vm.queue_config("a.test")
    trace = vm.watch()
    assert trace.steps() == []
    vm.queue_config("a.test")
    assert len(trace.steps()) == 1
    assert trace.steps() == []


def test_a_policy_cannot_see_or_remove_the_watch_and_its_budget_stays(load: Callable[..., Vm]) -> None:
    body = "kumo.on('smtp_server_ehlo', function(name)\n  while true do end\nend)"
    vm = load(body, time_limit=0.2)
    vm.watch()
    with pytest.raises(PolicyError) as caught:
        vm.fire("smtp_server_ehlo", "x")
    assert caught.value.code == "timeout"
    vm = load("kumo.on('smtp_server_ehlo', function(name)\n  debug.sethook()\nend)")
    vm.watch()
    with pytest.raises(PolicyError):
        vm.fire("smtp_server_ehlo", "x")


def test_what_a_policy_repeats_does_not_swell_the_trace(load: Callable[..., Vm]) -> None:
    functions = f";(function() kumo.log_info('{'y' * 2 * MAX_SOURCE}') end)()\n" * 2 * MAX_CALLS
    vm = load(f"kumo.on('smtp_server_ehlo', function()\n{functions}end)")
    trace = vm.watch()
    vm.fire("smtp_server_ehlo")
    (step,) = trace.steps()
    assert len(step.functions) == MAX_FUNCTIONS
    assert len(step.calls) == MAX_CALLS
    assert all(len(one.source) <= MAX_SOURCE for one in step.functions)
    assert step.calls[0].arguments == ["y" * MAX_SOURCE]


def test_arguments_are_what_json_can_say(load: Callable[..., Vm]) -> None:
    vm = load("kumo.on('smtp_server_ehlo', function()\n  kumo.log_info('\\xff\\xfe', 1/0, 2^53, true, {}, nil)\nend)")
    trace = vm.watch()
    vm.fire("smtp_server_ehlo")
    (call,) = trace.steps()[0].calls
    assert json.loads(msgspec.json.encode(call.arguments))[:5] == ["\ufffd\ufffd", "inf", 2.0**53, True, None]
