"""What kumod would refuse, or silently not do, is refused with a stable code and the line of the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from postmta_ctl.luavm import PolicyError, Vm

Refusal = Callable[..., PolicyError]
Load = Callable[..., Vm]


def load_error(load: Load, init: str, files: dict[str, str] | None = None) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        load(init, files)
    return caught.value


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("unknown_function", "kumo.make_egres_path {}"),
        ("unknown_function", "kumo.dkim.sign()"),
        ("unknown_function", "kumo.api.admin.suspend.pause()"),
        ("unknown_function", "require('sqlite').connect('x')"),
        ("unknown_option", "kumo.make_egress_path { conection_limit = 1 }"),
        ("unknown_option", "kumo.make_egress_pool { name = 'p', entries = { { name = 'a', wieght = 1 } } }"),
        ("wrong_type", "kumo.make_egress_path { max_ready = 1.0 }"),
        ("wrong_type", "kumo.make_queue_config { egress_pool = 7 }"),
        ("wrong_type", "kumo.make_queue_config 'x'"),
        ("bad_value", "kumo.make_egress_path { enable_tls = 'Sometimes' }"),
        ("bad_value", "kumo.make_queue_config { max_message_rate = '100/days' }"),
        ("missing_option", "kumo.make_egress_source {}"),
        ("wrong_argument_count", "kumo.make_queue_config()"),
        ("wrong_argument_count", "kumo.make_queue_config({}, {})"),
        ("empty_table", "kumo.make_queue_config { protocol = { smtp = { mx_list = {} } } }"),
        ("lenient_map_as_list", "kumo.make_egress_pool { name = 'p', entries = { a = 1 } }"),
        ("lenient_mixed_table", "kumo.set_config_monitor_globs({ '/a', b = '/c' })"),
        ("lenient_unknown_option", "kumo.make_queue_config { protocol = { smtp = { mxlist = { 'a' } } } }"),
        (
            "unknown_option",
            "kumo.make_queue_config { protocol = { custom_lua = { constructor = 'c', batchsize = 1 } } }",
        ),
        ("registration_in_handler", "kumo.on('get_queue_config', function() end)"),
        ("wrong_event", "kumo.dkim.set_signing_threads(1)"),
        ("wrong_process", "require('tsa').start_http_listener {}"),
        ("undefined_global", "return foo"),
        ("accidental_global", "foo = 1"),
        ("accidental_global", "function foo() end"),
        ("accidental_global", "kumo.foo = 1"),
        ("not_simulated", "os.execute('true')"),
        ("not_simulated", "io.popen('true')"),
        ("not_simulated", "io.open('/tmp/x', 'w')"),
        ("not_simulated", "require('redis').open { node = 'redis://x' }"),
        ("duplicate_name", "for _ = 1, 2 do kumo.configure_log_hook { name = 'h' } end"),
        ("called_twice", "for _ = 1, 2 do kumo.configure_bounce_classifier { files = { '/b.toml' } } end"),
        ("lua_error", "local t = nil; return t.x"),
        ("lua_error", "error('boom')"),
        ("lua_error", "return debug.getinfo(1)"),
        ("undefined_global", "return python.builtins"),
    ],
)
def test_codes(refusal: Refusal, code: str, body: str) -> None:
    error = refusal(f"local before\n{body}")
    assert (error.code, error.file, error.line) == (code, "init.lua", 4)


def test_the_error_names_file_line_code_call_and_option(refusal: Refusal) -> None:
    error = refusal("local x\nreturn kumo.make_queue_config {\n  protocol = { custom_lua = { constructr = 'c' } },\n}")
    assert str(error) == (
        "init.lua:4: unknown_option: kumo.make_queue_config: protocol.custom_lua.constructr: "
        "LuaDeliveryProtocol has no option constructr (did you mean constructor?)"
    )


def test_the_place_is_that_of_the_module(load: Load) -> None:
    vm = load(
        "kumo.on('init', require('lib.a').go)", {"lib/a.lua": "return { go = function()\n  return nothing\nend }"}
    )
    with pytest.raises(PolicyError, match=r"^lib/a\.lua:2: undefined_global: nothing is not defined$"):
        vm.fire("init")


def test_syntax_errors_name_the_line(load: Load) -> None:
    error = load_error(load, "local x =\n\nend")
    assert (error.code, error.line) == ("lua_syntax", 4)
    assert error.file is not None
    assert error.file.endswith("init.lua")


@pytest.mark.parametrize("event", ["get_queue_confg", "http_mesage_generated", "frobnicate", "pre_int"])
def test_unknown_events_are_refused(load: Load, event: str) -> None:
    error = load_error(load, f"kumo.on('{event}', function() end)")
    assert (error.code, error.line) == ("unknown_event", 2)


def test_a_misspelt_event_gets_the_right_name(load: Load) -> None:
    assert "did you mean get_queue_config?" in str(load_error(load, "kumo.on('get_queue_confg', function() end)"))


@pytest.mark.parametrize(
    "init",
    [
        "kumo.on('make.postmta.log_hook', function() end)",
        "kumo.on('log_disposition_x', function() end)",
        "local NAME = 'ctor'\nkumo.on(NAME, function() end)",
        "kumo.on('my.ctor', function() end)\nlocal p = { custom_lua = { constructor = 'my.ctor' } }",
    ],
)
def test_events_named_by_the_policy_are_taken_when_it_refers_to_them(load: Load, init: str) -> None:
    assert len(load(init).handlers) == 1


def test_events_of_other_processes_are_refused(load: Load) -> None:
    assert load_error(load, "kumo.on('tsa_init', function() end)").code == "wrong_process"


def test_a_single_handler_event_takes_one_handler(load: Load) -> None:
    error = load_error(load, "kumo.on('init', function() end)\nkumo.on('init', function() end)")
    assert str(error) == "init.lua:3: duplicate_handler: kumo.on: init already has a handler, defined at init.lua:2"


def test_top_level_may_not_declare(load: Load) -> None:
    assert load_error(load, "kumo.start_http_listener {}").code == "wrong_event"


def test_what_pcall_catches_is_remembered(load: Load) -> None:
    vm = load("kumo.on('init', function() return tostring(select(2, pcall(kumo.make_queue_config, { x = 1 }))) end)")
    assert "unknown_option" in str(vm.fire("init"))
    assert [error.code for error in vm.raised] == ["unknown_option"]


def test_errors_are_opaque_to_the_policy(refusal: Refusal) -> None:
    assert refusal("local _, err = pcall(kumo.make_queue_config)\nreturn err.args").code == "wrong_type"


@pytest.mark.parametrize(
    "body",
    [
        "while true do end",
        "while true do pcall(error, 'x') end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do pcall(pcall, function() while true do end end) end",
        "while true do pcall(kumo.serde.json_load, '/nowhere') end",
        (
            "local endless = setmetatable({}, { __close = function() while true do end end }) "
            "while true do pcall(function() local it <close> = endless end) end"
        ),
    ],
)
def test_endless_loops_end(refusal: Refusal, body: str) -> None:
    assert refusal(body, time_limit=0.1).code == "timeout"


def test_bytecode_is_not_loaded(run: Callable[..., Any]) -> None:
    assert run("return (load(string.dump(function() end)))") is None


def test_the_environment_is_the_nodes(run: Callable[..., Any]) -> None:
    assert run("return { os.getenv('HOME') or 'none', os.getenv('A') }", environ={"A": "b"}) == ["none", "b"]


def test_time_is_the_nodes(run: Callable[..., Any]) -> None:
    assert run("return { os.time(), os.date('!%Y') }") == [1785844800, "2026"]
