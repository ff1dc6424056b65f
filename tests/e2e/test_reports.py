"""What comes back after a delivery, by SMTP to the node: a delivery report (RFC 3464), a complaint (RFC 5965)."""

from __future__ import annotations

import smtplib

import pytest

from tests.e2e.installation import BOUNCE_DOMAIN, Installation
from tests.e2e.kumod import KUMOD
from tests.e2e.sink import Received
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

DELIVERY_REPORT = """\
From: Mail Delivery System <mailer-daemon@dest.test>
To: {sender}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain

The mailbox has moved away.
--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.dest.test
Arrival-Date: Sun, 22 Nov 2026 12:00:00 +0000

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.6
Diagnostic-Code: smtp; 550 5.1.6 the mailbox has moved away

--b1
Content-Type: message/rfc822

{original}
--b1--
"""
COMPLAINT = """\
From: Feedback <fbl@dest.test>
To: complaints@{bounce_domain}
Subject: FW: Hello
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an email abuse report.
--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Dest/1.0
Version: 1
Original-Mail-From: <{sender}>
Original-Rcpt-To: <{recipient}>
Arrival-Date: Sun, 22 Nov 2026 12:00:00 +0000
Source-IP: 127.0.0.2
Reported-Domain: sender.test

--b1
Content-Type: message/rfc822

{original}
--b1--
"""


def deliver(here: Installation, address: str) -> tuple[str, Received]:
    message_id = here.service.send(address)
    here.service.wait_for_status(message_id, "delivered")
    return message_id, here.sink.wait_for(address)


def report(here: Installation, template: str, arrived: Received, to: str) -> None:
    text = template.format(
        sender=arrived.sender,
        recipient=arrived.recipient,
        bounce_domain=BOUNCE_DOMAIN,
        original=arrived.content.decode().replace("\r\n", "\n"),
    )
    with smtplib.SMTP("127.0.0.1", here.kumod.smtp_port, timeout=10) as smtp:
        smtp.sendmail("", [to], text.replace("\n", "\r\n").encode())


def test_a_delivery_report_turns_delivered_into_bounced(installation: Installation) -> None:
    message_id, arrived = deliver(installation, "moved@dest.test")
    report(installation, DELIVERY_REPORT, arrived, to=arrived.sender)

    message = installation.service.wait_for_status(message_id, "bounced")
    (recipient,) = message["recipients"]
    assert "has moved away" in recipient["reply"]
    assert recipient["bounce_class"] is not None
    assert [entry["type"] for entry in message["timeline"]][-2:] == ["message.delivered", "message.bounced"]


def test_a_complaint_is_marked_at_the_recipient(installation: Installation) -> None:
    message_id, arrived = deliver(installation, "cross@dest.test")
    report(installation, COMPLAINT, arrived, to=f"complaints@{BOUNCE_DOMAIN}")

    service = installation.service
    wait_for(lambda: service.message(message_id)["recipients"][0]["complained"], "the complaint")
    message = service.message(message_id)
    assert message["status"] == "delivered"
    assert message["timeline"][-1]["type"] == "message.complained"


def test_the_node_is_no_open_relay(installation: Installation) -> None:
    with smtplib.SMTP("127.0.0.1", installation.kumod.smtp_port, timeout=10) as smtp:
        smtp.ehlo("stranger.test")
        smtp.mail("stranger@elsewhere.test")
        code, reply = smtp.rcpt("ok@dest.test")
    assert code == 550, reply
