"""How events find their handlers, and what a handler's answer means."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest

from postmta_ctl.luavm import Message, NodeRuntime, PolicyError, Rejected, Vm

Load = Callable[..., Vm]
PASSES = "kumo.on('get_queue_config', function() return end)\n"
ANSWERS = "kumo.on('get_queue_config', function() return kumo.make_queue_config { egress_pool = 'p' } end)\n"
NIL = "kumo.on('get_queue_config', function() return nil end)\n"


def test_a_handler_without_values_passes_on(load: Load) -> None:
    assert load(PASSES + ANSWERS).queue_config("example.com").egress_pool == "p"


def test_an_explicit_nil_ends_the_chain(load: Load) -> None:
    with pytest.raises(PolicyError, match="wrong_result: get_queue_config"):
        load(NIL + ANSWERS).queue_config("example.com")


@pytest.mark.parametrize("init", ["", PASSES])
def test_nobody_answering_means_defaults(load: Load, init: str) -> None:
    config = load(init).queue_config("example.com")
    assert (config.egress_pool, config.max_age, config.protocol) == ("unspecified", 604_800, {"smtp": {}})


def test_internal_queues_are_not_asked_for(load: Load) -> None:
    vm = load("kumo.on('get_queue_config', function() error('asked') end)")
    assert vm.queue_config("generator.kumomta.internal").egress_pool == "unspecified"


def test_void_chains_are_silenced_by_any_value(load: Load) -> None:
    vm = load(
        "local n = {}\n"
        "kumo.on('pre_init', function() n[#n + 1] = 'a' end)\n"
        "kumo.on('pre_init', function() n[#n + 1] = 'b' return false end)\n"
        "kumo.on('pre_init', function() n[#n + 1] = 'c' end)\n"
        "kumo.on('init', function() return table.concat(n) end)"
    )
    vm.fire("pre_init")
    assert vm.fire("init") == "ab"


def test_a_function_without_result_lets_a_chain_go_on(load: Load) -> None:
    vm = load("kumo.on('get_queue_config', function() return kumo.log_info('x') end)\n" + ANSWERS)
    assert vm.queue_config("example.com").egress_pool == "p"


@pytest.mark.parametrize(
    ("event", "ask"),
    [
        ("get_queue_config", lambda vm: vm.queue_config("d")),
        ("get_egress_path_config", lambda vm: vm.egress_path("d", "s", "site")),
        ("get_egress_pool", lambda vm: vm.egress_pool("p")),
        ("get_egress_source", lambda vm: vm.egress_source("s")),
        ("get_listener_domain", lambda vm: vm.listener_domain("d", "127.0.0.1:25")),
    ],
)
def test_config_events_want_what_make_made(load: Load, event: str, ask: Callable[[Vm], object]) -> None:
    with pytest.raises(PolicyError) as caught:
        ask(load(f"kumo.on('{event}', function(name) return {{ name = name }} end)"))
    assert (caught.value.code, caught.value.line) == ("wrong_result", 2)


@pytest.mark.parametrize("ask", [lambda vm: vm.egress_pool("p"), lambda vm: vm.egress_source("s")])
def test_pools_and_sources_need_a_handler(load: Load, ask: Callable[[Vm], object]) -> None:
    with pytest.raises(PolicyError, match="missing_handler"):
        ask(load(""))


def test_the_built_in_pool_needs_none(load: Load) -> None:
    assert [entry.name for entry in load("").egress_pool(None).entries] == ["unspecified"]


def test_one_bad_source_breaks_its_pool(load: Load) -> None:
    vm = load(
        "kumo.on('get_egress_pool', function(n) return kumo.make_egress_pool { name = n, entries = { { name = 'a' } } }"
        " end)\nkumo.on('get_egress_source', function() return nil end)"
    )
    with pytest.raises(PolicyError, match="get_egress_source"):
        vm.egress_pool("p")


def test_a_listener_domain_may_be_nil(load: Load) -> None:
    assert load("kumo.on('get_listener_domain', function() end)").listener_domain("d", "127.0.0.1:25") is None


def test_rejections_are_results(load: Load) -> None:
    vm = load(
        "kumo.on('http_message_generated', function(msg) kumo.reject(550, '5.7.1 no ' .. msg:sender().domain) end)"
    )
    outcome = vm.http_message_generated(Message("1", "a@b.c", ["d@e.f"]))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.text, outcome.is_permanent) == (550, "5.7.1 no b.c", True)


def test_a_rejection_passes_through_pcall_and_error(load: Load) -> None:
    vm = load(
        "kumo.on('http_message_generated', function()\n"
        "  local ok, err = pcall(kumo.reject, 451, 'later')\n  if not ok then error(err) end\nend)"
    )
    assert str(vm.http_message_generated(Message("1", "", []))) == "451 later"


def test_a_question_of_configuration_cannot_be_rejected(load: Load) -> None:
    with pytest.raises(PolicyError, match=r"rejected: get_queue_config"):
        load("kumo.on('get_queue_config', function() kumo.reject(550, 'x') end)").queue_config("d")


@pytest.mark.parametrize(
    ("answer", "wanted"), [("nil", False), ("false", False), ("true", True), ("0", True), ("''", True)]
)
def test_booleans_of_events(load: Load, answer: str, wanted: bool) -> None:
    vm = load(f"kumo.on('should_enqueue_log_record', function(msg) msg:set_meta('queue', 'q') return {answer} end)")
    assert vm.log_record(Message("1", "", []), "hook") is wanted


def test_a_log_record_without_queue_would_be_mailed(load: Load) -> None:
    vm = load("kumo.on('should_enqueue_log_record', function() return true end)")
    with pytest.raises(PolicyError, match="missing_queue"):
        vm.log_record(Message("1", "", []), "hook")


def test_the_running_event_is_told(load: Load) -> None:
    vm = load("kumo.on('init', function() return _KUMO_CURRENT_EVENT, 1 end)\nlocal none = _KUMO_CURRENT_EVENT")
    assert vm.fire("init") == "init"


def test_connections(load: Load) -> None:
    vm = load(
        "kumo.on('make.x.log_hook', function(domain, tenant)\n"
        "  local c, n = {}, 0\n"
        "  function c:send(msg) n = n + 1 return domain .. msg:id() end\n"
        "  function c:send_batch(msgs) if #msgs > 2 then kumo.reject(451, 'many') end return tostring(#msgs) end\n"
        "  function c:close() kumo.log_info('closed', n, tenant) end\n"
        "  return c\nend)"
    )
    connection = vm.connection("make.x.log_hook", "d", "t")
    message = Message("7", "", [])
    assert connection.send(message) == "d7"
    assert connection.send_batch([message, message]) == "2"
    assert str(connection.send_batch([message] * 3)) == "451 many"
    connection.close()
    assert vm.node.log_lines[-1].text == "closed\t1\tt"


def test_a_connection_must_say_what_it_did(load: Load) -> None:
    vm = load("kumo.on('make.x.log_hook', function() return { send = function() end } end)")
    with pytest.raises(PolicyError, match="send must return the text"):
        vm.connection("make.x.log_hook", "d").send(Message("1", "", []))


def test_start_runs_pre_init_then_init(node: Callable[..., NodeRuntime]) -> None:
    running = node(
        "kumo.on('init', function() kumo.start_esmtp_listener { listen = '127.0.0.1:2525' } end)\n"
        "kumo.on('pre_init', function() kumo.configure_log_hook { name = 'h', per_record = { Delivery = {}, "
        "Any = { enable = false } } } end)"
    )
    running.start()
    assert [(listener.kind, listener.listen) for listener in running.listeners] == [("esmtp", "127.0.0.1:2525")]
    assert [(hook.takes("Delivery"), hook.takes("Bounce")) for hook in running.log_hooks] == [(True, False)]


def test_validation_runs_its_handlers(node: Callable[..., NodeRuntime]) -> None:
    init = "kumo.on('validate_config', function() if _VALIDATING_CONFIG then kumo.validation_failed() end end)"
    for validating in (True, False):
        running = node(init, validating=validating)
        running.start()
        assert running.validation_failed is validating


def test_contexts_are_pooled_until_the_epoch_changes(node: Callable[..., NodeRuntime]) -> None:
    running = node("local n = 0\nkumo.on('init', function() n = n + 1 return n end)")
    assert [running.current().fire("init") for _ in range(2)] == [1, 2]
    running.bump_epoch()
    assert running.current().fire("init") == 1
    running.clock.sleep(301)
    assert running.current().fire("init") == 1


def test_a_dropped_context_goes_away(node: Callable[..., NodeRuntime]) -> None:
    running = node(
        "local f = kumo.memoize(function() return 1 end, { name = 'f', ttl = '1h', capacity = 1 })\n"
        "kumo.on('init', function() pcall(kumo.make_queue_config) return f() + kumo.time.now().year end)"
    )
    vm = running.context()
    assert vm.fire("init") == 2027
    gone = weakref.ref(vm)
    del vm
    gc.collect()
    assert gone() is None


def test_whatever_is_raised_ends_in_an_error(load: Callable[..., Vm]) -> None:
    for value in ("kumo.time.now()", "{}", "nil", "true"):
        with pytest.raises(PolicyError, match="lua_error"):
            load(f"kumo.on('init', function() error({value}) end)").fire("init")
