"""What the demonstration does, step by step."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from postmta_ctl.cli.demo.client import Api
from postmta_ctl.cli.demo.reference import examples
from postmta_ctl.cli.demo.server import Server
from postmta_ctl.cli.demo.show import Screen

EMAIL = "admin@co.com"
DOMAINS = ("yourdomain.com", "co.com")
"""The reference's examples send from these; a third domain is made by one of them."""
VMTAS = (
    {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.co.com"},
    {"name": "mx2", "ip_address": "192.0.2.2", "ehlo_domain": "mx2.co.com", "warmup": {"schedule": "standard"}},
)
FATES = {
    # What the sandbox makes of a local part: how many of them, and the status that each must reach.
    "ok": (60, "delivered"),
    "soft": (8, "delivered"),
    "grey": (6, "delivered"),
    "bounce": (10, "bounced"),
    "spam": (5, "bounced"),
    "block": (4, "bounced"),
    "full": (2, "bounced"),
    "complaint": (2, "delivered"),
    "oob": (2, "bounced"),
    "defer": (1, "deferred"),
}
PATIENCE_SECONDS = 60.0


class Account(msgspec.Struct, frozen=True):
    """Who the demonstration acts as."""

    email: str
    password: str
    api_key: str


def set_up(screen: Screen, api: Api, server: Server) -> Account:
    """Register or log in, add domains and vMTAs, and publish the policy. Done before, it is not done again."""
    screen.title(f"Serving {server.url} from {server.data_dir}")
    account = _account(api, server.data_dir)
    screen.step(f"Logged in as {account.email}, owner and operator")
    known = {one["domain"] for one in api.call("GET", "/api/v1/domains")["data"]}
    for index, name in enumerate(name for name in DOMAINS if name not in known):
        _add_domain(screen, api, name, show=index == 0)
    known = {one["name"] for one in api.call("GET", "/api/v1/vmtas")["data"]}
    for vmta in (one for one in VMTAS if one["name"] not in known):
        made = api.call("POST", "/api/v1/vmtas", vmta)
        screen.step(f"vMTA {made['name']} at {made['ip_address']}: {made['state']}")
    _publish(screen, api)
    return account


def _account(api: Api, data_dir: Path) -> Account:
    file = data_dir / "demo-account.json"
    if file.exists():
        account = msgspec.json.decode(file.read_bytes(), type=Account)
        api.token = _login(api, account)
        return account
    password = secrets.token_urlsafe(16)
    api.call("POST", "/api/v1/auth/register", {"email": EMAIL, "password": password, "organization": "Co"})
    api.token = _login(api, Account(EMAIL, password, ""))
    scopes = api.call("GET", "/api/v1/auth/me")["scopes"]
    key = api.call("POST", "/api/v1/api-keys", {"name": "demo", "scopes": scopes})["secret"]
    account = Account(EMAIL, password, key)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        output.write(msgspec.json.encode(account))
    return account


def _login(api: Api, account: Account) -> str:
    token: str = api.call("POST", "/api/v1/auth/login", {"email": account.email, "password": account.password})[
        "access_token"
    ]
    return token


def _add_domain(screen: Screen, api: Api, name: str, *, show: bool) -> None:
    made = api.call("POST", "/api/v1/domains", {"domain": name})
    if show:
        screen.dns_records(made)
    verified = api.call("POST", f"/api/v1/domains/{made['id']}/verify")
    screen.step(f"Domain {name}: {verified['status']} (the sandbox's DNS publishes every record we ask for)")


def _publish(screen: Screen, api: Api) -> None:
    plan = api.call("GET", "/api/v1/policy/plan")
    if plan["diff"]:
        screen.plan(plan)
    published = api.call("POST", "/api/v1/policy/publish", {"reason": "demonstration"})
    screen.published(published)


def send_and_watch(screen: Screen, api: Api, server: Server, account: Account) -> bool:
    """Run the reference's examples, send a hundred messages of mixed fate, and wait until each has met it."""
    run_examples(screen, api, account)
    screen.step("Sending 100 messages of mixed fate")
    meant = _send_hundred(api)
    found = _watch(api, meant)
    screen.statuses(FATES, meant, found)
    chosen = next(message_id for message_id, word in meant.items() if word == "grey")
    screen.timeline(api.call("GET", f"/api/v1/messages/{chosen}"))
    screen.policy_folder(server.data_dir / "sandbox")
    as_meant = all(found[message_id] == FATES[word][1] for message_id, word in meant.items())
    screen.verdict(as_meant=as_meant)
    return as_meant


def run_examples(screen: Screen, api: Api, account: Account) -> None:
    """Send each of the reference's curl examples and show how it was answered."""
    screen.title("The API reference's own examples")
    for example in examples(token=api.token, password=account.password):
        answer = api.request(example.method, example.path, body=example.body, headers=example.headers)
        screen.example(example, answer)


def _send_hundred(api: Api) -> dict[str, str]:
    """Accepted message ids, each with the word that decides its fate."""
    words = [word for word, (count, _) in FATES.items() for _ in range(count)]
    requests = [_message(word, number) for number, word in enumerate(words)]
    answer = api.call("POST", "/api/v1/messages/batch", {"messages": requests, "batch_id": "demo"})
    return {one["message"]["id"]: words[one["index"]] for one in answer["results"]}


def _message(word: str, number: int) -> dict[str, Any]:
    return {
        "from": "Grüße von Co <news@co.com>",
        "to": [f"{word}{number}@example.org"],
        "subject": f"Nº {number}: {{{{ not a template }}}}",
        "text": "Hello from the demonstration.",
        "html": "<p>Hello from the <a href='https://example.org/'>demonstration</a>.</p>",
        "tags": ["demo"],
        "track_opens": True,
    }


def _watch(api: Api, meant: dict[str, str]) -> dict[str, str]:
    """The statuses once all are as meant, or when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = {one["id"]: one["status"] for one in islice(_messages(api), 200)}
        as_meant = Counter(found.get(message_id) == FATES[word][1] for message_id, word in meant.items())
        if not as_meant[False] or time.monotonic() > deadline:
            return {message_id: found.get(message_id, "lost") for message_id in meant}
        time.sleep(0.3)


def _messages(api: Api) -> Iterator[dict[str, Any]]:
    page = api.call("GET", "/api/v1/messages?limit=200")
    yield from page["data"]
