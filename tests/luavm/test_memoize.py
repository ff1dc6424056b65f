"""``kumo.memoize`` and the caches of pools and sources: what outlives a context, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from postmta_ctl.luavm import ManualClock, NodeRuntime, PolicyError

Node = Callable[..., NodeRuntime]


def counting(options: str) -> str:
    """A policy whose ``init`` tells how often the memoized function ran in this context."""
    return (
        "local runs = 0\n"
        f"local f = kumo.memoize(function(a) runs = runs + 1 return {{ a = a }} end, {{ name = 'f', {options} }})\n"
        "kumo.on('init', function(...) for i = 1, select('#', ...) do f((select(i, ...))) end return runs end)"
    )


def test_one_run_per_arguments_and_process(node: Node) -> None:
    running = node(counting("ttl = '1h', capacity = 9"))
    assert running.context().fire("init", "x", "y", "x") == 2
    assert running.context().fire("init", "x", "y", "z") == 1


def test_ttl(node: Node, clock: ManualClock) -> None:
    vm = node(counting("ttl = '1m', capacity = 9")).context()
    assert vm.fire("init", "x") == 1
    clock.advance(59)
    assert vm.fire("init", "x") == 1
    clock.advance(2)
    assert vm.fire("init", "x") == 2


def test_capacity_drops_the_least_recently_used(node: Node) -> None:
    assert node(counting("ttl = '1h', capacity = 2")).context().fire("init", "a", "b", "a", "c", "a", "b") == 4


@pytest.mark.parametrize(
    ("options", "runs"),
    [("", 1), (", invalidate_with_epoch = true", 2), (", invalidate_with_epoch = true, allow_stale_reads = true", 1)],
)
def test_the_epoch(node: Node, options: str, runs: int) -> None:
    running = node(counting("ttl = '1h', capacity = 9" + options))
    total = running.current().fire("init", "x")
    running.bump_epoch()
    assert total + running.current().fire("init", "x") == runs


def test_other_parameters_replace_the_cache(node: Node) -> None:
    running = node(
        "local runs = 0\nlocal function f() runs = runs + 1 return runs end\n"
        "kumo.on('init', function()\n"
        "  local a = kumo.memoize(f, { name = 'c', ttl = '1h', capacity = 1 })\n  a() a()\n"
        "  local b = kumo.memoize(f, { name = 'c', ttl = '2h', capacity = 1 })\n  b() b()\n  return runs\nend)"
    )
    assert running.context().fire("init") == 2


@pytest.mark.parametrize(
    ("code", "result", "options"),
    [
        ("not_memoizable", "kumo.make_queue_config {}", ""),
        ("not_memoizable", "{ pool = kumo.make_egress_pool { name = 'p' } }", ""),
        ("not_memoizable", "function() end", ""),
        ("bad_value", "1", "name = 'dkim_key_cache'"),
        ("missing_option", "1", "name = false and '' or nil"),
        ("unknown_option", "1", "cap = 1"),
    ],
)
def test_refusals(refusal: Callable[..., PolicyError], code: str, result: str, options: str) -> None:
    defaults = "name = 'n', " if not options.startswith("name") else ""
    error = refusal(
        f"return kumo.memoize(function() return {result} end, {{ {defaults}ttl = '1m', capacity = 1, {options} }})()"
    )
    assert error.code == code
    assert error.line == 3


@pytest.mark.parametrize("missing", ["name", "ttl", "capacity"])
def test_name_ttl_and_capacity_are_required(refusal: Callable[..., PolicyError], missing: str) -> None:
    given = {"name": "'n'", "ttl": "'1m'", "capacity": "1"}
    options = ", ".join(f"{name} = {value}" for name, value in given.items() if name != missing)
    error = refusal(f"kumo.memoize(function() end, {{ {options} }})")
    assert (error.code, missing in str(error)) == ("missing_option", True)


def test_failures_are_not_kept(run: Callable[..., Any]) -> None:
    assert run(
        "local n = 0\n"
        "local f = kumo.memoize(function() n = n + 1 if n == 1 then error('first') end return n end,\n"
        "  { name = 'f', ttl = '1h', capacity = 1 })\n"
        "return { pcall(f), (f()) }"
    ) == [False, 2]


TABLE = "local t = kumo.memoize(function() return { 1, 2, { x = 'y' }, list = { 'a' } } end,\n"
TABLE += "  { name = 't', ttl = '1h', capacity = 1 })\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("type(t)", "function"),
        ("type(t())", "userdata"),
        ("t()[1] + t()[2]", 3),
        ("t()[3].x", "y"),
        ("t().nothing == nil", True),
        ("#t()", 4),
        ("(function() local n = 0 for _, v in ipairs(t()) do n = n + 1 end return n end)()", 3),
        ("(function() local n = 0 for k, v in pairs(t()) do n = n + 1 end return n end)()", 4),
        ("kumo.serde.json_encode(t().list)", '["a"]'),
        ("kumo.make_egress_pool { name = 'p', entries = {} } ~= nil", True),
        ("select(1, pcall(next, t()))", False),
    ],
)
def test_a_memoized_table_is_shared_userdata(run: Callable[..., Any], expression: str, value: object) -> None:
    assert run(f"{TABLE}return {expression}") == value


def test_writing_to_one_copies_its_top_level(run: Callable[..., Any]) -> None:
    assert run(
        TABLE
        + "local mine = t()\nmine.new = 1\nmine[3].x = 'z'\nreturn { mine.new, t().new == nil, mine[3].x, t()[3].x }"
    ) == [1, True, "y", "y"]


def test_a_memoized_table_serves_as_options(run: Callable[..., Any]) -> None:
    body = (
        "local f = kumo.memoize(function() return { protocol = { smtp = { mx_list = { 'a' } } } } end,"
        " { name = 'q', ttl = '1h', capacity = 1 })\nreturn kumo.make_queue_config(f()).protocol.smtp.mx_list[1]"
    )
    assert run(body) == "a"


def test_several_results_come_back_as_a_list(run: Callable[..., Any]) -> None:
    body = "local f = kumo.memoize(function() return 1, 'b' end, { name = 'm', ttl = '1h', capacity = 1 })\n"
    assert run(body + "return f()") == [1, "b"]


def test_maps_can_be_memoized(run: Callable[..., Any]) -> None:
    body = (
        "local f = kumo.memoize(function() return kumo.domain_map.new { ['*.example.com'] = { n = 7 } } end,\n"
        "  { name = 'm', ttl = '1h', capacity = 1 })\nreturn f()['a.example.com'].n"
    )
    assert run(body) == 7


SOURCES = """
local ttl = ...
kumo.on('get_egress_pool', function(name)
  kumo.log_info('pool')
  return kumo.make_egress_pool { name = name, entries = { { name = 'a' } }, ttl = '1s' }
end)
kumo.on('get_egress_source', function(name)
  kumo.log_info('source')
  return kumo.make_egress_source { name = name }
end)
"""


def test_pools_and_sources_are_kept_for_their_ttl_whatever_the_epoch(node: Node, clock: ManualClock) -> None:
    running = node(SOURCES)

    def asked() -> list[str]:
        running.log_lines.clear()
        running.current().egress_pool("p")
        return [line.text for line in running.log_lines]

    assert asked() == ["pool", "source"]
    running.bump_epoch()
    assert asked() == []
    clock.advance(2)
    assert asked() == ["pool"]
    clock.advance(60)
    assert asked() == ["pool", "source"]
