"""SMTP submission: sessions, credentials, recipients, and what is written on a message that comes this way."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.core import live_data, verp
from postmta_ctl.core.ids import is_id
from postmta_ctl.core.tracking import Tracker
from postmta_ctl.luavm import ConnectionMeta, EnvelopeAddress, Message, PolicyError, Rejected
from tests.policy.test_reception import Receiver

USERNAME, SECRET = "acme-1", "s3cret"
HOST = "192.0.2.7:4711"


def put(fleet: Any, path: str, content: bytes) -> None:
    file = fleet.folder / "live" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def put_credential(fleet: Any, **changes: Any) -> None:
    digest = live_data.credential_digest(USERNAME, SECRET)
    entry = {"organization": "acme", "secrets": [{"digest": digest}]} | changes
    path = live_data.credential_path(live_data.credential_shard(USERNAME))
    put(fleet, path, msgspec.json.encode({USERNAME: entry}))


def suppress(fleet: Any, organization: str, address: str) -> None:
    path = live_data.suppression_path(live_data.suppression_shard(address))
    others = [(organization, f"{number}@example.org") for number in range(3)]
    put(fleet, path, live_data.suppression_file([*others, (organization, address)]))


def submission(**meta: Any) -> ConnectionMeta:
    return ConnectionMeta({"x_submission": True, "received_from": HOST} | meta)


def authenticate(
    vm: Any, session: ConnectionMeta, username: str = USERNAME, secret: str = SECRET, authz: str = ""
) -> Any:
    return vm.fire("smtp_server_auth_plain", authz or username, username, secret, session)


def refused(answer: Any) -> str:
    assert isinstance(answer, Rejected), answer
    return str(answer)


@pytest.fixture
def vm(fleet: Any) -> Any:
    put_credential(fleet)
    return fleet.runtime().start()


@pytest.fixture
def session(vm: Any) -> ConnectionMeta:
    session = submission()
    assert authenticate(vm, session) is True
    return session


class TestAuthentication:
    def test_the_session_belongs_to_the_organization(self, session: ConnectionMeta) -> None:
        assert (session.meta["tenant"], session.meta["x_credential"]) == ("acme", USERNAME)
        assert SECRET not in str(session.meta)

    def test_the_case_of_a_user_name_does_not_matter(self, vm: Any) -> None:
        assert authenticate(vm, submission(), "ACME-1") is True

    @pytest.mark.parametrize(
        ("username", "secret", "authz"),
        [
            (USERNAME, "s3cre", ""),
            (USERNAME, "", ""),
            (USERNAME, "S3CRET", ""),
            ("acme-2", SECRET, ""),
            ("", "", ""),
            (USERNAME, SECRET, "globex-1"),
            ("../../node", SECRET, ""),
        ],
    )
    def test_anything_else_is_refused(self, vm: Any, username: str, secret: str, authz: str) -> None:
        session = submission()
        assert authenticate(vm, session, username, secret, authz) is False
        assert "tenant" not in session.meta

    def test_not_on_the_port_for_other_servers(self, vm: Any) -> None:
        assert authenticate(vm, ConnectionMeta({"received_from": HOST})) is False

    def test_auth_is_offered_where_it_is_taken(self, vm: Any) -> None:
        offered = ["PIPELINING", "AUTH PLAIN"]
        assert vm.fire("smtp_server_ehlo", "client", submission(), offered) is None
        answer = vm.fire("smtp_server_ehlo", "client", ConnectionMeta(), offered)
        assert vm.to_plain(answer) == ["PIPELINING"]
        assert vm.fire("smtp_server_ehlo", "client", ConnectionMeta()) is None

    @pytest.mark.parametrize(("networks", "welcome"), [(["192.0.2.0/24"], True), (["198.51.100.1", "::1"], False)])
    def test_addresses(self, fleet: Any, networks: list[str], welcome: bool) -> None:
        put_credential(fleet, networks=networks)
        assert authenticate(fleet.runtime().start(), submission()) is welcome

    def test_an_expired_credential_is_refused(self, fleet: Any) -> None:
        now = int(fleet.clock.now().timestamp())
        for expires, welcome in ((now + 1, True), (now, False)):
            put_credential(fleet, expires=expires)
            assert authenticate(fleet.runtime().start(), submission()) is welcome

    def test_the_secret_before_works_until_the_overlap_is_over(self, fleet: Any) -> None:
        now = int(fleet.clock.now().timestamp())
        digests = [live_data.credential_digest(USERNAME, one) for one in ("new", SECRET)]
        put_credential(fleet, secrets=[{"digest": digests[0]}, {"digest": digests[1], "until": now + 60}])
        vm = fleet.runtime().start()
        old = submission()
        assert authenticate(vm, old) is True
        assert authenticate(vm, submission(), secret="new") is True
        fleet.clock.advance(60)
        assert authenticate(vm, submission()) is False
        assert refused(mail_from(vm, old)).startswith("421 ")

    def test_nobody_gets_in_without_live_data(self, fleet: Any) -> None:
        assert authenticate(fleet.runtime().start(), submission()) is False


def mail_from(vm: Any, session: ConnectionMeta, sender: str = "ann@acme.example") -> Any:
    return vm.fire("smtp_server_mail_from", EnvelopeAddress(sender), session)


class TestSender:
    def test_own_domains_and_the_null_sender_may_send(self, vm: Any, session: ConnectionMeta) -> None:
        for sender in ("ann@acme.example", "ann@NEWS.acme.example", ""):
            assert mail_from(vm, session, sender) is None

    @pytest.mark.parametrize("sender", ["a@globex.example", "a@evil.example", "a@sub.acme.example"])
    def test_others_may_not(self, vm: Any, session: ConnectionMeta, sender: str) -> None:
        assert refused(mail_from(vm, session, sender)).startswith("550 5.7.1 postmta-foreign-domain: ")

    def test_who_submits_authenticates_first(self, vm: Any) -> None:
        assert refused(mail_from(vm, submission())).startswith("530 5.7.0 ")
        assert mail_from(vm, ConnectionMeta()) is None

    def test_a_credential_may_be_limited_to_some_domains(self, vm: Any, fleet: Any, session: ConnectionMeta) -> None:
        put_credential(fleet, domains=["news.acme.example"])
        assert mail_from(vm, session, "ann@news.acme.example") is None
        assert "postmta-foreign-domain" in refused(mail_from(vm, session, "ann@acme.example"))
        message = fleet.message("ann@acme.example")
        assert "postmta-foreign-domain" in refused(vm.smtp_server_message_received(message, session))

    def test_a_revoked_credential_ends_its_sessions(self, vm: Any, fleet: Any, session: ConnectionMeta) -> None:
        put(fleet, live_data.credential_path(live_data.credential_shard(USERNAME)), b"{}")
        assert refused(mail_from(vm, session)).startswith("421 4.7.0 postmta-credential-ended")
        assert refused(vm.smtp_server_message_received(fleet.message(), session)).startswith("421 ")

    def test_an_organization_without_credits_waits(self, vm: Any, fleet: Any, session: ConnectionMeta) -> None:
        put(fleet, live_data.BLOCKED, b'{"globex-2": "insufficient_credits"}')
        assert mail_from(vm, session) is None
        put(fleet, live_data.BLOCKED, b'{"acme": "insufficient_credits"}')
        assert refused(mail_from(vm, session)) == "452 4.7.1 postmta-blocked: insufficient_credits"

    def test_what_a_block_is_about_waits_and_nothing_else(self, vm: Any, fleet: Any, session: ConnectionMeta) -> None:
        put(fleet, live_data.BLOCKED, b'{"acme/news.acme.example": "auto_block", "acme/@gmx.de": "auto_block"}')
        put_off = "452 4.7.1 postmta-blocked: auto_block"
        assert mail_from(vm, session, "ann@acme.example") is None
        assert refused(mail_from(vm, session, "ann@News.acme.example")) == put_off
        assert refused(rcpt_to(vm, session, "bob@GMX.de")) == put_off
        assert rcpt_to(vm, session, "bob@example.org") is None
        # The From field says whose it is, whatever the envelope said.
        message = fleet.message("ann@news.acme.example")
        assert refused(vm.smtp_server_message_received(message, session)) == put_off


def rcpt_to(vm: Any, session: ConnectionMeta, recipient: str) -> Any:
    return vm.fire("smtp_server_rcpt_to", EnvelopeAddress(recipient), session)


class TestRecipients:
    def test_a_suppressed_one_is_refused_whatever_its_case(self, vm: Any, fleet: Any, session: ConnectionMeta) -> None:
        suppress(fleet, "acme", "gone@example.org")
        assert refused(rcpt_to(vm, session, "Gone@Example.ORG")).startswith("550 5.7.1 postmta-suppressed: ")
        assert rcpt_to(vm, session, "here@example.org") is None

    def test_the_list_of_another_organization_does_not_matter(self, vm: Any, fleet: Any, session: Any) -> None:
        suppress(fleet, "globex-2", "gone@example.org")
        assert rcpt_to(vm, session, "gone@example.org") is None

    def test_one_taken_off_the_list_is_taken_at_once(self, vm: Any, fleet: Any, session: ConnectionMeta) -> None:
        suppress(fleet, "acme", "gone@example.org")
        assert rcpt_to(vm, session, "gone@example.org") is not None
        put(fleet, live_data.suppression_path(live_data.suppression_shard("gone@example.org")), b"")
        assert rcpt_to(vm, session, "gone@example.org") is None

    def test_addresses_that_are_not_ascii_are_refused(self, vm: Any, session: ConnectionMeta) -> None:
        assert refused(rcpt_to(vm, session, "ann@exämple.org")).startswith("553 5.6.7 ")

    def test_who_has_authenticated_may_send_to_anywhere(self, vm: Any, session: ConnectionMeta) -> None:
        assert vm.listener_domain("example.org", "0.0.0.0:587", session).values["relay_to"] is True
        assert vm.listener_domain("example.org", "0.0.0.0:587", submission()) is None

    def test_a_list_that_cannot_be_read_is_an_error(self, vm: Any, fleet: Any, session: ConnectionMeta) -> None:
        path = live_data.suppression_path(live_data.suppression_shard("gone@example.org"))
        (fleet.folder / "live" / path).mkdir(parents=True)
        with pytest.raises(PolicyError, match=path):
            rcpt_to(vm, session, "gone@example.org")


def submitted(fleet: Any, *lines: str, recipient: str = "bob@example.org") -> Message:
    fields = ["From: Ann <ann@acme.example>", "Subject: Grüße", *lines]
    return Message(
        "m1", "ann@acme.example", [recipient], "\r\n".join([*fields, "", "Hello", ""]).encode(), {}, fleet.clock
    )


class TestMessage:
    def test_it_is_what_the_control_plane_makes_a_message_of(self, vm: Any, fleet: Any, session: Any) -> None:
        message = submitted(fleet, "X-PostMTA-Tag: Spring Sale", "X-PostMTA-Tag: vip")
        assert vm.fire("smtp_server_data", message, session) is None
        assert vm.smtp_server_message_received(message, session) is None
        assert is_id(message.meta["x_mid"])
        assert is_id(message.meta["x_rid"])
        assert message.meta["x_smtp"] == {
            "from": "ann@acme.example",
            "subject": "Grüße",
            "tags": ["Spring Sale", "vip"],
            "unsubscribe": False,
            "username": USERNAME,
        }
        assert message.queue_name == "spring-sale:acme@example.org"
        assert verp.read(str(message.sender)) == message.meta["x_rid"]
        assert b"X-PostMTA" not in message.data

    def test_it_gets_the_fields_it_lacks(self, vm: Any, fleet: Any, session: Any) -> None:
        message = submitted(fleet, "Bcc: secret@example.org")
        vm.fire("smtp_server_data", message, session)
        assert vm.smtp_server_message_received(message, session) is None
        parsed = message_from_bytes(message.data, policy=policy.default)
        assert parsed["Message-ID"] == f"<{message.meta['x_mid']}@acme.example>"
        assert parsed["Date"].datetime == fleet.clock.now()
        assert parsed["Feedback-ID"] == "-:acme:acme:postmta"
        assert parsed["Bcc"] is None

    def test_it_keeps_the_fields_it_has(self, vm: Any, fleet: Any, session: Any) -> None:
        own = ["Message-ID: <1@acme.example>", "Date: Sun, 22 Nov 2026 10:00:00 +0000", "Feedback-ID: a:b:c:sender"]
        message = submitted(fleet, *own)
        assert vm.smtp_server_message_received(message, session) is None
        parsed = message_from_bytes(message.data, policy=policy.default)
        assert [f"{name}: {parsed[name]}" for name in ("Message-ID", "Date", "Feedback-ID")] == own

    def test_its_signatures_cover_what_was_added(self, vm: Any, fleet: Any, session: Any, private_keys: Any) -> None:
        message = submitted(fleet, "X-PostMTA-Unsubscribe: true")
        assert vm.smtp_server_message_received(message, session) is None
        assert Receiver(private_keys).verifies(message.data) == [True, True]
        for line in (b"List-Unsubscribe: ", b"List-Unsubscribe-Post: ", b"Feedback-ID: ", b"Message-ID: ", b"Date: "):
            assert message.data.count(line) == 1
            changed = message.data.replace(line, line + b"x")
            assert Receiver(private_keys).verifies(changed) == [False, False], line

    def test_its_link_for_unsubscribing_is_one_of_ours(self, vm: Any, fleet: Any, session: Any) -> None:
        tracker = Tracker(b"s" * 32, "https://track.example.com")
        path = fleet.folder / "node.json"
        node = msgspec.json.decode(path.read_bytes())
        node |= {"unsubscribe_url": tracker.unsubscribe_base, "unsubscribe_key": tracker.unsubscribe_key}
        path.write_bytes(msgspec.json.encode(node))
        message = submitted(fleet, "X-PostMTA-Unsubscribe: true", "List-Unsubscribe: <mailto:own@acme.example>")
        assert vm.smtp_server_message_received(message, session) is None
        parsed = message_from_bytes(message.data, policy=policy.default)
        assert parsed.get_all("List-Unsubscribe") == [f"<{tracker.unsubscribe_url(message.meta['x_rid'])}>"]
        assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_it_can_be_pinned_to_a_vmta(self, vm: Any, fleet: Any, session: Any) -> None:
        message = submitted(fleet, "X-PostMTA-Vmta: mx-1")
        assert vm.smtp_server_message_received(message, session) is None
        assert message.queue_name == "acme.mx-1@example.org"
        other = submitted(fleet, "X-PostMTA-Vmta: v4")
        assert "postmta-unknown-vmta" in refused(vm.smtp_server_message_received(other, session))

    def test_it_can_be_sent_later(self, vm: Any, fleet: Any, session: Any) -> None:
        message = submitted(fleet, "X-PostMTA-Send-At: 2026-11-22T15:00:00+02:00")
        assert vm.smtp_server_message_received(message, session) is None
        assert message.scheduling == {"first_attempt": "2026-11-22T13:00:00Z"}
        assert message.meta["x_smtp"]["send_at"] == 1795352400
        past = submitted(fleet, "X-PostMTA-Send-At: 2026-11-22T10:00:00Z")
        assert vm.smtp_server_message_received(past, session) is None
        assert past.scheduling is None

    @pytest.mark.parametrize(
        "field",
        [
            "X-PostMTA-Send-At: tomorrow",
            "X-PostMTA-Send-At: 2027-11-22T10:00:00Z",
            f"X-PostMTA-Tag: {'x' * 101}",
            "\r\n".join(["X-PostMTA-Tag: x"] * 11),
        ],
    )
    def test_what_cannot_be_done_is_refused(self, vm: Any, fleet: Any, session: Any, field: str) -> None:
        answer = vm.smtp_server_message_received(submitted(fleet, field), session)
        assert refused(answer).startswith("550 5.6.0 postmta-bad-header: ")

    def test_the_from_field_must_be_the_organizations(self, vm: Any, fleet: Any, session: Any) -> None:
        answer = vm.smtp_server_message_received(fleet.message("a@globex.example"), session)
        assert "postmta-foreign-domain" in refused(answer)

    @pytest.mark.parametrize("other", ["From: boss@globex.example", "FROM: ann@acme.example", "From:"])
    def test_a_second_from_field_is_refused(self, vm: Any, fleet: Any, session: Any, other: str) -> None:
        answer = vm.smtp_server_message_received(submitted(fleet, other), session)
        assert "postmta-bad-from" in refused(answer)

    def test_a_recipient_suppressed_since_is_dropped_with_a_record(self, vm: Any, fleet: Any, session: Any) -> None:
        suppress(fleet, "acme", "bob@example.org")
        message = submitted(fleet)
        assert vm.smtp_server_message_received(message, session) is None
        assert (message.queue_name, message.meta["x_suppressed"]) == ("null", True)
        assert message.meta["x_smtp"]["from"] == "ann@acme.example"

    def test_a_long_subject_is_cut_between_characters(self, vm: Any, fleet: Any, session: Any) -> None:
        text = f"From: ann@acme.example\r\nSubject: {'ü' * 301}\r\n\r\nHello\r\n"
        message = Message("m1", "ann@acme.example", ["bob@example.org"], text.encode(), {}, fleet.clock)
        assert vm.smtp_server_message_received(message, session) is None
        assert message.meta["x_smtp"]["subject"] == "ü" * 300


def test_an_injection_of_the_control_plane_is_checked_as_well(vm: Any, fleet: Any) -> None:
    suppress(fleet, "acme", "bob@example.org")
    answer = vm.http_message_generated(fleet.message(tenant="acme", rid="r-1"))
    assert refused(answer).startswith("550 5.7.1 postmta-suppressed: ")


def test_a_message_of_the_api_has_a_feedback_id_too(vm: Any, fleet: Any, private_keys: Any) -> None:
    message = fleet.message(tenant="acme.mx-1", campaign="spring", rid="r-1")
    assert vm.http_message_generated(message) is None
    assert b"Feedback-ID: spring:acme:acme.mx-1:postmta\r\n" in message.data
    assert Receiver(private_keys).verifies(message.data.replace(b"ID: spring", b"ID: summer")) == [False, False]


def test_a_million_addresses_are_files_of_a_few_kilobytes(tmp_path: Path) -> None:
    entries = [("acme", f"{number}@example.org") for number in range(1000)]
    shards = {live_data.suppression_shard(address) for _, address in entries}
    assert len(shards) > 800
    assert len(live_data.suppression_file(entries[:250])) == 250 * 33
