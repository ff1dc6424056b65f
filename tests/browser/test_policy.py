"""Deciding about policies in Chromium: canaries and proposals, two nodes and two operators. One story, in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (the extra dev)")

from playwright.sync_api import Browser, expect

from tests.browser.support import Person, chromium, missing
from tests.fake_node import FakeNode
from tests.serving import PASSWORD, Service

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"
BOB = "bob@sender.test"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With a node of its own and one that stands in for a second; ops@sender.test and bob@sender.test are operators."""
    folder = tmp_path_factory.mktemp("policy")
    made = Service(folder, {"POSTMTA_RATE_LIMIT_ADDRESS": "0", "POSTMTA_PUBLISH_APPROVAL": "false"})
    with FakeNode(folder / "mx-2").serving() as node:
        try:
            made.start()
            made.register()
            second = {"name": "mx-2", "admin_url": node.url, "policy_dir": str(node.policy_dir)}
            made.call("POST", "/api/v1/nodes", second)
            made.verified_domain("sender.test")
            made.call("POST", "/api/v1/policy/publish", {})
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def ann(browser: Browser, service: Service) -> Person:
    """The first operator, whose window stays open."""
    person = Person(browser, service.url)
    person.log_in()
    person.page.wait_for_url("**/console")
    return person


def add_vmta(service: Service, number: int) -> None:
    body = {"name": f"mx{number}", "ip_address": f"192.0.2.1{number}", "ehlo_domain": f"mx{number}.sender.test"}
    service.call("POST", "/api/v1/vmtas", body)


def publish(person: Person, **fields: str) -> None:
    person.page.goto("/console/policy/publish")
    person.fill(**fields)
    person.press("Publish")


def test_a_canary_is_stopped_and_the_next_one_promoted(ann: Person, service: Service) -> None:
    add_vmta(service, 1)
    publish(ann, Nodes_that_try_it_first="mx-2", Minutes_they_are_watched="30")
    ann.sees("Some nodes try release 3 now.", 30)
    ann.page.goto("/console")
    ann.page.get_by_role("link", name="See how it does").click()
    ann.press("Stop the canary …")
    ann.sees("The nodes that try release 3 (mx-2) go back to the release of the others.")
    ann.fill(Reason="second thoughts")
    ann.press("Stop the canary")
    expect(ann.page.locator(".head .badge")).to_have_text("stopped")
    ann.sees("second thoughts")
    publish(ann, Nodes_that_try_it_first="mx-2", Reason=HOSTILE)
    ann.sees("Some nodes try release 4 now.", 30)
    ann.press("Bring to all nodes …")
    ann.sees("Release 4, which runs on mx-2, goes to every node now.")
    ann.press("Bring to all nodes")
    ann.sees("2 nodes run what is wanted.", 30)
    expect(ann.page.locator(".head .badge")).to_have_text("published")
    assert ann.complaints == []


def test_nothing_hostile_in_a_name_runs(ann: Person, service: Service) -> None:
    """Each name stands on its list and on the page before it is deleted."""
    limits = {"connection_limit": 3}
    scenario = f"[[scenario]]\nname = '''{HOSTILE}'''\nvia = 'smtp'\nfrom = 'a@b.test'\nto = 'c@d.test'\n"
    made = {
        "shaping": {"kind": "domain", "target": "example.org", "limits": limits, "note": HOSTILE},
        "templates": {"name": HOSTILE, "subject": HOSTILE.partition("{")[0], "text": "x"},
        "suppressions": {"address": "eve@example.org", "note": HOSTILE},
        "webhooks": {"url": "https://hooks.example.com/", "events": ["message.bounced"], "description": HOSTILE},
        "api-keys": {"name": HOSTILE, "scopes": ["messages:read"]},
    }
    for path, body in made.items():
        service.call("POST", f"/api/v1/{path}", body)
    service.call("PUT", "/api/v1/policy/scenarios", {"toml": f"{scenario}expect.refused = '{{{{7*7}}}}<b>'\n"})
    vmta = service.call("GET", "/api/v1/vmtas")["data"][0]["id"]
    service.call("POST", f"/api/v1/vmtas/{vmta}/pause", {"reason": HOSTILE})
    pages = ["shaping", "templates", "suppressions", "webhooks", "keys", "policy/scenarios", f"vmtas/{vmta}", "policy"]
    for path in (*pages, "policy/scenarios/0", "policy/scenarios/0/remove", "policy/releases/4", "audit", ""):
        ann.page.goto(f"/console/{path}")
        ann.settled()
        for link in ann.page.locator("main summary").all():
            link.click()
        text = ann.page.locator("main").inner_text() + "".join(
            one.input_value() for one in ann.page.locator("main textarea").all()
        )
        # The audit log shows JSON, which writes quotes another way.
        assert HOSTILE.partition('"')[0] in text or path == "webhooks", path
        assert ann.page.evaluate("document.querySelectorAll('main img, main script').length") == 0, path
    ann.page.goto("/console/policy/scenarios")
    ann.press("Run now")
    ann.sees("Tried just now", 30)
    assert ann.page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    service.call("PUT", "/api/v1/policy/scenarios", {"toml": ""})
    assert ann.complaints == []


def test_what_one_proposes_another_decides_about(browser: Browser, ann: Person, service: Service) -> None:
    made = service.call("POST", "/api/v1/users/invitations", {"email": BOB, "role": "admin"})
    account = {"email": BOB, "password": PASSWORD, "invitation": made["token"]}
    assert service.http.post("/api/v1/auth/register", json=account).status_code == 201
    service.command("user", "operator", BOB)
    four_eyes(service)
    add_vmta(service, 2)
    ann.page.goto("/console/policy/publish")
    ann.sees("is proposed, and another operator approves it.")
    ann.press("Publish")
    ann.sees("Release 5 is proposed; another operator approves it.")
    ann.press("Turn down …")
    ann.fill(Reason="not before the sale")
    ann.press("Turn down")
    expect(ann.page.locator(".head .badge")).to_have_text("rejected")

    publish(ann, Reason="after the sale")
    ann.sees("Release 6 is proposed")
    ann.press("Approve and publish …")
    assert ann.complaints == []
    ann.press("Approve and publish")
    ann.sees("A release is approved by somebody else than its author.")

    bob = Person(browser, service.url)
    bob.log_in(BOB)
    bob.page.get_by_role("link", name="Decide").click()
    bob.sees("after the sale")
    bob.press("Approve and publish …")
    bob.sees("Release 6, proposed by ops@sender.test, goes to every node.")
    bob.press("Approve and publish")
    bob.sees("2 nodes run what is wanted.", 30)
    expect(bob.page.locator(".head .badge")).to_have_text("published")
    bob.sees("approved by bob@sender.test")
    assert bob.complaints == []
    bob.context.close()


def four_eyes(service: Service) -> None:
    """From now on a publication is a proposal."""
    service.stop()
    service.configure(POSTMTA_PUBLISH_APPROVAL="true")
    service.start()
