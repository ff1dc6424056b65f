"""A domain's DNS records: what should be published, what was found, and how both are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from postmta_ctl.clients.dns import Answer
from postmta_ctl.core import dns_records
from postmta_ctl.core.bimi import record_name, record_value
from postmta_ctl.core.dns_records import BimiRecord, PublishedKey
from postmta_ctl.core.domain_names import parse_host
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.verdicts import Verdict
from postmta_ctl.features.domains.queries import DomainRow, KeyRow
from postmta_ctl.features.domains.schemas import Bimi, DkimKey, DnsRecord, Domain, DomainCheck, RecordCheck
from postmta_ctl.settings import Settings

OWNERSHIP = "ownership"
MAX_FOUND = 20
"""Values kept of one look-up: somebody else's zone may hold any number."""
MAX_FOUND_LENGTH = 2048


class Logo(msgspec.Struct, frozen=True, kw_only=True):
    """A domain's logo, as its row keeps it."""

    selector: str
    logo_url: str
    certificate_url: str | None
    checks: list[DomainCheck]
    checked_at: datetime


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A record and what its look-up came to, as the domain's row keeps it."""

    record: dns_records.DnsRecord
    verdict: Verdict
    found: list[str]
    last_known: str | None = None
    """The verdict when DNS last had an answer; what it does not tell changes nothing."""


def kept_checks(row: DomainRow) -> dict[tuple[str, str, str], Judged]:
    """What the last check found, by type, name and value of the record."""
    return {_place(one): one for one in msgspec.convert(row.checks or [], list[Judged])}


def _place(one: Judged) -> tuple[str, str, str]:
    return one.record.type, one.record.name, one.record.value


def remembering(row: DomainRow, judged: Sequence[Judged]) -> list[Judged]:
    """The results of a check, each with the last verdict that DNS had an answer for."""
    before = kept_checks(row)
    return [msgspec.structs.replace(one, last_known=_last_known(one, before.get(_place(one)))) for one in judged]


def _last_known(one: Judged, before: Judged | None) -> str | None:
    if one.verdict.verdict != "unknown":
        return one.verdict.verdict
    return before.last_known if before else None


def were_gone(row: DomainRow, judged: Sequence[Judged]) -> bool:
    """Whether a required record that is not as it should be was not so at the last check either."""
    before = kept_checks(row)
    gone = [one for one in judged if one.record.required and one.verdict.verdict in ("missing", "wrong")]
    return any(_place(one) in before and before[_place(one)].last_known in ("missing", "wrong") for one in gone)


def changed(before: DomainRow, after: DomainRow) -> list[Judged]:
    """The records whose verdict is another than when DNS last had an answer."""
    earlier = kept_checks(before)
    return [
        one
        for place, one in kept_checks(after).items()
        if place in earlier and earlier[place].last_known is not None and earlier[place].last_known != one.last_known
    ]


def expected(settings: Settings, row: DomainRow, keys: Sequence[KeyRow]) -> list[dns_records.DnsRecord]:
    """The records that the owner of the domain should publish."""
    return dns_records.expected_records(
        row.name,
        ownership_token=row.ownership_token,
        keys=[
            PublishedKey(key.selector, key.public_record, required=key.state == "active")
            for key in keys
            if key.state != "retired"
        ],
        bounce_domain=settings.bounces,
        tracking_host=_tracking_host(settings),
        bimi=bimi_record(row),
    )


def bimi_record(row: DomainRow) -> BimiRecord | None:
    """The record of the domain's logo, if it has one."""
    if row.bimi is None:
        return None
    logo = msgspec.convert(row.bimi, Logo)
    return BimiRecord(logo.selector, record_value(logo.logo_url, logo.certificate_url))


def _tracking_host(settings: Settings) -> str | None:
    """The public host will do, unless it is an address or ``localhost``: nothing can point there."""
    try:
        return parse_host(settings.tracking_host or settings.public_host)
    except InputError:
        return None


def judged(record: dns_records.DnsRecord, answer: Answer) -> Judged:
    """Judge a look-up."""
    verdict = dns_records.judge(record, None if answer.status == "failed" else answer.values)
    return Judged(record=record, verdict=verdict, found=kept(answer.values))


def kept(values: Sequence[str]) -> list[str]:
    """What is kept of the values of a look-up."""
    return [text[:MAX_FOUND_LENGTH] for text in values[:MAX_FOUND]]


def proves(settings: Settings, row: DomainRow, found: Sequence[str]) -> bool:
    """Whether the ownership record of this row is among those found."""
    record = next(record for record in expected(settings, row, []) if record.purpose == OWNERSHIP)
    return dns_records.judge(record, found).verdict == "ok"


def shown(settings: Settings, row: DomainRow, keys: Sequence[KeyRow]) -> Domain:
    """The domain as the API shows it. A check is shown beside the very record it looked for, and no other."""
    checks = {judged.record: judged for judged in msgspec.convert(row.checks or [], list[Judged])}
    return Domain(
        id=row.id,
        domain=row.name,
        status=row.status,
        dkim_keys=[_shown_key(key) for key in keys if key.state != "retired"],
        dns_records=[_shown(record, checks.get(record)) for record in expected(settings, row, keys)],
        checks=msgspec.convert(row.insights or [], list[DomainCheck]),
        bimi=_shown_bimi(row),
        tracking_host=row.tracking_host,
        dkim_rotation_days=row.dkim_rotation_days,
        next_check_at=row.next_check_at,
        checked_at=row.checked_at,
        verified_at=row.verified_at,
        created_at=row.created_at,
    )


def _shown_bimi(row: DomainRow) -> Bimi | None:
    record = bimi_record(row)
    if row.bimi is None or record is None:
        return None
    logo = msgspec.convert(row.bimi, Logo)
    return Bimi(
        selector=logo.selector,
        logo_url=logo.logo_url,
        certificate_url=logo.certificate_url,
        record_name=record_name(row.name, logo.selector),
        record_value=record.value,
        checks=logo.checks,
        checked_at=logo.checked_at,
    )


def _shown_key(key: KeyRow) -> DkimKey:
    return DkimKey(selector=key.selector, algorithm=key.algorithm, state=key.state, created_at=key.created_at)


def _shown(record: dns_records.DnsRecord, judged: Judged | None) -> DnsRecord:
    return DnsRecord(
        purpose=record.purpose,
        type=record.type,
        name=record.name,
        value=record.value,
        required=record.required,
        check=_check(judged) if judged else None,
    )


def _check(judged: Judged) -> RecordCheck:
    return RecordCheck(
        verdict=judged.verdict.verdict,
        found=judged.found,
        explanation=judged.verdict.explanation,
        action=_action(judged),
    )


def _action(judged: Judged) -> str:
    record = judged.record
    if judged.verdict.verdict == "missing":
        advice = "" if record.required else " Mail may be sent without it."
        return f"Publish this {record.type} record.{advice}"
    if judged.verdict.verdict == "wrong":
        return f"Correct the {record.type} record at this name so that it says what stands here."
    return "Nothing: it is looked up again." if judged.verdict.verdict == "unknown" else ""
