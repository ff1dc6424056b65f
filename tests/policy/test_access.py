"""Who may do what: the control plane's token and ACL, and which mail is taken in."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def vm(fleet: Any) -> Any:
    return fleet.runtime().start()


def test_the_token_of_the_node_is_the_control_plane(vm: Any) -> None:
    info = vm.validates_bearer_auth("admin-token")
    assert info["groups"] == ["postmta"]
    assert info["identities"] == [{"identity": "postmta", "context": "BearerToken"}]


@pytest.mark.parametrize("token", ["", "admin-toke", "admin-token ", "ingest-token", "ADMIN-TOKEN"])
def test_any_other_token_is_refused(vm: Any, token: str) -> None:
    assert vm.validates_bearer_auth(token) is False


def test_nobody_gets_in_without_a_node_file(fleet: Any) -> None:
    (fleet.folder / "node.json").unlink()
    assert fleet.runtime().start().validates_bearer_auth("admin-token") is False


def test_an_empty_token_in_the_node_file_lets_nobody_in(fleet: Any) -> None:
    (fleet.folder / "node.json").write_text('{"admin_token": ""}')
    assert fleet.runtime().start().validates_bearer_auth("") is False


def test_only_reports_to_the_bounce_domain_are_taken_in(vm: Any) -> None:
    domain = vm.listener_domain("Bounce.postmta.example", "0.0.0.0:25")
    assert (domain.values["log_oob"], domain.values["log_arf"]) == ("LogThenDrop", "LogThenDrop")
    assert domain.values["relay_to"] is False
    assert vm.listener_domain("acme.example", "0.0.0.0:25") is None


LISTENER = "127.0.0.1:8000"
CONTROL_PLANE = {"identities": [{"identity": "postmta", "context": "BearerToken"}], "groups": ["postmta"]}
TRUSTED = {"groups": ["kumomta:http-listener-trusted-ip"]}
SOMEBODY = {"identities": [{"identity": "ann", "context": "HttpBasicAuth"}]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/inject/v1"),
        ("POST", "/api/admin/bump-config-epoch"),
        ("GET", "/api/admin/suspend/v1"),
        ("DELETE", "/api/admin/suspend/v1"),
        ("DELETE", "/api/admin/suspend-ready-q/v1"),
        ("POST", "/api/admin/rebind/v1"),
        ("GET", "/api/admin/resolve-egress-path/v1"),
        ("GET", "/api/machine-info"),
        ("GET", "/metrics"),
        ("GET", "/metrics.json"),
    ],
)
def test_the_control_plane_may_do_its_work_and_others_may_not(vm: Any, method: str, path: str) -> None:
    assert vm.allows(LISTENER, method, path, CONTROL_PLANE)
    assert vm.allows(LISTENER, method, path, TRUSTED)
    assert not vm.allows(LISTENER, method, path, SOMEBODY)
    assert not vm.allows(LISTENER, method, path, {})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/admin/bounce/v1"),
        ("GET", "/api/admin/inspect-message/v1"),
        ("GET", "/api/admin/inspect-sched-q/v1"),
        ("POST", "/api/admin/spool-compact/v1"),
        ("POST", "/api/admin/set_diagnostic_log_filter/v1"),
        ("GET", "/api/admin/task-dump"),
        ("GET", "/api/admin/trace-smtp-server/v1"),
    ],
)
def test_the_rest_of_the_administration_is_for_trusted_hosts(vm: Any, method: str, path: str) -> None:
    assert not vm.allows(LISTENER, method, path, CONTROL_PLANE)
    assert vm.allows(LISTENER, method, path, TRUSTED)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/xfer/inject/v1"), ("PUT", "/api/admin/x"), ("GET", "/x"), ("DELETE", "/api/admin/rebind/v1")],
)
def test_the_control_plane_may_do_nothing_else(vm: Any, method: str, path: str) -> None:
    assert not vm.allows(LISTENER, method, path, CONTROL_PLANE)


def test_anybody_may_ask_whether_the_node_lives(vm: Any) -> None:
    assert vm.allows(LISTENER, "GET", "/api/check-liveness/v1", {})
