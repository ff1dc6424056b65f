"""Listeners for submission, in the model and as KumoMTA takes them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.build import build
from postmta_ctl.compiler.check import check
from postmta_ctl.compiler.model import Installation, Listener, PolicyModel

LISTENER = Listener(address="0.0.0.0:587", tls_certificate="/etc/smtp.pem", tls_private_key="/etc/smtp.key")


def model(listener: Listener = LISTENER, **settings: Any) -> PolicyModel:
    http = (Listener(address="127.0.0.1:8000"),)
    given = {"bounce_domain": "bounce.example", "http_listeners": http, "submission_listeners": (listener,)}
    return PolicyModel(installation=Installation(**(given | settings)))


def findings(listener: Listener = LISTENER, **settings: Any) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in check(model(listener, **settings))]


def test_a_good_one_has_no_findings() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"address": "587"}, ("bad-listener", "error")),
        ({"address": "127.0.0.1:8000"}, ("duplicate-listener", "error")),
        ({"relay_hosts": ("10.0.0.0/8",)}, ("submission-relay", "error")),
        ({"tls_private_key": None}, ("half-certificate", "error")),
        ({"tls_certificate": None}, ("half-certificate", "error")),
        ({"tls_certificate": None, "tls_private_key": None}, ("no-certificate", "warning")),
    ],
)
def test_what_is_wrong_with_one_is_found(change: dict[str, Any], found: tuple[str, str]) -> None:
    assert found in findings(msgspec.structs.replace(LISTENER, **change))


@pytest.mark.parametrize("sender", ["", "four", "sixteen-letters-", "a:b:c", "pöst-mta", "a b c d"])
def test_a_feedback_sender_that_google_would_not_take(sender: str) -> None:
    assert ("bad-feedback-sender", "error") in findings(feedback_sender=sender)


def test_kumomta_is_told_which_sessions_submit_and_trusts_nobody() -> None:
    smtp = Listener(address="0.0.0.0:25")
    plain, submission = build(model(smtp_listeners=(smtp,))).listeners["smtp"]
    assert "meta" not in plain
    assert submission["meta"] == {"x_submission": True}
    assert submission["relay_hosts"] == ["0.0.0.0/32"]
    assert (submission["tls_certificate"], submission["tls_private_key"]) == ("/etc/smtp.pem", "/etc/smtp.key")
    assert submission["trace_headers"]["include_meta_names"] == ["x_rid", "tenant"]
