"""The product as a process, and people who look at it through Debian's Chromium."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.serving import EMAIL, PASSWORD, Service

WIDTHS = {"wide": (1440, 900), "narrow": (360, 740)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCENARIOS = """\
[[scenario]]
name = "newsletters leave by both vMTAs, signed twice"
organization = "sender"
from = "news@sender.test"
to = "bob@gmail.com"

[scenario.expect]
vmtas = ["mx1", "mx2"]
signed_by = ["pmta", "pmta-ed25519"]

[[scenario]]
name = "nobody sends for a domain that is not here"
via = "smtp"
from = "eve@elsewhere.test"
to = "bob@gmail.com"

[scenario.expect]
refused = "550"
"""
_ID = re.compile(r"[0-9a-f-]{36}|(?<=/)\d+")
_CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8")


def missing() -> str | None:
    """Why nothing can be looked at here; None if it can."""
    return None if shutil.which("chromium") else "no chromium on the PATH (Debian: apt install chromium)"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    # Chromium's own sandbox needs a user that is not root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        browser.close()


class Person:
    """Somebody with a window of their own; what the browser complains about is kept."""

    def __init__(
        self, browser: Browser, url: str, width: str = "wide", scheme: Literal["light", "dark"] = "light"
    ) -> None:
        size = WIDTHS[width]
        self.context = browser.new_context(
            base_url=url, viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        self.page.on("dialog", lambda box: (self.complaints.append(f"dialog {box.message}"), box.dismiss()))

    def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        self.page.goto("/console/login")
        self.fill(Email=email, Password=password)
        self.press("Log in")

    def fill(self, **fields: str) -> None:
        """Fill fields in by their labels."""
        for label, text in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(text)

    def press(self, name: str) -> None:
        """Press a button, or follow a link, by what it says."""
        within = self.page.get_by_role("main")
        within.get_by_role("button", name=name, exact=True).or_(
            within.get_by_role("link", name=name, exact=True)
        ).click()

    def sees(self, text: str, seconds: float = 15) -> None:
        self.page.get_by_text(text).first.wait_for(timeout=seconds * 1000)

    def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def problems(self) -> list[str]:
        """What is wrong with the page for people who use the keyboard, or see less; and whether it overflows."""
        self.page.keyboard.press("Tab")
        found: list[str] = self.page.evaluate(_CHECKS)
        return found + ["it is wider than the window"] * self.overflows()

    def settled(self) -> None:
        """Wait until the parts of the page are there."""
        expect(self.page.locator(".waiting, .htmx-request")).to_have_count(0, timeout=15_000)


def photograph(browser: Browser, url: str, pages: dict[str, str], folder: Path) -> list[str]:
    """Take a picture of each page at both widths, light and dark; what is wrong with any of them.

    Args:
        browser: Takes them.
        url: The service, with the account that :class:`~tests.serving.Service` makes.
        pages: Path by the name of the picture.
        folder: Where they are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wrong = []
    for width in WIDTHS:
        person = Person(browser, url, width)
        person.log_in()
        for name, path in pages.items():
            person.page.goto(path)
            person.settled()
            for scheme in SCHEMES:
                person.page.emulate_media(color_scheme=scheme)
                wrong += [f"{name} {width} {scheme}: {one}" for one in person.problems()]
                person.page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", animations="disabled")
        wrong += person.complaints
        person.context.close()
    return wrong


def led_to(browser: Browser, url: str, pages: Iterable[str]) -> dict[str, str]:
    """A path for each kind of page that the given ones lead to, and those in turn: by what it is without its ids."""
    person, found, waiting = Person(browser, url), dict[str, str](), [*pages]
    person.log_in()
    while waiting:
        path = waiting.pop()
        kind = _ID.sub("*", path.partition("?")[0])
        if kind in found:
            continue
        found[kind] = path
        person.page.goto(path)
        person.settled()
        links: list[str] = person.page.eval_on_selector_all(
            "main a:not([download])", "all => all.map((one) => one.getAttribute('href').split('#')[0])"
        )
        waiting += [one for one in links if one.startswith("/console")]
    person.context.close()
    return found


def inspect(
    browser: Browser, url: str, pages: Iterable[str], width: str, scheme: Literal["light", "dark"]
) -> list[str]:
    """What is wrong with any of the pages at this width and in this theme."""
    person = Person(browser, url, width, scheme)
    person.log_in()
    wrong = []
    for path in pages:
        person.page.goto(path)
        person.settled()
        wrong += [f"{path} {width} {scheme}: {one}" for one in person.problems()]
    person.context.close()
    return wrong + person.complaints


def stage(service: Service) -> dict[str, str]:
    """Give a service that has just started something to show; the path of each page that has it, by name."""
    service.verified_domain("sender.test")
    service.call("POST", "/api/v1/domains", {"domain": "a-name-that-is-rather-long.of-a-domain.sender.test"})
    for number, more in ((1, {}), (2, {"warmup": {"schedule": "standard"}})):
        body = {"name": f"mx{number}", "ip_address": f"192.0.2.1{number}", "ehlo_domain": f"mx{number}.sender.test"}
        service.call("POST", "/api/v1/vmtas", body | more)
    fates = ("ok", "ok", "ok", "bounce", "soft", "ok", "defer", "full", "complaint", "ok")
    domains = ("gmail.com", "outlook.com", "example.org")
    subjects = ("Your invoice 1204", "What is new in spring, a subject that is rather long and goes on & on")
    sent = [
        service.send(f"{fates[n % 10]}+{n}@{domains[n % 3]}", subject=subjects[n % 2], tags=[["spring"], []][n % 2])
        for n in range(60)
    ]
    service.wait_for_status(sent[3], "bounced")
    service.wait_for_status(sent[-1], "delivered")
    members = [{"vmta": "mx1", "weight": 3}, {"vmta": "mx2"}]
    body = {"name": "newsletters", "members": members, "domains": ["sender.test"]}
    pool = service.call("POST", "/api/v1/pools", body)
    limits = {"connection_limit": 3, "max_message_rate": "100/min"}
    shaping = {"kind": "domain", "target": "example.org", "limits": limits, "note": "agreed with their postmaster"}
    rule = service.call("POST", "/api/v1/shaping", shaping)
    service.call("PUT", "/api/v1/policy/scenarios", {"toml": SCENARIOS})
    held = "spring:sender@gmail.com"
    service.call("POST", f"/api/v1/queues/{held}/hold", {"reason": "the receiver asked us to wait until Monday"})
    [warming, *_] = service.call("GET", "/api/v1/vmtas")["data"]
    [pending, verified] = service.call("GET", "/api/v1/domains")["data"]
    vmta = f"/console/vmtas/{warming['id']}"
    return {
        "message": f"/console/messages/{sent[3]}",
        "queue-hold": f"/console/queues/hold?queue={held}",
        "domain": f"/console/domains/{verified['id']}",
        "domain-pending": f"/console/domains/{pending['id']}",
        "vmta": vmta,
        "pool": f"/console/pools/{pool['id']}",
        "shaping-rule": f"/console/shaping/{rule['id']}",
        "shaping-destination": "/console/shaping/destination?sender=sender.test&to=gmail.com",
        "scenario": "/console/policy/scenarios/0",
        "vmta-warmup": f"{vmta}/warmup?schedule=standard&volume=20000",
    }


def lengthen(service: Service) -> list[str]:
    """Things with names as long as may be, and without blanks; the pages that show them."""
    label, address = "v" * 63, f"{'l' * 64}@{'d' * 63}.{'e' * 63}.{'f' * 57}.org"
    host, noun = f"{'a' * 63}.{'b' * 63}.sender.test", "n" * 100
    vmta = {"name": label, "ip_address": "192.0.2.99", "ehlo_domain": host}
    rule = {"kind": "domain", "target": host, "limits": {"connection_limit": 3}, "note": "n" * 500}
    made = {
        "vmtas": vmta,
        "pools": {"name": label, "members": [{"vmta": label}], "domains": [host]},
        "shaping": rule,
        "templates": {"name": noun, "subject": "S" * 300, "text": noun, "html": f"<p>{noun}</p>"},
        "webhooks": {"url": f"https://hooks.example.com/{noun * 4}", "events": ["message.bounced"]},
        "domains": {"domain": host},
    }
    paths = [f"/console/messages/{service.send(address, subject='S' * 300, tags=['t' * 60])}"]
    for name, body in made.items():
        found = service.call("POST", f"/api/v1/{name}", body)
        paths.append(f"/console/{name}/{found.get('webhook', found)['id']}")
    return [*paths, *(f"/console/{name}" for name in made), "/console/messages", f"{paths[1]}/delete"]
