"""A published change of the policy, as the receiver sees it: no restart in between."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.e2e.installation import FIRST_VMTA, Installation
from tests.e2e.kumod import KUMOD
from tests.e2e.sink import Received

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

_numbers = count()


@pytest.fixture(autouse=True)
def not_restarted(installation: Installation) -> Iterator[None]:
    before = installation.node()["online_since"]
    yield
    assert installation.node()["online_since"] == before


def publish(here: Installation) -> dict[str, Any]:
    """Publish what must be possible live, and have the node say that it runs it."""
    done = here.publish()
    assert done["outcome"] == "published"
    assert done["change_class"] == {"kind": "live", "settings": []}
    assert [(node["node"], node["ok"]) for node in done["nodes"]] == [("mx-1", True)]
    return done


def arrival(here: Installation, **more: Any) -> Received:
    """How one message arrives, always at the same site, so that its queue is one in use."""
    address = f"seen{next(_numbers)}@dest.test"
    here.service.wait_for_status(here.service.send(address, **more), "delivered")
    return here.sink.wait_for(address)


def addresses(here: Installation, messages: int = 8) -> set[str]:
    """The source addresses that a handful of messages leave from."""
    ids = [here.service.send(f"seen{next(_numbers)}@dest.test") for _ in range(messages)]
    for message_id in ids:
        here.service.wait_for_status(message_id, "delivered")
    return {one.source_address for one in here.sink.received[-messages:]}


def test_a_vmta_comes_changes_its_address_and_goes(installation: Installation) -> None:
    assert addresses(installation) == {FIRST_VMTA}

    second = installation.add_vmta("mx2", "127.0.0.3")
    assert addresses(installation) == {FIRST_VMTA}, "not before it is published"
    publish(installation)
    assert addresses(installation) == {FIRST_VMTA, "127.0.0.3"}
    pinned = arrival(installation, vmta="mx2")
    assert (pinned.source_address, pinned.ehlo) == ("127.0.0.3", "mx2.sender.test")

    installation.service.call("DELETE", f"/api/v1/vmtas/{second}")
    again = installation.add_vmta("mx2", "127.0.0.4")
    publish(installation)
    assert addresses(installation) == {FIRST_VMTA, "127.0.0.4"}
    assert arrival(installation, vmta="mx2").source_address == "127.0.0.4"

    installation.service.call("DELETE", f"/api/v1/vmtas/{again}")
    publish(installation)
    assert addresses(installation) == {FIRST_VMTA}


def test_a_domain_is_signed_for_from_its_publication_on(installation: Installation) -> None:
    service = installation.service
    made = service.verified_domain("second.test")
    publish(installation)
    arrived = arrival(installation, **{"from": "bob@second.test"})
    signatures = arrived.parsed.get_all("DKIM-Signature", [])
    assert len(signatures) == 2
    assert all("d=second.test" in signature.replace(" ", "") for signature in signatures)
    service.call("DELETE", f"/api/v1/domains/{made['id']}")
    publish(installation)


def test_a_message_knows_the_release_that_it_met(installation: Installation) -> None:
    service, release = installation.service, installation.node()["published_release"]
    message_id = service.send("explained@dest.test")
    service.wait_for_status(message_id, "delivered")
    (one,) = service.call("GET", f"/api/v1/messages/{message_id}/explain")["recipients"]
    assert (one["release"]["number"], one["differences"]) == (release, [])
    assert one["decision"]["outcome"] == "sent"
    assert {event["queue"] for event in one["happened"]} == {one["decision"]["queue"]}
    assert one["happened"][-1]["vmta"] in {way["vmta"] for way in one["decision"]["ways"]}


def test_publishing_the_same_again_changes_nothing(installation: Installation) -> None:
    release = installation.node()["published_release"]
    done = installation.publish()
    assert (done["outcome"], done["release"]) == ("nothing", release)


def test_a_policy_that_would_not_start_is_refused_and_the_node_goes_on(installation: Installation) -> None:
    """kumod's own verdict is one of the proofs: the path's options are settings, checked by nobody else's code."""
    before = installation.node()["published_release"]
    config = broken_config(installation)
    output = installation.service.command("policy", "plan", status=1, POSTMTA_CONFIG=config)
    assert "surely_not" in output
    assert installation.node()["published_release"] == before
    assert arrival(installation).source_address == FIRST_VMTA


def broken_config(here: Installation) -> str:
    path = here.service.data_dir / "broken.toml"
    path.write_text('[policy.path_defaults]\nenable_tls = "surely_not"\n')
    return str(path)
