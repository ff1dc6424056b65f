"""Who may call what: decided by the policy's own handlers, answered as KumoMTA does."""

from __future__ import annotations

import pytest

from tests.sandbox.fleet import ADMIN_TOKEN, injection
from tests.sandbox.process import SandboxProcess

GUARDED = (
    ("POST", "/api/inject/v1"),
    ("GET", "/api/admin/suspend/v1"),
    ("POST", "/api/admin/bump-config-epoch"),
    ("GET", "/api/machine-info"),
    ("GET", "/metrics"),
    ("GET", "/metrics.json"),
    ("POST", "/sandbox/faults"),
    ("POST", "/sandbox/forget-holds"),
)


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc="])
def test_without_the_right_token_there_is_401(
    shared: SandboxProcess, method: str, path: str, authorization: str | None
) -> None:
    answer = shared.stranger(method, path, authorization)
    assert (answer.status_code, answer.headers["X-PostMTA-Sandbox"]) == (401, "1")


@pytest.mark.parametrize(("method", "path"), [pair for pair in GUARDED if pair[0] == "GET"])
def test_with_the_right_token_there_is_200(shared: SandboxProcess, method: str, path: str) -> None:
    assert shared.stranger(method, path, f"Bearer {ADMIN_TOKEN}").status_code == 200


def test_liveness_is_open_but_not_to_a_wrong_token(shared: SandboxProcess) -> None:
    assert shared.stranger("GET", "/api/check-liveness/v1", None).status_code == 200
    assert shared.stranger("GET", "/api/check-liveness/v1", "Bearer wrong").status_code == 401


@pytest.mark.parametrize("authorization", ["Digest x", "Basic !!!"])
def test_what_cannot_be_read_is_400(shared: SandboxProcess, authorization: str) -> None:
    assert shared.stranger("GET", "/metrics", authorization).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/nonsense", 404), ("GET", "/api/inject/v1", 405), ("PUT", "/metrics", 405)],
)
def test_an_unknown_endpoint_is_404_or_405(shared: SandboxProcess, method: str, path: str, status: int) -> None:
    assert shared.stranger(method, path, f"Bearer {ADMIN_TOKEN}").status_code == status


def test_the_caller_is_noted_in_the_message(shared: SandboxProcess) -> None:
    shared.post("/api/inject/v1", **injection("defer@noted.org", tenant="bolt"))
    (message,) = shared.get("/api/admin/inspect-sched-q/v1", queue_name="bolt@noted.org")["messages"]
    meta = message["message"]["meta"]
    assert meta["http_auth"] == "postmta"
    assert meta["reception_protocol"] == "HTTP"
    assert meta["received_from"] == meta["received_via"] == "127.0.0.1"
