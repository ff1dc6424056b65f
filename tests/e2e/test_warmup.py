"""A warming vMTA on a real node: what exceeds its allowance leaves by the established one, whatever happens between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.installation import FIRST_VMTA, Installation
from tests.e2e.kumod import KUMOD
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

ALLOWANCE = 18


@contextmanager
def warming(installation: Installation, name: str, address: str, **warmup: Any) -> Iterator[str]:
    """A vMTA with an allowance of 18 a day, while the block lasts; its id."""
    body = {
        "name": name,
        "ip_address": address,
        "ehlo_domain": f"{name}.sender.test",
        "warmup": {"daily_allowances": [ALLOWANCE, 1000]} | warmup,
    }
    made = str(installation.service.call("POST", "/api/v1/vmtas", body)["id"])
    installation.publish()
    wait_for(lambda: ticket(installation, name), "a ticket on the node", 60)
    yield made
    installation.service.call("DELETE", f"/api/v1/vmtas/{made}")
    installation.publish()


def ticket(installation: Installation, name: str) -> dict[str, Any] | None:
    """The ticket that the node's policy reads."""
    path = installation.kumod.policy_dir / "live" / "warmup.json"
    found: dict[str, Any] | None = (
        json.loads(path.read_text())["vmtas"].get(f"sender.{name}") if path.exists() else None
    )
    return found


def wait_until_used(
    installation: Installation, addresses: set[str], prefix: str, domain: str = "dest.test"
) -> Counter[str]:
    """Send one message after another until one leaves from one of these addresses; how many left from each address.

    The ticket lies on the node before the node is told to read it, and a queue that looked at its pool in the second
    before looks again at the next bump of the epoch only, five seconds later: until then all leaves by the others.
    """
    left_from = Counter[str]()

    def is_used() -> bool:
        left_from.update(send(installation, f"{prefix}-{left_from.total()}-", 1, domain))
        return not addresses.isdisjoint(left_from)

    wait_for(is_used, f"mail from {addresses}", 30)
    return left_from


def send(installation: Installation, prefix: str, count: int, domain: str = "dest.test") -> Counter[str]:
    """How many of these messages left from each address."""
    addresses = [f"{prefix}{number}@{domain}" for number in range(count)]
    ids = [installation.service.send(address) for address in addresses]
    for message_id in ids:
        installation.service.wait_for_status(message_id, "delivered", 60)
    return Counter(one.source_address for address in addresses for one in installation.sink.to(address))


def test_no_more_than_the_allowance_leaves_by_it_and_the_rest_by_the_other(installation: Installation) -> None:
    with warming(installation, "new1", "127.0.0.9") as vmta_id:
        first = wait_until_used(installation, {"127.0.0.9"}, "warm")
        first += (half := send(installation, "warm-a", 14))
        assert 6 <= half["127.0.0.9"] <= 8, "the round robin gives it a half"
        left = ALLOWANCE - first["127.0.0.9"]

        before = ticket(installation, "new1")
        assert before is not None
        installation.kumod.kill()
        installation.start_kumod()
        # What lay there at the start is not taken a second time.
        assert send(installation, "warm-b", 4)["127.0.0.9"] == 0
        again = wait_for(lambda: newer(installation, "new1", before["serial"]), "another ticket", 90)
        assert again["size"] == left

        rest = wait_until_used(installation, {"127.0.0.9"}, "again")
        rest += send(installation, "warm-c", 3 * ALLOWANCE) + send(installation, "warm-d", 10, "elsewhere.test")
        assert rest["127.0.0.9"] == left
        assert set(rest) == {"127.0.0.9", FIRST_VMTA}

        shown = installation.service.call("GET", f"/api/v1/vmtas/{vmta_id}/warmup")
        assert (shown["today"]["allowance"], shown["today"]["delivered"]) == (ALLOWANCE, ALLOWANCE)
        listed = json.loads(installation.service.command("warmup", "status", "--json"))
        assert listed["sender.new1"]["today"] == shown["today"]


def newer(installation: Installation, name: str, serial: int) -> dict[str, Any] | None:
    found = ticket(installation, name)
    return found if found and found["serial"] > serial else None


def test_a_provider_gets_its_share_only(installation: Installation) -> None:
    with warming(installation, "new2", "127.0.0.10", provider_shares={"other": 0.2}):
        sent = wait_until_used(installation, {"127.0.0.10"}, "share") + send(installation, "share", 20)
        assert sent["127.0.0.10"] == 4, "a fifth of the allowance, rounded up"
