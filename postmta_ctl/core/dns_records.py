"""The DNS records that a sending domain publishes, and the verdict on what is found in their place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from postmta_ctl.core.bimi import judge_bimi, record_name
from postmta_ctl.core.dkim import judge_dkim
from postmta_ctl.core.dmarc import judge_dmarc
from postmta_ctl.core.spf import judge_spf
from postmta_ctl.core.verdicts import Verdict, missing, ok, unknown, wrong

Purpose = Literal["ownership", "spf", "dkim", "dmarc", "bounce", "tracking", "bimi"]


class DnsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record to publish."""

    purpose: Purpose
    type: Literal["TXT", "CNAME"]
    name: str
    """Fully qualified, without the final dot."""
    value: str
    """Of a TXT record the whole text: more than 255 octets go into several strings of one record (RFC 1035 §3.3.14)."""
    required: bool
    """Whether mail from the domain waits for it; the others are advice."""


class BimiRecord(NamedTuple):
    """A BIMI selector and the text of its record."""

    selector: str
    value: str


class PublishedKey(NamedTuple):
    """A DKIM selector and the text of its record."""

    selector: str
    record: str
    required: bool = True
    """Whether messages are signed with it now."""


def expected_records(
    domain: str,
    *,
    ownership_token: str,
    keys: Iterable[PublishedKey],
    bounce_domain: str,
    tracking_host: str | None = None,
    bimi: BimiRecord | None = None,
) -> list[DnsRecord]:
    """The records for a domain.

    Required are proof of ownership and the DKIM keys. The SPF of our mail is looked up at the bounce domain, where
    envelope senders are; a domain that includes it lets its own address be an envelope sender as well. DMARC passes
    by DKIM; large receivers want to see a policy from bulk senders.

    Args:
        domain: The sending domain, in A-labels.
        ownership_token: What proves that the claim and the zone are of one hand.
        keys: The DKIM keys that messages are signed with, were signed with lately, or will be.
        bounce_domain: Where bounces go; its SPF record holds the addresses of all nodes.
        tracking_host: Where the domain's own tracking links lead; without it there is no such record.
        bimi: The logo, if the domain has one.
    """
    records = [
        _txt("ownership", f"_postmta.{domain}", f"postmta-verification={ownership_token}", required=True),
        *(_txt("dkim", f"{key.selector}._domainkey.{domain}", key.record, required=key.required) for key in keys),
        _txt("spf", domain, f"v=spf1 include:{bounce_domain} ~all"),
        _txt("dmarc", f"_dmarc.{domain}", "v=DMARC1; p=none"),
        _cname("bounce", f"bounce.{domain}", bounce_domain),
    ]
    if tracking_host:
        records.append(_cname("tracking", tracking_name(domain), tracking_host))
    if bimi:
        records.append(_txt("bimi", record_name(domain, bimi.selector), bimi.value))
    return records


def tracking_name(domain: str) -> str:
    """The host that a domain's tracking links go through, if it leads to us."""
    return f"track.{domain}"


def judge(record: DnsRecord, found: Sequence[str] | None) -> Verdict:
    """Judge what a look-up found.

    Args:
        record: What should be there.
        found: All values of that type at that name, strings of a TXT record joined, host names without the final dot;
            none if DNS gave no answer.
    """
    if found is None:
        return unknown("DNS gave no answer; the record could not be checked.")
    if record.purpose == "spf":
        return judge_spf(_included(record.value), found)
    if record.purpose == "dkim":
        return judge_dkim(record.value, found)
    if record.purpose == "bimi":
        return judge_bimi(record.value, found)
    if record.purpose == "dmarc":
        return judge_dmarc(found)
    return _judge_host(record, found) if record.type == "CNAME" else _judge_text(record, found)


def _judge_text(record: DnsRecord, found: Sequence[str]) -> Verdict:
    if not found:
        return missing("There is no TXT record at this name.")
    if any(text.strip().strip('"') == record.value for text in found):
        return ok("The text is there.")
    return wrong("There is a TXT record at this name, with another text.")


def _judge_host(record: DnsRecord, found: Sequence[str]) -> Verdict:
    if not found:
        return missing("There is no CNAME record at this name.")
    targets = [host.removesuffix(".").lower() for host in found]
    if targets == [record.value]:
        return ok("The name leads where it should.")
    return wrong(f"The name leads to {', '.join(targets)[:300]}.")


def _included(spf: str) -> str:
    return spf.partition("include:")[2].partition(" ")[0]


def _txt(purpose: Purpose, name: str, value: str, *, required: bool = False) -> DnsRecord:
    return DnsRecord(purpose=purpose, type="TXT", name=name, value=value, required=required)


def _cname(purpose: Purpose, name: str, target: str) -> DnsRecord:
    return DnsRecord(purpose=purpose, type="CNAME", name=name, value=target.lower(), required=False)
