"""Bounces at one provider stop the mail to it, on a real node, until somebody resolves the block."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import httpx
import pytest

from tests.e2e.installation import Installation
from tests.e2e.kumod import KUMOD
from tests.e2e.test_submission import LIVE_SECONDS, mail, new_credential, session
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

BLOCKS = "/api/v1/security/auto-block"
QUEUE = "sender@gmx.de"
RULE = {
    "name": "Bounces at a provider",
    "metric": "hard_bounce_rate",
    "scope": "provider",
    "window_minutes": 60,
    "threshold": 0.5,
    "minimum_volume": 5,
    "action": "hold",
}
TURN_SECONDS = 90.0
"""Rules are judged every half a minute."""


@pytest.fixture
def rule(installation: Installation) -> Any:
    made = installation.service.call("POST", f"{BLOCKS}/rules", RULE)
    yield made
    installation.service.call("DELETE", f"{BLOCKS}/rules/{made['id']}")


def active(installation: Installation) -> list[dict[str, Any]]:
    return list(installation.service.call("GET", f"{BLOCKS}/active")["data"])


def held(installation: Installation) -> dict[str, Any] | None:
    """The block, as soon as the node has the hold."""
    found = [one for one in active(installation) if one["value"] == "gmx" and one["effect"]["queues"]]
    return found[0] if found and suspensions(installation) else None


def ask_node(installation: Installation, method: str, path: str, body: Any = None) -> Any:
    """As an operator who goes past the control plane."""
    token = json.loads((installation.kumod.policy_dir / "node.json").read_text())["admin_token"]
    answer = httpx.request(
        method,
        installation.kumod.url + path,
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return answer.json()


def suspensions(installation: Installation) -> list[str]:
    return [one["reason"] for one in ask_node(installation, "GET", "/api/admin/suspend/v1")]


def submit_to_node(installation: Installation, address: str) -> None:
    headers = {"From": "ann@sender.test", "Subject": "x", "Message-ID": f"<{address}>"}
    body = {
        "envelope_sender": "b@bounce.postmta.test",
        "recipients": [{"email": address, "metadata": {"rid": str(uuid.uuid4()), "tenant": "sender"}}],
        "content": {"headers": headers, "text_body": "x"},
    }
    answer = ask_node(installation, "POST", "/api/inject/v1", body)
    assert answer["success_count"] == 1, answer


def test_bounces_stop_the_mail_to_their_provider(installation: Installation, rule: Any) -> None:
    service, sink = installation.service, installation.sink
    for number in range(5):
        service.wait_for_status(service.send(f"bounce-gmx{number}@gmx.de"), "bounced")
    block = wait_for(lambda: held(installation), "a block that holds the queue", TURN_SECONDS)
    assert (block["cause"]["count"], block["cause"]["volume"]) == (5, 5)
    assert block["effect"]["queues"] == [{"queue": QUEUE, "held": True}]
    (reason,) = suspensions(installation)
    assert reason.startswith("auto-block: Bounces at a provider: hard_bounce_rate 100 % (5 of 5)")

    submit_to_node(installation, "ok-direct@gmx.de")
    kept = service.send("ok-kept@gmx.de")
    elsewhere = service.send("ok-elsewhere@dest.test")
    service.wait_for_status(elsewhere, "delivered")
    time.sleep(5)  # more than twice the interval between attempts
    assert sink.to("ok-direct@gmx.de") == []
    assert sink.to("ok-kept@gmx.de") == []
    (recipient,) = service.message(kept)["recipients"]
    assert (recipient["status"], block["id"] in recipient["kept_here"]) == ("queued", True)

    service.call("POST", f"{BLOCKS}/{block['id']}/resolve", {"note": "a test"})
    assert suspensions(installation) == []
    service.wait_for_status(kept, "delivered")
    sink.wait_for("ok-direct@gmx.de")
    assert active(installation) == []


def test_a_pause_puts_off_what_is_submitted_to_the_node(installation: Installation) -> None:
    service, sink = installation.service, installation.sink
    made = service.call("POST", f"{BLOCKS}/rules", RULE | {"name": "Pause web.de", "action": "pause"})
    credential = new_credential(installation)
    for number in range(5):
        service.wait_for_status(service.send(f"bounce-web{number}@web.de"), "bounced")
    # Deleting the rule ends its blocks, that of another test's bounces at another provider as well.
    wait_for(lambda: "web.de" in {one["value"] for one in active(installation)}, "a block", TURN_SECONDS)

    def answer(address: str) -> tuple[int, bytes]:
        with session(installation, credential) as smtp:
            smtp.mail("ann@sender.test")
            return smtp.rcpt(address)

    wait_for(lambda: answer("ok-pause@web.de")[0] == 452, "mail to web.de being put off", LIVE_SECONDS)
    assert answer("ok-pause@web.de")[1].endswith(b"postmta-blocked: auto_block")
    with session(installation, credential) as smtp:
        smtp.send_message(mail("ok-beside-pause@dest.test"))
    sink.wait_for("ok-beside-pause@dest.test")
    service.call("DELETE", f"{BLOCKS}/rules/{made['id']}")
    wait_for(lambda: answer("ok-pause@web.de")[0] == 250, "mail to web.de being taken", LIVE_SECONDS)
