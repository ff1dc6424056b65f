"""What comes back after a delivery: delivery reports (RFC 3464) and complaints (ARF, RFC 5965).

A real one arrives by SMTP at the domain of the envelope sender, and KumoMTA reads it if the policy's
``get_listener_domain`` says so for that domain. So here, but for the SMTP session.
"""

from __future__ import annotations

import base64
import heapq
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm import ConnectionMeta, PolicyError, Rejected
from postmta_ctl.luavm.headers import split_message
from postmta_ctl.sandbox.durations import MINUTE, SECOND, show_moment
from postmta_ctl.sandbox.journal import Journal
from postmta_ctl.sandbox.mail import Mail
from postmta_ctl.sandbox.receivers import LABEL, REPORT_DELAY, RETURNED, Fate
from postmta_ctl.sandbox.records import Peer, response
from postmta_ctl.sandbox.spool import Report

if TYPE_CHECKING:
    from postmta_ctl.sandbox.node import Node

_REPORTER = Peer(name="mx.sandbox.invalid", addr="203.0.113.254")
_LISTENER = "127.0.0.1:25"
"""What the policy is told where the node's policy starts no SMTP listener."""


class Reports:
    """The reports on their way to the node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._coming = [(report.due, report.id, report) for report in node.spool.reports()]
        heapq.heapify(self._coming)

    def expect(self, fate: Fate, mail: Mail, source: str, journal: Journal) -> None:
        """A delivery was made from the address ``source``: a report will follow, if that is the receiver's way."""
        if fate.report is None or "@" not in mail.sender:
            return
        head = self._node.spool.data(mail.id).partition(b"\r\n\r\n")[0]
        report = Report(
            id=mail.id,
            due=self._node.now() + self._node.waiting(REPORT_DELAY),
            kind=fate.report,
            sender=mail.sender,
            recipient=mail.recipients[0],
            source=source,
            headers=head.decode("utf-8", "replace"),
        )
        journal.expect(report)
        heapq.heappush(self._coming, (report.due, report.id, report))

    def next_due(self) -> int | None:
        """When the next report comes in."""
        return self._coming[0][0] if self._coming else None

    def come_in(self, now: int, journal: Journal) -> None:
        """Take in the reports whose time has come."""
        while self._coming and self._coming[0][0] <= now:
            _, _, report = heapq.heappop(self._coming)
            try:
                self._receive(report, journal)
            except PolicyError as error:
                # A sender that is refused for now comes again.
                self._node.complain(f"receiving a report: {error}")
                heapq.heappush(self._coming, (now + MINUTE, report.id, report))
            else:
                journal.arrived(report)

    def _receive(self, report: Report, journal: Journal) -> None:
        domain = report.sender.rpartition("@")[2]
        listeners = [each.listen for each in self._node.runtime.listeners if each.kind == "esmtp"]
        settings = self._node.vm.listener_domain(domain, listeners[0] if listeners else _LISTENER, ConnectionMeta())
        option = "log_arf" if report.kind == "complaint" else "log_oob"
        if settings is None or settings.values[option] in ("Ignore", False, None):
            return
        mail = self._mail(report, domain)
        if isinstance(self._told(mail), Rejected):
            return
        fields: dict[str, Any] = {"peer_address": _REPORTER, "session_id": str(uuid.uuid4())}
        if report.kind == "complaint":
            record = self._node.record(
                "Feedback", mail, response(250), fields={**fields, "feedback_report": _feedback(report)}
            )
            journal.log(record)
            return
        journal.log(self._node.record("Reception", mail, response(250), fields=fields))
        returned = Mail(**{**_fields(mail), "sender": report.sender, "recipients": [report.recipient], "size": 0})
        answer = response(RETURNED.code, RETURNED.enhanced, RETURNED.content)
        whole_second = self._node.now() // SECOND * SECOND
        journal.log(self._node.record("OOB", returned, answer, event=whole_second, fields=fields))

    def _mail(self, report: Report, domain: str) -> Mail:
        to = f"fbl@{domain}" if report.kind == "complaint" else report.sender
        subject = "Complaint" if report.kind == "complaint" else "Undelivered mail"
        head = f"From: <postmaster@{_REPORTER.name}>\r\nTo: <{to}>\r\nSubject: {subject} {LABEL}\r\n"
        data = f"{head}\r\n{report.headers}\r\n".encode()
        return Mail(
            id=self._node.ids.next(),
            sender="",
            recipients=[to],
            meta={"reception_protocol": "ESMTP", "received_from": f"{_REPORTER.addr}:25"},
            data=data,
            size=len(data),
            queue=domain,
            headers=self._node.loggers.headers_of(data),
        )

    def _told(self, mail: Mail) -> Rejected | None:
        assert mail.data is not None
        message = mail.as_message(mail.data, self._node.clock)
        return self._node.vm.smtp_server_message_received(message, ConnectionMeta(mail.meta))


def _fields(mail: Mail) -> dict[str, Any]:
    return {name: getattr(mail, name) for name in Mail.__slots__}


def _feedback(report: Report) -> dict[str, Any]:
    """The fields of an ARF report."""
    headers = {field.name.lower(): field for field in split_message(report.headers.encode())[0]}
    sender = headers.get("from")
    domain = re.search(r"@([A-Za-z0-9.-]+)", sender.value) if sender else None
    return {
        "feedback_type": "abuse",
        "user_agent": f"PostMTA {LABEL}",
        "version": "1",
        "arrival_date": show_moment(report.due // SECOND * SECOND),
        "incidents": None,
        "original_envelope_id": None,
        "original_mail_from": report.sender,
        "reporting_mta": None,
        "source_ip": report.source,
        "authentication_results": [],
        "original_rcpto_to": [report.recipient],
        "reported_domain": [domain[1]] if domain else [],
        "reported_uri": [],
        "extensions": {},
        "original_message": report.headers.replace("\r\n", "\n") + "\n\n",
        "supplemental_trace": _trace(report.headers),
    }


def _trace(headers: str) -> dict[str, Any] | None:
    """What the node itself wrote into the message's supplemental trace header, without its marker."""
    for field in split_message(headers.encode())[0]:
        if not field.name.lower().startswith("x-"):
            continue
        try:
            found = json.loads(base64.b64decode("".join(field.value.split()), validate=True))
        except ValueError:
            continue
        if isinstance(found, dict) and found.pop("_@_", None) == "\\_/":
            return found
    return None
