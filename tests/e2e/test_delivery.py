"""From a request to a message at its receiver, through a real kumod, and what the API tells of it afterwards."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from typing import Any

import dkim
import pytest

from postmta_ctl.core import verp
from tests.e2e.installation import BOUNCE_DOMAIN, FIRST_VMTA, Installation
from tests.e2e.kumod import KUMOD
from tests.e2e.sink import GREYLISTED, NO_SUCH_USER, Received

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

COMPOSED: dict[str, Any] = {
    "from": "Grüße, von Ann <ann@sender.test>",
    "reply_to": "Søren <soren@sender.test>",
    "subject": "Nº 7: {{ 1+1 }} für “Jörg” {% if %}",
    "text": "Grüße! {{ not.a.template }}\n.leading dot\n\nEnd \n",
    "html": "<p>Grüße &amp; {{ nothing|safe }} " + "x" * 1500 + "</p>",
    "headers": {"List-Unsubscribe": "<https://sender.test/u>", "X-Kind": "größer"},
    "tags": ["Spring Campaign"],
    "metadata": {"order": "7"},
}
ATTACHMENT = {
    "content": base64.b64encode(b"a;b\n1;2\n").decode(),
    "filename": "Übersicht.csv",
    "content_type": "text/csv",
}


@pytest.fixture(scope="module")
def delivered(installation: Installation) -> tuple[dict[str, Any], Received]:
    """A message with all that is difficult about it: as the API shows it in the end, and as it arrived."""
    service = installation.service
    message = service.send("Zoë <ok@dest.test>", **COMPOSED, attachments=[ATTACHMENT])
    return service.wait_for_status(message, "delivered"), installation.sink.wait_for("ok@dest.test")


def lines_of(message: EmailMessage, kind: str) -> list[str]:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).splitlines()


def test_it_arrives_as_composed(delivered: tuple[dict[str, Any], Received]) -> None:
    arrived = delivered[1].parsed
    assert str(arrived["From"].addresses[0]) == '"Grüße, von Ann" <ann@sender.test>'
    assert str(arrived["To"].addresses[0]) == "Zoë <ok@dest.test>"
    assert str(arrived["Reply-To"].addresses[0]) == "Søren <soren@sender.test>"
    assert (arrived["Subject"], arrived["X-Kind"]) == (COMPOSED["subject"], "größer")
    # Lines, since a last line end in a part belongs to the boundary.
    assert lines_of(arrived, "plain") == COMPOSED["text"].splitlines()
    assert lines_of(arrived, "html") == COMPOSED["html"].splitlines()
    (attachment,) = arrived.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content_type()) == ("Übersicht.csv", "text/csv")
    assert attachment.get_payload(decode=True) == b"a;b\n1;2\n"


def test_it_carries_no_field_twice_and_nothing_of_ours_that_is_private(
    delivered: tuple[dict[str, Any], Received],
) -> None:
    names = [name.lower() for name in delivered[1].parsed]
    assert len(names) - names.count("dkim-signature") == len(set(names)) - 1, names
    assert b"ingest" not in delivered[1].content


def test_both_signatures_verify_against_the_records_that_were_asked_for(
    installation: Installation, delivered: tuple[dict[str, Any], Received]
) -> None:
    published = {record["name"]: record["value"] for record in installation.domain["dns_records"]}

    def dns(name: bytes, timeout: int = 5) -> bytes:
        return str(published[name.decode().removesuffix(".")]).encode()

    verifier = dkim.DKIM(delivered[1].content)
    algorithms = set()
    for index in range(2):
        assert verifier.verify(idx=index, dnsfunc=dns)
        assert verifier.domain == b"sender.test"
        assert {b"from", b"subject", b"to", b"list-unsubscribe"} <= {
            name.lower() for name, _ in verifier.signed_headers
        }
        algorithms.add(verifier.signature_fields[b"a"])
    assert algorithms == {b"rsa-sha256", b"ed25519-sha256"}


def test_it_leaves_from_the_vmta_under_a_sender_that_names_the_recipient(
    delivered: tuple[dict[str, Any], Received],
) -> None:
    message, arrived = delivered
    assert (arrived.source_address, arrived.ehlo) == (FIRST_VMTA, "mx1.sender.test")
    assert arrived.sender == f"{verp.local_part(message['recipients'][0]['id'])}@{BOUNCE_DOMAIN}"


def test_the_time_line_ends_with_the_receivers_reply(delivered: tuple[dict[str, Any], Received]) -> None:
    message, _ = delivered
    (recipient,) = message["recipients"]
    assert (recipient["status"], recipient["code"], recipient["vmta"]) == ("delivered", 250, "mx1")
    assert "OK, kept as number" in recipient["reply"]
    assert [entry["type"] for entry in message["timeline"]] == [
        "message.queued",
        "message.accepted",
        "message.delivered",
    ]
    last = message["timeline"][-1]
    assert (last["node"], last["queue"]) == ("mx-1", "spring-campaign:sender@dest.test")
    assert (message["metadata"], message["tags"]) == ({"order": "7"}, ["Spring Campaign"])


def test_a_refused_recipient_bounces_with_its_class(installation: Installation) -> None:
    message = installation.service.wait_for_status(installation.service.send("bounce1@dest.test"), "bounced")
    (recipient,) = message["recipients"]
    assert (recipient["code"], recipient["bounce_class"]) == (550, "invalid_recipient")
    assert NO_SUCH_USER.partition(" 5.1.1 ")[2] in recipient["reply"]
    assert message["timeline"][-1]["enhanced_code"] == "5.1.1"
    assert installation.sink.to("bounce1@dest.test") == []


def test_a_put_off_recipient_is_deferred_and_then_delivered(installation: Installation) -> None:
    message = installation.service.wait_for_status(installation.service.send("grey1@dest.test"), "delivered")
    kinds = [entry["type"] for entry in message["timeline"]]
    assert kinds == ["message.queued", "message.accepted", "message.deferred", "message.delivered"]
    assert message["timeline"][2]["code"] == 451
    assert GREYLISTED.partition(" 4.7.1 ")[2] in message["timeline"][2]["reply"]
    assert message["recipients"][0]["attempts"] == 2
    assert len(installation.sink.to("grey1@dest.test")) == 1


def test_each_of_several_recipients_has_a_fate_of_its_own(installation: Installation) -> None:
    message_id = installation.service.send("ok2@dest.test", cc=["bounce2@dest.test"], bcc=["ok3@dest.test"])
    message = installation.service.wait_for_status(message_id, "partial")
    fates = {one["address"]: (one["kind"], one["status"]) for one in message["recipients"]}
    assert fates == {
        "ok2@dest.test": ("to", "delivered"),
        "bounce2@dest.test": ("cc", "bounced"),
        "ok3@dest.test": ("bcc", "delivered"),
    }
    copies = [installation.sink.wait_for(address) for address in ("ok2@dest.test", "ok3@dest.test")]
    assert len({copy.sender for copy in copies}) == 2
    assert not any(b"ok3@dest.test" in copy.content for copy in copies)


def test_a_hundred_at_once_arrive_once_each(installation: Installation) -> None:
    service = installation.service
    one = {"from": "ann@sender.test", "subject": "Hello", "text": "Hello."}
    messages = [one | {"to": [f"many{number}@dest.test"]} for number in range(100)]
    answer = service.call("POST", "/api/v1/messages/batch", {"messages": messages})
    assert answer["accepted"] == 100
    for result in answer["results"]:
        service.wait_for_status(result["message"]["id"], "delivered")
    assert [len(installation.sink.to(f"many{number}@dest.test")) for number in range(100)] == [1] * 100
