"""SMTP submission to a real kumod: STARTTLS, AUTH, who may send what to whom, and what the API knows afterwards."""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import dkim
import pytest

from postmta_ctl.core import verp
from postmta_ctl.features.ingest.importer import read_lines
from tests.e2e.installation import BOUNCE_DOMAIN, Installation
from tests.e2e.kumod import KUMOD, SUBMISSION_HOST
from tests.e2e.test_reports import DELIVERY_REPORT, report
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

LIVE_SECONDS = 5.0
"""What the documentation promises, with room for a slow machine."""


@dataclass
class Credential:
    id: str
    username: str
    secret: str


def new_credential(here: Installation, **more: Any) -> Credential:
    made = here.service.call("POST", "/api/v1/smtp-credentials", {"name": "tests"} | more)
    found = Credential(made["smtp_credential"]["id"], made["smtp_credential"]["username"], made["secret"])
    wait_for(lambda: knows(here, found), "the node knowing the credential", LIVE_SECONDS)
    return found


def knows(here: Installation, credential: Credential) -> bool:
    try:
        with session(here, credential):
            return True
    except smtplib.SMTPAuthenticationError:
        return False


@contextmanager
def session(here: Installation, credential: Credential | None = None) -> Iterator[smtplib.SMTP]:
    """A session after STARTTLS, by a client that checks the certificate."""
    context = ssl.create_default_context(cafile=str(here.kumod.certificate))
    smtp = smtplib.SMTP("127.0.0.1", here.kumod.submission_port, timeout=10)
    # The name that the certificate is checked for.
    smtp._host = SUBMISSION_HOST  # type: ignore[attr-defined]
    with smtp:
        smtp.starttls(context=context)
        smtp.ehlo()
        if credential is not None:
            smtp.login(credential.username, credential.secret)
        yield smtp


def mail(to: str, sender: str = "Ann <ann@sender.test>", **fields: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, "Grüße by SMTP"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("Hello.\n")
    message.add_alternative("<p>Hello.</p>", subtype="html")
    return message


def message_to(here: Installation, address: str, status: str) -> dict[str, Any]:
    """The one message to an address, as the API shows it, once it has the status."""

    def found() -> dict[str, Any] | None:
        rows = here.service.call("GET", f"/api/v1/messages?to={address}")["data"]
        return here.service.message(rows[0]["id"]) if rows and rows[0]["status"] == status else None

    return wait_for(found, f"a message to {address} that is {status}")


@pytest.fixture(scope="module")
def credential(installation: Installation) -> Credential:
    return new_credential(installation)


def test_auth_is_offered_after_starttls_at_the_submission_port_only(installation: Installation) -> None:
    with smtplib.SMTP("127.0.0.1", installation.kumod.submission_port, timeout=10) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("starttls")
        assert not smtp.has_extn("auth")
        assert smtp.docmd("AUTH PLAIN", "AGEAYg==")[0] == 524
    with session(installation) as smtp:
        assert smtp.esmtp_features["auth"].split() == ["PLAIN"]
    with smtplib.SMTP("127.0.0.1", installation.kumod.smtp_port, timeout=10) as smtp:
        smtp.starttls(context=ssl._create_unverified_context())
        smtp.ehlo()
        assert not smtp.has_extn("auth")


def test_a_submitted_message_is_a_message_like_any_other(installation: Installation, credential: Credential) -> None:
    fields = {"X-PostMTA-Tag": "Spring Campaign", "X-PostMTA-Unsubscribe": "true"}
    with session(installation, credential) as smtp:
        smtp.send_message(mail("smtp1@dest.test", **fields))
    message = message_to(installation, "smtp1@dest.test", "delivered")
    arrived = installation.sink.wait_for("smtp1@dest.test")
    (recipient,) = message["recipients"]
    assert (message["from"], message["subject"]) == ("ann@sender.test", "Grüße by SMTP")
    assert (message["tags"], message["smtp_username"]) == (["Spring Campaign"], credential.username)
    assert arrived.sender == f"{verp.local_part(recipient['id'])}@{BOUNCE_DOMAIN}"
    assert [entry["type"] for entry in message["timeline"]] == [
        "message.queued",
        "message.accepted",
        "message.delivered",
    ]
    assert message["timeline"][-1]["queue"] == "spring-campaign:sender@dest.test"
    assert not [name for name in arrived.parsed if name.lower().startswith("x-postmta")]
    assert arrived.parsed["Feedback-ID"] == "spring-campaign:sender:sender:postmta"
    assert_signed(installation, arrived.content)
    unsubscribe(installation, arrived.parsed["List-Unsubscribe"])


def assert_signed(here: Installation, content: bytes) -> None:
    published = {record["name"]: record["value"] for record in here.domain["dns_records"]}

    def dns(name: bytes, timeout: int = 5) -> bytes:
        return str(published[name.decode().removesuffix(".")]).encode()

    verifier = dkim.DKIM(content)
    for index in range(2):
        assert verifier.verify(idx=index, dnsfunc=dns)
        signed = {name.lower() for name, _ in verifier.signed_headers}
        assert {b"from", b"feedback-id", b"list-unsubscribe", b"list-unsubscribe-post", b"message-id"} <= signed


def unsubscribe(here: Installation, header: str) -> None:
    """As a mail program does it (RFC 8058), and what follows at the node."""
    answer = here.service.http.post(header.strip("<>"), data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200, answer.text
    check = {"addresses": ["smtp1@dest.test"]}
    (found,) = here.service.call("POST", "/api/v1/suppressions/check", check)["data"]
    assert (found["suppressed"], found["reason"]) == (True, "unsubscribe")


def test_two_recipients_of_one_transaction_are_one_message(installation: Installation, credential: Credential) -> None:
    with session(installation, credential) as smtp:
        smtp.send_message(mail("smtp2@dest.test"), to_addrs=["smtp2@dest.test", "bounce-smtp2@dest.test"])
    message = message_to(installation, "smtp2@dest.test", "partial")
    fates = {one["address"]: one["status"] for one in message["recipients"]}
    assert fates == {"smtp2@dest.test": "delivered", "bounce-smtp2@dest.test": "bounced"}
    check = {"addresses": ["bounce-smtp2@dest.test"]}
    (found,) = installation.service.call("POST", "/api/v1/suppressions/check", check)["data"]
    assert found["reason"] == "hard_bounce"


def test_it_can_wait_and_leave_from_a_chosen_vmta(installation: Installation, credential: Credential) -> None:
    at = datetime.now(UTC) + timedelta(seconds=6)
    fields = {"X-PostMTA-Send-At": at.isoformat(), "X-PostMTA-Vmta": "mx1"}
    with session(installation, credential) as smtp:
        smtp.send_message(mail("smtp-later@dest.test", **fields))
    message_to(installation, "smtp-later@dest.test", "accepted")
    assert datetime.now(UTC) < at
    assert installation.sink.to("smtp-later@dest.test") == []
    message = message_to(installation, "smtp-later@dest.test", "delivered")
    assert datetime.now(UTC) > at - timedelta(seconds=1)
    assert (message["vmta"], message["recipients"][0]["vmta"]) == ("mx1", "mx1")


def test_a_report_on_it_reaches_its_recipient(installation: Installation, credential: Credential) -> None:
    with session(installation, credential) as smtp:
        smtp.send_message(mail("smtp-moved@dest.test"))
    message_to(installation, "smtp-moved@dest.test", "delivered")
    arrived = installation.sink.wait_for("smtp-moved@dest.test")
    report(installation, DELIVERY_REPORT, arrived, to=arrived.sender)
    assert "moved away" in message_to(installation, "smtp-moved@dest.test", "bounced")["recipients"][0]["reply"]


def test_a_suppressed_recipient_is_refused_and_told(installation: Installation, credential: Credential) -> None:
    service = installation.service
    made = service.call("POST", "/api/v1/suppressions", {"address": "gone@dest.test", "reason": "manual"})

    def answer() -> int:
        with session(installation, credential) as smtp:
            smtp.mail("ann@sender.test")
            return smtp.rcpt("Gone@dest.test")[0]

    wait_for(lambda: answer() == 550, "the node knowing the suppression", LIVE_SECONDS)
    wait_for(lambda: counts(installation)["suppressed"], "the event")
    service.call("DELETE", f"/api/v1/suppressions/{made['id']}")
    wait_for(lambda: answer() == 250, "the node knowing that it is gone", LIVE_SECONDS)


def counts(here: Installation) -> dict[str, int]:
    return dict(here.service.call("GET", "/api/v1/analytics/summary?period=24h")["counts"])


def test_a_wrong_password_is_refused_and_kept_nowhere(installation: Installation, credential: Credential) -> None:
    wrong = Credential(credential.id, credential.username, "almost-the-secret")
    before = counts(installation)["rejected"]
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught, session(installation, wrong):
        pass
    assert caught.value.smtp_code == 535
    # What fails before AUTH belongs to nobody; what fails after it, to an organization.
    with session(installation, credential) as smtp:
        assert smtp.mail("ann@elsewhere.test")[0] == 550
    wait_for(lambda: counts(installation)["rejected"] > before, "the records being ingested")
    sent = base64.b64encode(f"\0{wrong.username}\0{wrong.secret}".encode())
    installation.kumod.stop()
    installation.start_kumod()
    lines = [line for path in installation.kumod.logs.iterdir() for line in read_lines(path)]
    kept = [path.read_bytes() for path in installation.service.data_dir.rglob("*") if path.is_file()]
    assert lines
    assert not any(sent in text or wrong.secret.encode() in text for text in [*lines, *kept])


@pytest.mark.parametrize("sender", ["ann@elsewhere.test", "ann@sub.sender.test"])
def test_other_domains_are_refused_in_the_envelope_and_in_from(
    installation: Installation, credential: Credential, sender: str
) -> None:
    with session(installation, credential) as smtp:
        code, words = smtp.mail(sender)
        assert (code, b"postmta-foreign-domain" in words) == (550, True)
        with pytest.raises(smtplib.SMTPDataError) as caught:
            smtp.send_message(mail("ok@dest.test", sender), from_addr="ann@sender.test")
    assert b"postmta-foreign-domain" in caught.value.smtp_error


def test_a_second_from_field_is_refused(installation: Installation, credential: Credential) -> None:
    text = "From: ann@sender.test\r\nFrom: boss@elsewhere.test\r\nSubject: x\r\n\r\nHello\r\n"
    with session(installation, credential) as smtp, pytest.raises(smtplib.SMTPDataError) as caught:
        smtp.sendmail("ann@sender.test", ["ok@dest.test"], text)
    assert b"postmta-bad-from" in caught.value.smtp_error


def test_who_has_not_authenticated_cannot_send(installation: Installation) -> None:
    with session(installation) as smtp:
        assert smtp.mail("ann@sender.test")[0] == 530


def plain(*parts: str | bytes) -> str:
    octets = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return f"AUTH PLAIN {base64.b64encode(octets).decode()}"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (plain("", "x" * 5000, "y" * 5000), 500),
        (plain("", "../../node.json", "x"), 535),
        (plain("", "a\r\nb", "'\"; --"), 535),
        (plain("", "", ""), 535),
        (plain("", "ünïcode", "pässword"), 535),
        (plain("", b"\xff\xfe", b"\xff"), 501),
        (plain("only-one"), 501),
        ("AUTH PLAIN !!!", 501),
        ("AUTH LOGIN", 504),
        ("AUTH CRAM-MD5", 504),
        ("HELO stranger", 250),
    ],
)
def test_a_hostile_client_gets_an_answer_and_nothing_else(installation: Installation, command: str, code: int) -> None:
    with session(installation) as smtp:
        assert smtp.docmd(command)[0] == code
        assert smtp.mail("ann@sender.test")[0] == 530


def test_another_identity_cannot_be_asked_for(installation: Installation, credential: Credential) -> None:
    with session(installation) as smtp:
        assert smtp.docmd(plain("somebody-else", credential.username, credential.secret))[0] == 535
        assert smtp.docmd(plain(credential.username, credential.username, credential.secret))[0] == 235
        assert smtp.docmd(plain("", credential.username, credential.secret))[0] == 503


def test_local_parts_that_are_not_ascii_are_refused(installation: Installation, credential: Credential) -> None:
    with session(installation, credential) as smtp:
        smtp.mail("ann@sender.test", ["SMTPUTF8"])
        smtp.command_encoding = "utf-8"
        assert smtp.docmd("RCPT", "TO:<ökay@dest.test>")[0] == 553
        assert smtp.docmd("RCPT", "TO:<ok@dest.test>")[0] == 250


def test_a_deleted_credential_ends_within_seconds_even_in_an_open_session(installation: Installation) -> None:
    credential = new_credential(installation)
    with session(installation, credential) as smtp:
        assert smtp.mail("ann@sender.test")[0] == 250
        smtp.rset()
        installation.service.call("DELETE", f"/api/v1/smtp-credentials/{credential.id}")
        wait_for(lambda: not knows(installation, credential), "the node forgetting it", LIVE_SECONDS)
        assert smtp.mail("ann@sender.test")[0] == 421


def test_limits_of_a_credential_hold(installation: Installation) -> None:
    credential = new_credential(installation)
    path = f"/api/v1/smtp-credentials/{credential.id}"
    installation.service.call("PUT", path, {"allowed_ips": ["198.51.100.0/24"]})
    wait_for(lambda: not knows(installation, credential), "the address being refused", LIVE_SECONDS)
    installation.service.call("PUT", path, {"allowed_ips": ["127.0.0.0/8"], "domains": ["other.test"]})
    wait_for(lambda: knows(installation, credential), "the address being let in", LIVE_SECONDS)
    with session(installation, credential) as smtp:
        assert smtp.mail("ann@sender.test")[0] == 550
        assert smtp.mail("")[0] == 250


def test_both_secrets_work_during_the_overlap(installation: Installation) -> None:
    old = new_credential(installation)
    path = f"/api/v1/smtp-credentials/{old.id}/rotate"
    new = Credential(old.id, old.username, installation.service.call("POST", path, {"overlap_seconds": 60})["secret"])
    wait_for(lambda: knows(installation, new), "the new secret", LIVE_SECONDS)
    assert knows(installation, old)
    last = installation.service.call("POST", path, {})["secret"]
    wait_for(lambda: not knows(installation, old), "the end of the old secret", LIVE_SECONDS)
    assert not knows(installation, new)
    assert knows(installation, Credential(old.id, old.username, last))
