"""SMTP sessions as KumoMTA leads them with a policy: a client's with its credential, and a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from postmta_ctl.core import live_data
from postmta_ctl.features.policy.bundle_contents import Contents
from postmta_ctl.features.policy.rehearsal_acts import CLIENT, stranger
from postmta_ctl.features.policy.scenarios.format import Credential, Scenario
from postmta_ctl.luavm import ConnectionMeta, EnvelopeAddress, ManualClock, Message, Rejected, Vm
from postmta_ctl.luavm.formats import parse_duration

SECRET = "scenario"
FORGOTTEN = timedelta(days=401)
"""After so long greylisting knows nobody any more whom a scenario before this one has sent."""
NO_LISTENER = "there is no listener that it could come to"
# What KumoMTA itself answers.
AUTH_INVALID, NO_RELAYING = "535 5.7.8 AUTH invalid", "550 5.7.1 relaying not permitted"


class Stage(NamedTuple):
    """Where scenarios are played."""

    vm: Vm
    """The policy, started."""
    contents: Contents
    """Its tables."""
    folder: Path
    """The node's."""
    clock: ManualClock
    """The node's."""


def submit(stage: Stage, scenario: Scenario, message: Message) -> str | None:
    """Hand a message in with a credential, which the node gets for it; the refusal, if it is refused."""
    listener = _listener(stage.contents, is_submission=True)
    if listener is None:
        return NO_LISTENER
    credential = scenario.credential or Credential()
    _hand_out(stage.folder, scenario.organization or "", credential)
    client = f"{scenario.client}:4711" if scenario.client else CLIENT
    session = ConnectionMeta(dict(listener["meta"]) | {"received_from": client})
    name = credential.username
    if stage.vm.fire("smtp_server_auth_plain", name, name, SECRET, session) is not True:
        return AUTH_INVALID
    return _transaction(stage, scenario, message, session, listener)


def _hand_out(folder: Path, organization: str, credential: Credential) -> None:
    digest = live_data.credential_digest(credential.username, SECRET)
    limits = {"domains": credential.domains, "networks": credential.networks}
    entry = {"organization": organization, "secrets": [{"digest": digest}]}
    entry |= {name: value for name, value in limits.items() if value is not None}
    path = folder / "live" / live_data.credential_path(live_data.credential_shard(credential.username))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode({credential.username: entry}))


def come_in(stage: Stage, scenario: Scenario, message: Message) -> str | None:
    """Have a stranger bring a message, after an attempt some time ago if the scenario says so."""
    listener = _listener(stage.contents, is_submission=False)
    if listener is None:
        return NO_LISTENER

    def session() -> ConnectionMeta:
        known = {"received_from": f"{scenario.client}:4711"} if scenario.client else stranger(stage.contents).meta
        return ConnectionMeta(dict(listener.get("meta", {})) | known)

    stage.clock.advance(FORGOTTEN.total_seconds())
    if scenario.came_before is not None:
        _recipients(stage, scenario, session(), listener)
        stage.clock.advance(parse_duration(scenario.came_before))
    return _transaction(stage, scenario, message, session(), listener)


def _listener(contents: Contents, *, is_submission: bool) -> Mapping[str, Any] | None:
    each = (one for one in contents.listeners.smtp if bool(one.get("meta", {}).get("x_submission")) is is_submission)
    return next(each, None)


def _transaction(
    stage: Stage, scenario: Scenario, message: Message, session: ConnectionMeta, listener: Mapping[str, Any]
) -> str | None:
    if refusal := _recipients(stage, scenario, session, listener):
        return refusal
    message.meta.update(session.meta)
    answer = stage.vm.fire("smtp_server_data", message, session)
    if isinstance(answer, Rejected):
        return str(answer)
    answer = stage.vm.smtp_server_message_received(message, session)
    return None if answer is None else str(answer)


def _recipients(stage: Stage, scenario: Scenario, session: ConnectionMeta, listener: Mapping[str, Any]) -> str | None:
    """MAIL FROM and RCPT TO; between their handlers KumoMTA asks what the listener does for the recipient's domain."""
    sender = scenario.sender if scenario.mail_from is None else scenario.mail_from
    answer = stage.vm.fire("smtp_server_mail_from", EnvelopeAddress(sender), session)
    if isinstance(answer, Rejected):
        return str(answer)
    settings = stage.vm.listener_domain(scenario.to.rpartition("@")[2], str(listener["listen"]), session)
    if settings is None or not (settings.values["relay_to"] or takes_reports(settings.values)):
        return NO_RELAYING
    answer = stage.vm.fire("smtp_server_rcpt_to", EnvelopeAddress(scenario.to), session)
    return str(answer) if isinstance(answer, Rejected) else None


def takes_reports(values: Mapping[str, Any]) -> bool:
    """Whether bounces and complaints are read in mail to a domain."""
    return any(values.get(name) not in (None, False, "Ignore") for name in ("log_oob", "log_arf"))
