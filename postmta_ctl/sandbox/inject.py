"""Injection: a request becomes messages, one for each recipient, as the policy's ``http_message_generated`` wants."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from postmta_ctl.luavm import Message, PolicyError, Rejected
from postmta_ctl.luavm.addresses import EnvelopeAddress
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.headers import HeaderField
from postmta_ctl.sandbox import metrics
from postmta_ctl.sandbox.content import Composer, ContentError
from postmta_ctl.sandbox.durations import parse_moment
from postmta_ctl.sandbox.journal import Journal
from postmta_ctl.sandbox.jsonbody import BodyError
from postmta_ctl.sandbox.mail import Mail
from postmta_ctl.sandbox.queues import QueueFailure
from postmta_ctl.sandbox.records import Peer, response
from postmta_ctl.sandbox.requests import InjectV1Request, InjectV1Response, Recipient, TraceHeaders
from postmta_ctl.sandbox.templates import RenderError, TemplateSyntaxError

if TYPE_CHECKING:
    from postmta_ctl.sandbox.node import Node

STEP = 20
"""Recipients taken in one step: other requests and the dispatcher wait no longer than that."""
_NO_QUEUE = "null"
_INTERNAL = "KumoMTA internal: QueueManager::insert failed during reception: "


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who injects, and where."""

    peer: str
    """IP address."""
    listener: str
    """IP address that he called."""
    auth_info: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What goes into meta ``http_auth``: the first identity, or the address."""
        identities = self.auth_info.get("identities") or []
        return str(identities[0]["identity"]) if identities else self.peer


class Injection:
    """One request, checked and compiled.

    Raises:
        BodyError: what is wrong with the request as a whole, with KumoMTA's status for it.
    """

    def __init__(self, node: Node, request: InjectV1Request, caller: Caller, *, broken: bool = False) -> None:
        _check(request)
        self._node = node
        self._request = request
        self._caller = caller
        self._broken = broken
        self._taken = 0
        self.answer = InjectV1Response()
        try:
            self._composer = Composer(request, node.clock)
        except (ContentError, TemplateSyntaxError) as error:
            raise BodyError(422, f"Error: {error}") from error

    @property
    def is_done(self) -> bool:
        """Whether there is nobody left to take."""
        return self._taken >= len(self._request.recipients)

    def step(self) -> None:
        """Make messages for the next recipients; when this returns they are in the spool."""
        self._node.vm  # noqa: B018 - a policy that does not load fails the request, not its recipients
        recipients = self._request.recipients[self._taken : self._taken + STEP]
        self._taken += len(recipients)
        self._node.counters.add(metrics.RECEIVED, "http_listener", amount=len(recipients))
        with self._node.step() as journal:
            for recipient in recipients:
                problem = self._receive(recipient, journal)
                if problem is None:
                    self.answer.success_count += 1
                else:
                    self.answer.fail_count += 1
                    self.answer.failed_recipients.append(recipient.email)
                    self.answer.errors.append(f"{recipient.email}: {problem}")

    def _receive(self, recipient: Recipient, journal: Journal) -> str | None:
        """Take one recipient, or say why not."""
        try:
            message = self._message(recipient)
            rejected = self._node.vm.http_message_generated(message, self._caller.auth_info)
        except (RenderError, PolicyError) as error:
            return str(error)
        if isinstance(rejected, Rejected):
            return f"{rejected}\nstack traceback:\n\t[C]: in function 'kumo.reject'\n"
        return self._accept(message, journal)

    def _message(self, recipient: Recipient) -> Message:
        if (problem := address_problem(recipient.email)) or not recipient.email:
            raise RenderError(f"recipient email {recipient.email}: {problem or 'Error: empty address'}")
        meta: dict[str, Any] = {
            "http_auth": self._caller.name,
            "reception_protocol": "HTTP",
            "received_from": self._caller.peer,
            "received_via": self._caller.listener,
            "hostname": self._node.hostname,
        }
        if recipient.metadata:
            meta["extra"] = recipient.metadata
        data = self._composer.compose(recipient)
        node = self._node
        return Message(node.ids.next(), self._request.envelope_sender, [recipient.email], data, meta, node.clock)

    def _accept(self, message: Message, journal: Journal) -> str | None:
        node, queue = self._node, message.queue_name
        if queue == _NO_QUEUE:
            return None
        self._add_trace(message)
        mail = Mail(
            id=message.id,
            sender=str(message.sender),
            recipients=[str(recipient) for recipient in message.recipients],
            meta=message.meta,
            data=None,
            size=len(message.data),
            queue=queue,
            due=_first_due(message, node.now()),
            scheduling=message.scheduling,
            headers=node.loggers.headers_of(message.data),
        )
        peer = Peer(name="", addr=self._caller.peer)
        journal.log(node.record("Reception", mail, response(250), fields={"peer_address": peer}))
        try:
            if self._broken:
                raise QueueFailure("resolving egress pool: failure ordered from the sandbox")
            node.queues.resolve(queue, node.now())
        except QueueFailure as failure:
            text = f"{_INTERNAL}{failure}"
            journal.log(node.record("Bounce", mail, response(500, None, text)))
            return text
        journal.add(mail, message.data)
        return None

    def _add_trace(self, message: Message) -> None:
        trace = self._request.trace_headers
        if trace.received_header:
            value = f"from {self._caller.peer} by {self._node.hostname} (sandbox) with HTTP id {message.id}"
            message.prepend(HeaderField("Received", f"Received: {value}".encode()))
        if trace.supplemental_header:
            message.prepend(supplemental_header(trace, message))


def _check(request: InjectV1Request) -> None:
    if problem := address_problem(request.envelope_sender):
        raise BodyError(500, f"Error: envelope_sender: {problem}")
    if request.template_dialect == "Handlebars":
        raise BodyError(422, "Error: the dialect Handlebars is not simulated (sandbox)")
    if request.deferred_generation:
        raise BodyError(422, "Error: deferred_generation is not simulated (sandbox)")


def address_problem(text: str) -> str | None:
    """Why a text is no envelope address, in the form of a parser's complaint."""
    try:
        EnvelopeAddress.parse(text)
    except LuaProblem as problem:
        return f'Error at line 1, expected "Postmaster" but found "{text[:10]}":\n{text}\n^\n{problem.message}\n'
    return None


def supplemental_header(trace: TraceHeaders, message: Message) -> HeaderField:
    """The header by which a complaint about the message can be traced: recipient and chosen meta, encoded."""
    recipients = [str(recipient) for recipient in message.recipients]
    content = {"_@_": "\\_/", "recipient": recipients[0] if len(recipients) == 1 else recipients}
    content |= {name: message.meta[name] for name in trace.include_meta_names if name in message.meta}
    encoded = base64.b64encode(json.dumps(content, separators=(",", ":")).encode()).decode("ascii")
    folded = "\r\n\t".join(encoded[start : start + 60] for start in range(0, len(encoded), 60))
    return HeaderField(trace.header_name, f"{trace.header_name}: {folded}".encode())


def _first_due(message: Message, now: int) -> int:
    first = (message.scheduling or {}).get("first_attempt")
    return max(now, parse_moment(first)) if first else now
