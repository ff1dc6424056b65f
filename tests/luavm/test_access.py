"""Who may use the HTTP API, by the policy's own events and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from postmta_ctl.luavm import TRUSTED_GROUP, PolicyError, Vm
from postmta_ctl.luavm.access import lineage

LISTEN = "127.0.0.1:8000"
RULES = """
[[acl."http_listener/*/api/admin"]]
allow = false
privileges = ["DELETE"]
identity.Any = {}

[[acl."http_listener/*/api/admin"]]
allow = true
privileges = ["GET", "POST", "DELETE"]
criteria.AllOf = [
  { Identity = { Group = "postmta" } },
  { Not = { Identity = { MachineSet = ["192.0.2.0/24"] } } },
]
"""
POLICY = """
local root = ...
local load = kumo.memoize(kumo.aaa.load_acl_map, { name = 'acl', ttl = '5m', capacity = 1 })
kumo.on('get_acl_definition', function(resource) return load(root .. '/acl.toml'):get(resource) end)
kumo.on('http_server_validate_auth_bearer', function(token)
  if token ~= 'right' then return false end
  return { identities = { { identity = 'postmta', context = 'BearerToken' } }, groups = { 'postmta' } }
end)
"""


@pytest.fixture
def vm(load: Callable[..., Vm]) -> Vm:
    return load(POLICY, {"acl.toml": RULES})


def test_the_policys_lists_decide(vm: Vm) -> None:
    ours = {"groups": ["postmta"], "peer_address": "127.0.0.1"}
    assert vm.allows(LISTEN, "POST", "/api/admin/suspend/v1", ours)
    assert not vm.allows(LISTEN, "DELETE", "/api/admin/suspend/v1", ours)
    assert not vm.allows(LISTEN, "POST", "/api/admin/suspend/v1", {**ours, "peer_address": "192.0.2.7"})
    assert not vm.allows(LISTEN, "POST", "/api/admin/suspend/v1", {"groups": [TRUSTED_GROUP]})


@pytest.mark.parametrize(
    ("method", "path", "auth_info", "allowed"),
    [
        ("GET", "/api/check-liveness", {}, True),
        ("POST", "/api/inject/v1", {}, False),
        ("POST", "/api/inject/v1", {"identities": [{"identity": "u", "context": "HttpBasicAuth"}]}, True),
        ("POST", "/api/inject/v1", {"groups": [TRUSTED_GROUP]}, True),
        ("GET", "/metrics.json", {"groups": [TRUSTED_GROUP]}, True),
        ("POST", "/metrics.json", {"groups": [TRUSTED_GROUP]}, False),
        ("GET", "/elsewhere", {"groups": [TRUSTED_GROUP]}, False),
    ],
)
def test_kumomtas_defaults_hold_elsewhere(
    vm: Vm, method: str, path: str, auth_info: dict[str, Any], allowed: bool
) -> None:
    assert vm.allows(LISTEN, method, path, auth_info) is allowed


def test_bearer_tokens(vm: Vm) -> None:
    info = vm.validates_bearer_auth("right")
    assert isinstance(info, dict)
    assert info["groups"] == ["postmta"]
    assert vm.validates_bearer_auth("wrong") is False
    assert vm.validates_basic_auth("user", "password") is False


def test_a_wrong_context_word_is_refused(load: Callable[..., Vm]) -> None:
    vm = load(
        "kumo.on('http_server_validate_auth_bearer', function()"
        " return { identities = { { identity = 'x', context = 'Bearer' } } } end)"
    )
    with pytest.raises(PolicyError, match="bad_value"):
        vm.validates_bearer_auth("x")


def test_nil_is_no_answer_to_who_may_enter(load: Callable[..., Vm]) -> None:
    vm = load("kumo.on('http_server_validate_auth_bearer', function() end)")
    with pytest.raises(PolicyError, match="wrong_result"):
        vm.validates_bearer_auth("x")


def test_the_parents_of_a_resource() -> None:
    assert list(lineage("http_listener/127.0.0.1:8000/a/b")) == [
        "http_listener/127.0.0.1:8000/a/b",
        "http_listener/127.0.0.1:8000/a",
        "http_listener/127.0.0.1:8000",
        "http_listener/*/a/b",
        "http_listener/*/a",
        "http_listener",
    ]


@pytest.mark.parametrize(
    "acl",
    [
        "[[acl.x]]\nallow = true\nprivileges = ['GET']",
        "[[acl.x]]\nallow = true\nprivileges = ['GET']\nidentity.Anyone = {}",
        "[[acl.x]]\nallow = true\nprivileges = ['GET']\nidentity.Any = {}\nmethod = 'x'",
        "[[acl.x]]\nallow = true\nprivileges = ['GET']\nidentity.MachineSet = ['10.0.0.1/8']",
        "[acls]",
        "[[",
    ],
)
def test_broken_files_are_refused(refusal: Callable[..., PolicyError], acl: str) -> None:
    assert refusal(f"kumo.aaa.load_acl_map {{ key_data = [==[{acl}]==] }}").code == "bad_value"


def test_a_policy_can_ask(run: Callable[..., Any]) -> None:
    body = """
    local at = kumo.aaa.make_http_url_resource('127.0.0.1:8000', '/api/inject/v1')
    local trusted = kumo.aaa.query_resource_access(at, { groups = { 'kumomta:http-listener-trusted-ip' } }, 'POST')
    local anybody = kumo.aaa.query_resource_access(at, { groups = { 'x' } }, 'POST')
    return { trusted.allow, trusted.resource, trusted.rule.access, anybody.allow }"""
    assert run(body) == [True, "http_listener/*/api/inject", "Allow", False]
