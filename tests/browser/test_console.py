"""The console in Chromium, over the product as a process with its simulated node. The tests are one story, in order."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (the extra dev)")

from playwright.sync_api import Browser, expect

from tests.browser.screenshots import pages
from tests.browser.support import Person, chromium, inspect, led_to, lengthen, missing, photograph, stage
from tests.serving import EMAIL, PASSWORD, Service

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")
PICTURES = Path(__file__).parents[2] / "build/screenshots"
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(
        tmp_path_factory.mktemp("service"), {"POSTMTA_AUTO_PUBLISH": "true", "POSTMTA_RATE_LIMIT_ADDRESS": "0"}
    )
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def ann(browser: Browser, service: Service) -> Person:
    """The operator, whose window stays open."""
    return Person(browser, service.url)


@pytest.fixture(autouse=True)
def quiet(ann: Person) -> Iterator[None]:
    """No page may make the browser complain: of a script that fails, or one that the policy of the page stops."""
    yield
    assert ann.complaints == []


def token(service: Service) -> None:
    """Let the test use the API as the operator does who registered in the browser."""
    answer = service.http.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
    service.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def test_the_first_steps_lead_from_nothing_to_a_delivered_message(ann: Person, service: Service) -> None:
    ann.page.goto("/console")
    assert ann.page.url.endswith("/console/register")
    ann.fill(Email=EMAIL, Password=PASSWORD, Your_name="Ann", Organization="Sender")
    ann.press("Set up")
    ann.sees("sandbox is online and runs release", 20)
    ann.fill(Domain="sender.test")
    ann.press("Add the domain")
    assert ann.page.locator(".steps .good").count() == 2
    assert ann.page.get_by_role("button", name="Copy").count() >= 2
    ann.press("Look the records up")
    ann.fill(Address="192.0.2.10", EHLO_name="mx1.sender.test")
    ann.press("Add the vMTA")
    ann.sees("the policy with it is published", 20)
    ann.press("Send it")
    ann.sees("All of it works.", 20)
    assert ann.page.locator(".steps .good").count() == 5
    token(service)


def test_a_message_is_followed_to_delivered(ann: Person) -> None:
    ann.page.goto("/console/messages")
    ann.press("Send a message")
    ann.fill(From="Ann <ann@sender.test>", To="ok@example.org", Subject="Followed", Text="Hello.")
    ann.press("Send")
    ann.sees("The message is accepted.")
    expect(ann.page.locator("#progress h2 .badge")).to_have_text("delivered", timeout=15_000)
    assert "by vMTA mx1" in ann.page.locator(".timeline").inner_text()
    ann.sees("routed by release")


def test_a_log_in_that_ended_leads_to_the_log_in_and_back(browser: Browser, ann: Person, service: Service) -> None:
    eve = Person(browser, service.url)
    eve.log_in()
    eve.page.goto("/console/queues?sort=id")
    kept = next(one["value"] for one in eve.context.cookies() if one["name"] == "postmta_console")
    service.http.post("/api/v1/auth/logout", json={"refresh_token": kept})
    # Its parts ask again by themselves.
    eve.page.reload()
    eve.fill(Email=EMAIL, Password=PASSWORD)
    eve.page.keyboard.press("Enter")
    eve.page.wait_for_url("**/console/queues?sort=id")
    eve.context.close()


def test_a_change_is_published_and_gone_back_from(ann: Person, service: Service) -> None:
    ann.page.goto("/console/policy")
    ann.sees("The policy is that of release")
    newest = service.call("GET", "/api/v1/policy/releases")["data"][0]["number"]
    service.call(
        "POST", "/api/v1/policy/rollback", {"release": newest - 1}
    )  # from here on nothing is published unasked
    ann.page.reload()
    ann.press("Publish …")
    ann.sees("without a restart")
    assert ann.page.locator(".diff .add").count() > 0
    ann.fill(Reason="mx1 comes back")
    ann.press("Publish")
    ann.sees("is published. 1 node runs what is wanted.")
    ann.page.goto(f"/console/policy/releases/{newest - 1}")
    ann.press("Roll back to this …")
    ann.sees("comes back as a new release")
    ann.press("Roll back")
    ann.sees("1 node runs what is wanted.")
    service.call("POST", "/api/v1/policy/publish", {})


def test_a_queue_is_held_and_released(ann: Person, service: Service) -> None:
    message = service.send("defer@slow.test", tags=["spring"])
    service.wait_for_status(message, "deferred")
    ann.page.goto("/console/queues")
    row = ann.page.get_by_role("row").filter(has_text="spring:sender@slow.test")
    row.get_by_role("link", name="Hold …").click()
    ann.sees("This touches 1 message,")
    ann.fill(Reason="the receiver asked us to wait")
    ann.page.get_by_label("For how long").select_option("one hour")
    ann.press("Hold the queue")
    ann.sees("is held on 1 node.")
    expect(row).to_contain_text("the receiver asked us to wait")
    row.get_by_role("link", name="Release …").click()
    ann.press("Release the queue")
    ann.sees("is released on 1 node.")
    expect(row.get_by_role("link", name="Hold …")).to_be_visible()


def test_nothing_hostile_runs(ann: Person, service: Service) -> None:
    message = service.send("ok@example.org", subject=HOSTILE, tags=[HOSTILE], metadata={HOSTILE: HOSTILE})
    service.wait_for_status(message, "delivered")
    service.call("POST", "/api/v1/queues/spring:sender@slow.test/hold", {"reason": HOSTILE})
    for path in ("/console/messages", f"/console/messages/{message}", "/console/queues"):
        ann.page.goto(path)
        ann.settled()
        ann.sees(HOSTILE)
        assert ann.page.evaluate("document.querySelectorAll('main img, main script').length") == 0


def test_what_belongs_to_another_organization_is_not_there(browser: Browser, ann: Person, service: Service) -> None:
    mine = service.send("ok@example.org", subject="Ours alone")
    account = {"email": "bob@bolt.test", "password": PASSWORD}
    service.call("POST", "/api/v1/auth/register", account | {"organization": "Bolt"})
    bob = Person(browser, service.url)
    bob.log_in("bob@bolt.test")
    bob.page.goto("/console/messages")
    bob.sees("No message yet")
    assert not bob.page.get_by_role("link", name="Policy").count()
    for path, status in ((f"/console/messages/{mine}", 404), ("/console/policy", 403)):
        answer = bob.page.goto(path)
        assert answer is not None
        assert answer.status == status
        assert "Ours alone" not in bob.page.content()
    bob.context.close()


def test_a_slow_node_does_not_keep_the_page_back(ann: Person, service: Service) -> None:
    pid = node_of(service)
    os.kill(pid, signal.SIGSTOP)
    try:
        ann.page.goto("/console/queues")
        expect(ann.page.get_by_text("The nodes are being asked").first).to_be_visible()
        ann.page.get_by_label("Held").select_option("held")
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(ann.page.get_by_role("row").filter(has_text="spring:sender@slow.test")).to_be_visible()


def node_of(service: Service) -> int:
    """The process of the embedded node."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_text()
            except OSError:
                continue
            if "sandbox" in command and str(service.data_dir) in command:
                return int(entry.name)
    raise AssertionError("the embedded node does not run")


def test_it_is_used_by_keyboard_and_without_a_wide_window(browser: Browser, service: Service) -> None:
    person = Person(browser, service.url, "narrow", "dark")
    person.log_in()
    person.settled()
    person.page.keyboard.press("Tab")
    assert person.page.evaluate("document.activeElement.textContent") == "Skip to content"
    person.page.keyboard.press("Enter")
    assert person.page.evaluate("document.activeElement.id") == "content"
    menu = person.page.get_by_role("navigation", name="Pages")
    expect(menu).to_be_hidden()
    person.page.get_by_role("button", name="Menu").press("Enter")
    menu.get_by_role("link", name="Messages").press("Enter")
    person.page.wait_for_url("**/console/messages")
    person.context.close()


def test_every_page_can_be_used_by_everybody_and_complains_of_nothing(browser: Browser, tmp_path: Path) -> None:
    service = Service(tmp_path, {"POSTMTA_RATE_LIMIT_ADDRESS": "0"})
    try:
        service.start()
        service.register()
        shown = pages(stage(service))
        assert photograph(browser, service.url, shown, PICTURES) == []
        beyond = sorted({*led_to(browser, service.url, shown.values()).values()} - {*shown.values()})
        assert len(beyond) > 20
        assert inspect(browser, service.url, beyond, "wide", "light") == []
        assert inspect(browser, service.url, [*beyond, *lengthen(service)], "narrow", "dark") == []
    finally:
        service.close()
    assert len({re.sub(r"-(wide|narrow)-\w+$", "", one.stem) for one in PICTURES.iterdir()}) >= len(shown)
