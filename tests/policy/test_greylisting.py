"""Mail that strangers send to the domains we relay to, and how it is put off."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from postmta_ctl.compiler.check import check
from postmta_ctl.compiler.model import Greylisting, Listener, PolicyModel
from postmta_ctl.compiler.render import render
from postmta_ctl.luavm import ConnectionMeta, EnvelopeAddress, Message, Rejected

PEER = "203.0.113.9:4711"
ON = Greylisting(enabled=True, delay=300, window=3600, lifetime=86400, allow_after=2)
MINUTE = 60


class Gate:
    """One client after another, before a node that runs this policy."""

    def __init__(self, fleet: Any, model: PolicyModel, folder: Path, greylisting: Greylisting = ON) -> None:
        installation = structs.replace(
            model.installation,
            relay_domains={"corp.example": ("[192.0.2.250]:2525", "mail.corp.example")},
            spool_path=str(folder),
            smtp_listeners=(Listener(address="0.0.0.0:25", relay_hosts=("198.51.100.0/24",)),),
        )
        self.model = structs.replace(model, installation=installation, greylisting=greylisting)
        fleet.publish(render(self.model), release=8)
        self.fleet, self.node = fleet, fleet.runtime()
        self.vm = self.node.start()

    def restart(self) -> None:
        self.node = self.fleet.runtime()
        self.vm = self.node.start()

    def wait(self, seconds: float) -> None:
        self.fleet.clock.advance(seconds)

    def rcpt(
        self, to: str = "ann@corp.example", sender: str = "bob@example.org", peer: str = PEER, **meta: Any
    ) -> tuple[Rejected | None, ConnectionMeta]:
        """What RCPT TO is answered with; None: it is taken."""
        session = ConnectionMeta({"received_from": peer} | meta)
        assert self.vm.fire("smtp_server_mail_from", EnvelopeAddress(sender), session) is None
        return self.vm.fire("smtp_server_rcpt_to", EnvelopeAddress(to), session), session

    def is_put_off(self, *args: Any, **options: Any) -> bool:
        answer, _ = self.rcpt(*args, **options)
        return answer is not None

    def decision(self, *args: Any, **options: Any) -> str | None:
        """What the record of a message that is taken says."""
        answer, session = self.rcpt(*args, **options)
        assert answer is None
        to = args[0] if args else "ann@corp.example"
        text = b"From: Bob <bob@example.org>\r\nSubject: Hello\r\n\r\nHello Ann\r\n"
        message = Message("m1", "bob@example.org", [to], text, dict(session.meta), self.fleet.clock)
        assert self.vm.smtp_server_message_received(message, session) is None
        assert message.data == text
        assert not message.meta.get("tenant")
        found: str | None = message.meta.get("x_greylist")
        return found


@pytest.fixture
def gate(fleet: Any, model: PolicyModel, tmp_path: Path) -> Gate:
    return Gate(fleet, model, tmp_path)


def test_the_first_attempt_is_put_off_with_451(gate: Gate) -> None:
    answer, _ = gate.rcpt()
    assert (answer.code, answer.text) == (451, "4.7.1 Greylisted, try again in 300 seconds")


def test_one_that_comes_too_early_waits_for_the_rest(gate: Gate) -> None:
    gate.rcpt()
    gate.wait(100)
    answer, _ = gate.rcpt()
    assert (answer.code, answer.text) == (451, "4.7.1 Greylisted still, try again in 200 seconds")


def test_one_that_comes_after_the_delay_passes_and_is_known(gate: Gate) -> None:
    gate.rcpt()
    gate.wait(300)
    assert [gate.decision(), gate.decision()] == ["passed", "known"]


def test_one_that_comes_after_the_window_starts_anew(gate: Gate) -> None:
    gate.rcpt()
    gate.wait(3601)
    answer, _ = gate.rcpt()
    assert answer.text == "4.7.1 Greylisted, try again in 300 seconds"
    gate.wait(300)
    assert gate.decision() == "passed"


def test_what_was_not_seen_for_its_lifetime_starts_anew(gate: Gate) -> None:
    gate.rcpt()
    gate.wait(300)
    assert gate.decision() == "passed"
    gate.wait(86400)
    assert gate.decision() == "known"
    gate.wait(86401)
    assert gate.is_put_off()


def test_it_survives_a_restart(gate: Gate) -> None:
    gate.rcpt()
    gate.wait(300)
    gate.restart()
    assert gate.decision() == "passed"


@pytest.mark.parametrize(
    ("change", "is_the_same"),
    [
        ({"peer": "203.0.113.77:9"}, True),
        ({"peer": "[::ffff:203.0.113.77]:9"}, True),
        ({"peer": "203.0.114.9:4711"}, False),
        ({"sender": "BOB@Example.ORG"}, True),
        ({"sender": "eve@example.org"}, False),
        ({"sender": ""}, False),
        ({"to": "ANN@Corp.Example"}, True),
        ({"to": "eve@corp.example"}, False),
    ],
)
def test_a_triplet_is_network_sender_and_recipient(gate: Gate, change: dict[str, str], is_the_same: bool) -> None:
    gate.rcpt()
    gate.wait(300)
    assert gate.is_put_off(**change) is not is_the_same


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("[2001:db8::1]:25", "2001:db8:0:0::/64"),
        ("[2001:db8:1:2:3:4:5:6]:25", "2001:db8:1:2::/64"),
        ("[2001:db8:0:2::]:25", "2001:db8:0:2::/64"),
        ("[::1]:25", "0:0:0:0::/64"),
        ("192.0.2.77:25", "192.0.2.0/24"),
        ("[::ffff:192.0.2.77]:25", "192.0.2.0/24"),
    ],
)
def test_the_network_of_a_client(gate: Gate, tmp_path: Path, peer: str, network: str) -> None:
    gate.rcpt(peer=peer)
    with sqlite3.connect(tmp_path / "greylisting.db") as db:
        assert db.execute("SELECT network FROM triplets").fetchall() == [(network,)]


def test_a_client_that_proved_itself_is_trusted(gate: Gate) -> None:
    for recipient in ("ann@corp.example", "ben@corp.example"):
        gate.rcpt(recipient)
    gate.wait(300)
    assert [gate.decision(one) for one in ("ann@corp.example", "ben@corp.example")] == ["passed", "passed"]
    assert gate.decision("new@corp.example", peer="203.0.113.200:1") == "allowed"
    assert gate.is_put_off("new@corp.example", peer="203.0.114.1:1")
    gate.wait(86401)
    assert gate.is_put_off("new@corp.example"), "not for ever"


def test_a_client_never_is_when_that_is_off(fleet: Any, model: PolicyModel, tmp_path: Path) -> None:
    gate = Gate(fleet, model, tmp_path, structs.replace(ON, allow_after=0))
    for number in range(5):
        gate.rcpt(f"{number}@corp.example")
    gate.wait(300)
    assert {gate.decision(f"{number}@corp.example") for number in range(5)} == {"passed"}
    assert gate.is_put_off("new@corp.example")


def test_allowed_networks_and_domains_are_not_put_off(fleet: Any, model: PolicyModel, tmp_path: Path) -> None:
    allowing = structs.replace(
        ON, allowed_networks=("192.0.2.0/28", "2001:db8::/32"), allowed_domains=("good.example",)
    )
    gate = Gate(fleet, model, tmp_path, allowing)
    assert gate.decision(peer="192.0.2.15:1") == "allowed"
    assert gate.decision(peer="[2001:db8::7]:1") == "allowed"
    assert gate.decision(sender="a@good.example") == "allowed"
    assert gate.decision(sender="a@mail.GOOD.example") == "allowed"
    assert gate.is_put_off(peer="192.0.2.16:1")
    assert gate.is_put_off(sender="a@notgood.example")


def test_reports_authenticated_clients_and_hosts_that_may_relay_are_never_put_off(gate: Gate) -> None:
    assert not gate.is_put_off("b+1@bounce.postmta.example", sender="")
    assert not gate.is_put_off(authn_id="ann")
    assert not gate.is_put_off(peer="198.51.100.7:1")
    with_credential = {"x_credential": "acme-1", "tenant": "acme", "received_from": PEER}
    assert (
        gate.vm.fire("smtp_server_rcpt_to", EnvelopeAddress("a@corp.example"), ConnectionMeta(with_credential)) is None
    )


def test_off_means_off(fleet: Any, model: PolicyModel, tmp_path: Path) -> None:
    gate = Gate(fleet, model, tmp_path, Greylisting())
    assert gate.decision() is None
    assert not (tmp_path / "greylisting.db").exists()


def test_a_broken_store_lets_mail_pass(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "greylisting.db").write_bytes(b"no database" * 1000)
    assert gate.decision() == "unavailable"


def test_addresses_with_quotes_are_only_text(gate: Gate) -> None:
    sender = '"x\'); DROP TABLE triplets; --"@example.org'
    gate.rcpt(sender=sender)
    gate.wait(300)
    assert gate.decision(sender=sender) == "passed"


def test_old_triplets_are_forgotten(gate: Gate, tmp_path: Path) -> None:
    gate.rcpt()
    gate.wait(2 * 86400)
    gate.rcpt("new@corp.example")
    with sqlite3.connect(tmp_path / "greylisting.db") as db:
        assert db.execute("SELECT recipient FROM triplets").fetchall() == [("new@corp.example",)]


def test_mail_for_a_relay_domain_goes_to_its_hosts(gate: Gate) -> None:
    assert gate.vm.listener_domain("Corp.example", "0.0.0.0:25").values["relay_to"] is True
    assert gate.vm.listener_domain("other.example", "0.0.0.0:25") is None
    queue = gate.vm.queue_config_of("corp.example")
    hosts = queue.values["protocol"]["smtp"]["mx_list"]
    assert (hosts[0]["addr"], hosts[1]) == ("192.0.2.250:2525", "mail.corp.example")


def test_a_tenants_mail_to_the_same_domain_leaves_by_its_own_pool(gate: Gate) -> None:
    assert gate.vm.queue_config_of("acme@corp.example").values["egress_pool"] == "acme"


def test_a_stranger_gets_no_mail_of_ours_signed(gate: Gate) -> None:
    gate.rcpt()
    gate.wait(300)
    _, session = gate.rcpt()
    text = b"From: Ann <ann@acme.example>\r\nSubject: Hello\r\n\r\nHello\r\n"
    message = Message("m1", "ann@acme.example", ["ann@corp.example"], text, dict(session.meta), gate.fleet.clock)
    assert gate.vm.smtp_server_message_received(message, session) is None
    assert not re.search(rb"(?i)dkim-signature", message.data)


@pytest.mark.parametrize(
    ("relay_domains", "greylisting", "code"),
    [
        ({"Corp.example": ("h:25",)}, ON, "bad-domain"),
        ({"corp.example": ()}, ON, "no-relay-host"),
        ({"corp.example": ("192.0.2.1",)}, ON, "bad-smart-host"),
        ({"bounce.postmta.example": ("h:25",)}, ON, "relay-bounces"),
        ({}, structs.replace(ON, window=300), "greylisting-window"),
        ({}, structs.replace(ON, delay=0), "bad-greylisting"),
        ({}, structs.replace(ON, allow_after=-1), "bad-greylisting"),
        ({}, structs.replace(ON, allowed_networks=("10.0.0.1/8",)), "bad-network"),
        ({}, structs.replace(ON, allowed_domains=("not a domain",)), "bad-domain"),
    ],
)
def test_what_makes_no_sense_is_found(model: PolicyModel, relay_domains: Any, greylisting: Any, code: str) -> None:
    installation = structs.replace(model.installation, relay_domains=relay_domains)
    found = check(structs.replace(model, installation=installation, greylisting=greylisting))
    assert code in {one.code for one in found if one.severity == "error"}
