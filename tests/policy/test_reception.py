"""A message on its way in: refusals, what is written on it, its signatures, and the fence."""

from __future__ import annotations

import base64
from typing import Any

import dkim
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.render import render
from postmta_ctl.core import verp
from postmta_ctl.luavm import PolicyError


@pytest.fixture
def vm(fleet: Any) -> Any:
    return fleet.runtime().start()


def refusal(vm: Any, message: Any) -> str:
    rejected = vm.http_message_generated(message)
    assert rejected is not None
    return str(rejected)


def test_a_probe_is_answered_with_the_release(vm: Any, fleet: Any, bundle: Bundle) -> None:
    message = fleet.message(probe=True)
    assert refusal(vm, message) == f"550 postmta-release=7 digest={bundle.digest}"
    assert message.meta == {"extra": {"probe": True}}


def test_a_message_carries_tenant_campaign_and_id(vm: Any, fleet: Any) -> None:
    message = fleet.message(tenant="acme", campaign="spring", rid="r-1")
    assert vm.http_message_generated(message) is None
    assert message.queue_name == "spring:acme@example.org"
    assert message.meta["x_rid"] == "r-1"
    assert message.meta["x_release"] == 7
    assert str(message.sender) == "b+r-1@bounce.postmta.example"


def test_the_envelope_sender_names_the_recipient_in_few_letters(vm: Any, fleet: Any) -> None:
    rid = "0193f0a2-7c11-7a3b-8c4d-5e6f708192a3"
    message = fleet.message(tenant="acme", rid=rid)
    assert vm.http_message_generated(message) is None
    assert str(message.sender) == f"{verp.local_part(rid)}@bounce.postmta.example"
    assert verp.read(str(message.sender)) == rid


def test_a_campaign_is_optional_and_a_pinned_vmta_is_a_tenant(vm: Any, fleet: Any) -> None:
    message = fleet.message(tenant="acme.mx-1", rid="r-1", campaign="")
    assert vm.http_message_generated(message) is None
    assert message.queue_name == "acme.mx-1@example.org"


@pytest.mark.parametrize("tenant", ["initech", "acme.gone", "", None, 7, {"a": 1}])
def test_an_unknown_tenant_is_refused(vm: Any, fleet: Any, tenant: object) -> None:
    assert refusal(vm, fleet.message(tenant=tenant, rid="r-1")).startswith("550 5.7.1 postmta-unknown-tenant: ")


def test_mail_without_metadata_is_refused(vm: Any, fleet: Any) -> None:
    assert refusal(vm, fleet.message()).startswith("550 5.7.1 postmta-unknown-tenant: ")


def test_mail_without_an_id_is_refused(vm: Any, fleet: Any) -> None:
    assert refusal(vm, fleet.message(tenant="acme")).startswith("550 5.7.1 postmta-no-rid: ")


@pytest.mark.parametrize("sender", ["a@globex.example", "a@evil.example", "a@sub.acme.example", "a@example"])
def test_a_domain_of_somebody_else_is_refused(vm: Any, fleet: Any, sender: str) -> None:
    text = refusal(vm, fleet.message(sender, tenant="acme", rid="r-1"))
    assert text == f"550 5.7.1 postmta-foreign-domain: {sender[2:]} is not a verified domain of the sender"


@pytest.mark.parametrize("sender", ["a@acme.example, b@acme.example", "", "nobody"])
def test_a_from_field_without_exactly_one_address_is_refused(vm: Any, fleet: Any, sender: str) -> None:
    assert refusal(vm, fleet.message(sender, tenant="acme", rid="r-1")).startswith("550 5.7.1 postmta-bad-from: ")


def public_keys(private_keys: dict[str, Any]) -> dict[str, str]:
    der = private_keys["rsa-sha256"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = private_keys["ed25519-sha256"].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "p2026r": f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}",
        "p2026e": f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}",
    }


class Receiver:
    """A mailbox provider that looks keys up and verifies."""

    def __init__(self, private_keys: dict[str, Any]) -> None:
        self.published = public_keys(private_keys)
        self.asked: list[str] = []

    def answer(self, name: bytes, timeout: float = 0) -> bytes:
        self.asked.append(name.decode())
        return self.published[name.decode().partition(".")[0]].encode()

    def verifies(self, data: bytes) -> list[bool]:
        """The verdict on the first two signatures."""
        return [self._verifies(data, number) for number in (0, 1)]

    def _verifies(self, data: bytes, number: int) -> bool:
        try:
            return dkim.DKIM(data).verify(idx=number, dnsfunc=self.answer)
        except dkim.ValidationError:
            return False


@pytest.mark.parametrize("sender", ["ann@acme.example", "Ann <ann@NEWS.acme.example>"])
def test_both_signatures_verify(vm: Any, fleet: Any, private_keys: dict[str, Any], sender: str) -> None:
    message = fleet.message(sender, tenant="acme", rid="r-1")
    assert vm.http_message_generated(message) is None
    receiver = Receiver(private_keys)
    assert receiver.verifies(message.data) == [True, True]
    domain = sender.rpartition("@")[2].strip(">").lower()
    assert sorted(receiver.asked) == [f"p2026e._domainkey.{domain}.", f"p2026r._domainkey.{domain}."]


@pytest.mark.parametrize("change", [(b"Subject: Hello", b"Subject: Hullo"), (b"\r\n\r\nHello", b"\r\n\r\nHullo")])
def test_a_changed_message_does_not_verify(vm: Any, fleet: Any, private_keys: Any, change: tuple[bytes, bytes]) -> None:
    message = fleet.message(tenant="acme", rid="r-1")
    vm.http_message_generated(message)
    assert Receiver(private_keys).verifies(message.data.replace(*change)) == [False, False]


def test_an_added_field_breaks_the_rsa_signature(vm: Any, fleet: Any, private_keys: dict[str, Any]) -> None:
    message = fleet.message(tenant="acme", rid="r-1")
    vm.http_message_generated(message)
    forged = b"Subject: Forged\r\n" + message.data
    ed25519, rsa = Receiver(private_keys).verifies(forged)
    assert (ed25519, rsa) == (True, False)


def test_a_missing_key_fails_the_message_and_leaves_the_fence_open(vm: Any, fleet: Any) -> None:
    path = fleet.folder / "keys/acme.example/p2026e.2.key"
    path.rename(path.with_suffix(".away"))
    with pytest.raises(PolicyError):
        vm.http_message_generated(fleet.message(tenant="acme", rid="r-1"))
    path.with_suffix(".away").rename(path)
    assert vm.http_message_generated(fleet.message(tenant="acme", rid="r-1")) is None


class TestFence:
    """A call whose answer was lost may be repeated, and the message goes once."""

    def test_the_same_id_is_accepted_once(self, vm: Any, fleet: Any) -> None:
        assert vm.http_message_generated(fleet.message(tenant="acme", rid="r-1")) is None
        assert refusal(vm, fleet.message(tenant="acme", rid="r-1")) == "550 postmta-duplicate rid=r-1"
        assert vm.http_message_generated(fleet.message(tenant="acme", rid="r-2")) is None

    def test_it_holds_between_contexts_and_over_a_publication(self, fleet: Any, bundle: Bundle) -> None:
        node = fleet.runtime()
        assert node.start().http_message_generated(fleet.message(tenant="acme", rid="r-1")) is None
        fleet.publish(bundle, release=8)
        node.bump_epoch()
        assert refusal(node.context(), fleet.message(tenant="acme", rid="r-1")) == "550 postmta-duplicate rid=r-1"

    def test_another_attempt_passes_it(self, vm: Any, fleet: Any) -> None:
        assert vm.http_message_generated(fleet.message(tenant="acme", rid="r-1")) is None
        assert vm.http_message_generated(fleet.message(tenant="acme", rid="r-1", attempt=2)) is None
        assert refusal(vm, fleet.message(tenant="acme", rid="r-1", attempt=2)) == "550 postmta-duplicate rid=r-1"

    def test_a_refused_message_may_come_again(self, vm: Any, fleet: Any) -> None:
        assert "foreign-domain" in refusal(vm, fleet.message("a@evil.example", tenant="acme", rid="r-1"))
        assert vm.http_message_generated(fleet.message(tenant="acme", rid="r-1")) is None

    def test_it_can_be_turned_off(self, fleet: Any, model: Any) -> None:
        settings = msgspec.structs.replace(model.installation, fence=False)
        fleet.publish(render(msgspec.structs.replace(model, installation=settings)), release=8)
        vm = fleet.runtime().start()
        for _ in range(2):
            assert vm.http_message_generated(fleet.message(tenant="acme", rid="r-1")) is None


class TestRelayHost:
    """Mail by SMTP from a host that may relay."""

    def test_the_from_domain_says_whose_it_is(self, vm: Any, fleet: Any) -> None:
        message = fleet.message("a@globex.example")
        assert vm.smtp_server_message_received(message) is None
        assert message.queue_name == "globex-2@example.org"
        assert verp.read(str(message.sender)) == message.meta["x_rid"]
        assert message.data.count(b"DKIM-Signature:") == 2

    def test_an_unverified_domain_is_refused(self, vm: Any, fleet: Any) -> None:
        rejected = vm.smtp_server_message_received(fleet.message("a@evil.example"))
        assert str(rejected).startswith("550 5.7.1 postmta-foreign-domain: evil.example")

    def test_a_report_to_the_bounce_domain_is_left_as_it_is(self, vm: Any, fleet: Any) -> None:
        message = fleet.message("mailer@remote.example", "b+r-1@Bounce.postmta.example")
        before = message.data
        assert vm.smtp_server_message_received(message) is None
        assert (message.data, message.meta) == (before, {})
