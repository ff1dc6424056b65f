"""A rotation as the API shows it: its steps, and what each record is to become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from postmta_ctl.core.dkim import revoked_record
from postmta_ctl.core.verdicts import Verdict
from postmta_ctl.features.domains.queries import DomainRow, KeyRow
from postmta_ctl.features.domains.rotation_queries import RotationRow
from postmta_ctl.features.domains.schemas import DkimRotation, RotationRecord, RotationStep


class KeyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the last look at a new key's record came to, as the rotation's row keeps it."""

    selector: str
    verdict: Verdict
    found: list[str]


def shown(row: DomainRow, rotation: RotationRow, keys: Sequence[KeyRow]) -> DkimRotation:
    """The rotation, its steps and its records."""
    return DkimRotation(
        id=rotation.id,
        domain_id=row.id,
        domain=row.name,
        state=rotation.state,
        author=rotation.author,
        steps=list(_steps(rotation)),
        records=list(_records(row, rotation, keys)),
        can_cancel=rotation.state == "publishing",
        checked_at=rotation.checked_at,
        not_before=rotation.not_before,
        retire_at=rotation.retire_at,
        created_at=rotation.created_at,
        finished_at=rotation.finished_at,
    )


_EXPLANATIONS = {
    "published": "Publish the records of the new keys. They are looked up again and again; mail is signed as before.",
    "switched": "Mail is signed with the new keys from the next release of the policy on.",
    "confirmed": "Every node says that it runs that release.",
    "retired": "Keep the old records until then: mail signed with the old keys may still be on its way.",
}


def _steps(rotation: RotationRow) -> Iterator[RotationStep]:
    retired_at = rotation.finished_at if rotation.state == "done" else None
    moments: dict[str, datetime | None] = {
        "published": rotation.verified_at,
        "switched": rotation.switched_at,
        "confirmed": rotation.confirmed_at,
        "retired": retired_at,
    }
    yield RotationStep(name="generated", state="done", at=rotation.created_at, explanation="The new keys were made.")
    waiting = "cancelled" if rotation.state == "cancelled" else "current"
    for name, at in moments.items():
        state = "done" if at else waiting
        yield RotationStep(name=name, state=state, at=at, explanation=_EXPLANATIONS[name])
        if at is None and waiting == "current":
            waiting = "waiting"


def _records(row: DomainRow, rotation: RotationRow, keys: Sequence[KeyRow]) -> Iterator[RotationRecord]:
    checks = {one.selector: one for one in msgspec.convert(rotation.checks or [], list[KeyCheck])}
    for key in keys:
        if rotation.id not in (key.rotation_id, key.retired_by) and key.state != "active":
            continue
        check = checks.get(key.selector) if key.rotation_id == rotation.id else None
        yield RotationRecord(
            action=_action(rotation, key),
            selector=key.selector,
            type="TXT",
            name=f"{key.selector}._domainkey.{row.name}",
            value=key.public_record,
            revoked_value=revoked_record(key.public_record) if key.state == "retired" else None,
            verdict=check.verdict.verdict if check else None,
            found=check.found if check else [],
            explanation=check.verdict.explanation if check else "",
        )


def _action(rotation: RotationRow, key: KeyRow) -> str:
    if key.state == "retired":
        return "remove"
    return "publish" if key.rotation_id == rotation.id else "keep"
