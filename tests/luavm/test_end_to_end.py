"""A small policy from start-up to a delivered log record, the way a node goes through it."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from postmta_ctl.luavm import (
    HttpRequest,
    HttpResponse,
    ManualClock,
    Message,
    NodeRuntime,
    Rejected,
    SourceSelector,
    check_policy,
)

INIT = """
local root, dir = ...
local tenants = require('lib.tenants').new(root)
local hook = require('lib.hook')

kumo.on('pre_init', function() kumo.configure_log_hook { name = 'post', meta = { 'tenant', 'x_rid' } } end)
kumo.on('init', function()
  for _, name in ipairs { 'data', 'meta' } do kumo.define_spool { name = name, path = '/var/spool/k/' .. name } end
  kumo.start_http_listener { listen = '127.0.0.1:8000', trusted_hosts = { '127.0.0.1' } }
end)
kumo.on('http_message_generated', function(msg, auth)
  local extra = msg:get_meta 'extra'
  if not tenants(extra.tenant) then kumo.reject(550, '5.7.1 no such tenant') end
  msg:set_meta('tenant', extra.tenant)
  msg:set_meta('x_rid', extra.rid)
  msg:set_sender('b+' .. extra.rid .. '@bounce.example')
end)
kumo.on('get_queue_config', function(domain, tenant)
  if domain == hook.QUEUE then return kumo.make_queue_config(hook.config) end
  return kumo.make_queue_config { egress_pool = tenants(tenant).pool, retry_interval = '5m', max_retry_interval = '8m' }
end)
kumo.on('get_egress_pool', function(name)
  local entries = { { name = name .. '.1' }, { name = name .. '.2' } }
  return kumo.make_egress_pool { name = name, ttl = '1s', entries = entries }
end)
kumo.on('get_egress_source', function(name)
  return kumo.make_egress_source { name = name, source_address = '192.0.2.1', ttl = '1s' }
end)
kumo.on('should_enqueue_log_record', hook.wants)
kumo.on(hook.CONSTRUCTOR, hook.connect)
"""
TENANTS = """
local kumo = require 'kumo'
local load = kumo.memoize(function(path, name) return kumo.serde.json_load(path)[name] end,
  { name = 'x.tenants', ttl = '5m', capacity = 100, invalidate_with_epoch = true })
return { new = function(root) return function(name) return load(root .. '/data/tenants.json', name) end end }
"""
HOOK = """
local kumo = require 'kumo'
local M = { QUEUE = 'post.log_hook', CONSTRUCTOR = 'make.post.log_hook' }
M.config = { protocol = { custom_lua = { constructor = M.CONSTRUCTOR, batch_size = 10 } }, retry_interval = '2s' }
function M.wants(msg, name)
  if msg:get_meta('log_record').reception_protocol == 'LogRecord' then return false end
  msg:set_meta('queue', M.QUEUE)
  return true
end
function M.connect()
  local client, c = kumo.http.build_client {}, {}
  function c:send_batch(messages)
    local lines = {}
    for i, message in ipairs(messages) do lines[i] = message:get_data() end
    local response = client:post('http://127.0.0.1:1/ingest'):body(table.concat(lines, '\\n')):send()
    if not response:status_is_success() then kumo.reject(451, '4.3.0 ' .. response:status_code()) end
    return 'ok'
  end
  return c
end
return M
"""
FILES = {"lib/tenants.lua": TENANTS, "lib/hook.lua": HOOK, "data/tenants.json": json.dumps({"acme": {"pool": "p"}})}


class Ingestion:
    """The control plane's end of the log hook."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[bytes] = []

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.bodies.append(request.body)
        return HttpResponse(status=self.status)


def injected(tenant: str) -> Message:
    extra = {"tenant": tenant, "rid": "r-1"}
    return Message("m1", "a@acme.example", ["b@gmail.example"], b"Subject: x\r\n\r\nx\r\n", {"extra": extra})


def test_from_injection_to_log_record(node: Callable[..., NodeRuntime], clock: ManualClock) -> None:
    ingestion = Ingestion()
    running = node(INIT, FILES, http=ingestion)
    running.start()
    assert [spool.name for spool in running.spools] == ["data", "meta"]
    vm = running.current()

    message = injected("acme")
    assert vm.http_message_generated(message, {"peer_address": "127.0.0.1"}) is None
    assert (message.queue_name, message.sender.email) == ("acme@gmail.example", "b+r-1@bounce.example")
    assert str(vm.http_message_generated(injected("nobody"))) == "550 5.7.1 no such tenant"

    queue = vm.queue_config_of(message.queue_name)
    assert [queue.retry_delay(attempts) for attempts in (1, 2, 3)] == [300, 480, 480]
    pool = vm.egress_pool(queue.egress_pool)
    selector = SourceSelector(pool.entries)
    sources = [
        selector.select(running.throttles, lambda s: vm.egress_path("d", s, "site").selection_throttles("q", s)).source
        for _ in range(3)
    ]
    assert sources == ["p.2", "p.1", "p.2"]

    records = [{"type": "Delivery", "reception_protocol": protocol} for protocol in ("HTTP", "LogRecord")]
    batch = [
        Message(f"r{i}", "", ["b@gmail.example"], json.dumps(r).encode(), {"log_record": r})
        for i, r in enumerate(records)
    ]
    wanted = [record for record in batch if vm.log_record(record, running.log_hooks[0].name)]
    assert [record.queue_name for record in wanted] == ["post.log_hook"]

    protocol = vm.queue_config_of("post.log_hook").protocol["custom_lua"]
    connection = vm.connection(protocol["constructor"], "post.log_hook")
    assert connection.send_batch(wanted) == "ok"
    assert json.loads(ingestion.bodies[0]) == records[0]
    ingestion.status = 503
    outcome = connection.send_batch(wanted)
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.is_permanent) == (451, False)


def test_a_new_epoch_runs_the_new_files(node: Callable[..., NodeRuntime], tmp_path: Path) -> None:
    running = node(INIT, FILES)
    assert running.current().queue_config("d", "acme").egress_pool == "p"
    (tmp_path / "data/tenants.json").write_text(json.dumps({"acme": {"pool": "other"}}))
    assert running.current().queue_config("d", "acme").egress_pool == "p"
    running.bump_epoch()
    assert running.current().queue_config("d", "acme").egress_pool == "other"


def test_the_policy_passes_the_check(node: Callable[..., Any], tmp_path: Path) -> None:
    node(INIT, FILES)
    assert check_policy(tmp_path) == []


def test_a_launcher_finds_the_release_by_itself(tmp_path: Path) -> None:
    for name in ("one", "two"):
        release = tmp_path / "releases" / name
        release.mkdir(parents=True)
        (release / "init.lua").write_text(
            "local root, dir = ...\nlocal kumo = require 'kumo'\n"
            f"kumo.on('init', function() return '{name}' .. #dir end)"
        )
    (tmp_path / "init.lua").write_text(
        "local dir = package.path:match '^(.-)/%?'\n"
        "local name = io.open(dir .. '/current'):read 'l'\nlocal root = dir .. '/releases/' .. name\n"
        "package.path = root .. '/?.lua'\nassert(loadfile(root .. '/init.lua'))(root, dir)"
    )
    (tmp_path / "current").write_text("one\n")
    running = NodeRuntime(tmp_path, policy_dir=tmp_path, launcher=True)
    length = len(str(tmp_path))
    assert running.current().fire("init") == f"one{length}"
    (tmp_path / "current").write_text("two\n")
    running.bump_epoch()
    assert running.current().fire("init") == f"two{length}"


def test_releases_that_are_removed_meanwhile_do_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "init.lua").write_text("-- a policy")
    over = threading.Event()

    def publish() -> None:
        old = tmp_path / "releases" / "1" / "postmta"
        while not over.is_set():
            old.mkdir(parents=True)
            (old / "a.lua").write_text("-- a policy")
            shutil.rmtree(tmp_path / "releases")

    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(publish)
        try:
            found = {NodeRuntime(tmp_path).mentions("policy") for _ in range(500)}
        finally:
            over.set()
        publishing.result()
    assert found <= {1, 2}
