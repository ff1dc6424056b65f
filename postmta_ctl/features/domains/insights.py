"""What a verification says beyond single records: how they work together, and what lies around them.

Nothing here is required, and nothing here changes whether mail may be sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import TypeVar

from postmta_ctl.clients.dns import Resolver
from postmta_ctl.core import reverse_dns, spf_evaluation, transport_policies
from postmta_ctl.core.dmarc_discovery import Discovery
from postmta_ctl.core.spf_evaluation import Question, SpfReport
from postmta_ctl.core.verdicts import Verdict, missing, ok, unknown, warning, wrong
from postmta_ctl.features.domains import dmarc
from postmta_ctl.features.domains.queries import DomainRow
from postmta_ctl.features.domains.schemas import DomainCheck
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.system import System

MOST_SECONDS = 20.0
"""For one check: a zone that answers slowly must not hold up the others."""
T = TypeVar("T")


async def look(system: System, row: DomainRow, vmtas: Sequence[VmtaRow]) -> list[DomainCheck]:
    """Look at everything around a domain.

    Args:
        system: The parts.
        row: The domain.
        vmtas: Those that its mail may leave from.
    """
    resolver, bounces = system.resolver, system.settings.bounces
    work: list[tuple[str, str, Awaitable[DomainCheck]]] = [
        ("spf_evaluation", row.name, _spf(resolver, row.name)),
        ("bounce_spf", bounces, _bounce_spf(resolver, bounces, vmtas)),
        ("dmarc_policy", row.name, _dmarc(resolver, row.name)),
        ("bounce_mx", bounces, _bounce_mx(resolver, bounces)),
        ("mta_sts", row.name, _mta_sts(system, row.name)),
        ("tls_rpt", row.name, _tls_reports(resolver, row.name)),
        *(("reverse_dns", address, reverse(resolver, vmta, address)) for vmta in vmtas for address in vmta.addresses),
    ]
    return list(await asyncio.gather(*(_bounded(*one) for one in work)))


async def _bounded(name: str, subject: str, check: Awaitable[DomainCheck]) -> DomainCheck:
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await check
    except TimeoutError:
        return _check(name, subject, unknown("The answers took too long."))


def _check(name: str, subject: str, verdict: Verdict, action: str = "", details: Sequence[str] = ()) -> DomainCheck:
    return DomainCheck(
        name=name,
        subject=subject,
        verdict=verdict.verdict,
        explanation=verdict.explanation,
        action=action if verdict.verdict in ("missing", "wrong", "warning") else "",
        details=list(details),
    )


async def evaluate_spf(resolver: Resolver, domain: str) -> SpfReport:
    """Evaluate a domain's SPF record."""
    steps = spf_evaluation.evaluate(domain)
    question: Question = next(steps)
    while True:
        answer = await resolver.lookup(question.name, question.kind)
        try:
            question = steps.send(None if answer.status == "failed" else answer.values)
        except StopIteration as end:
            report: SpfReport = end.value
            return report


async def _spf(resolver: Resolver, domain: str) -> DomainCheck:
    report = await evaluate_spf(resolver, domain)
    action = "Take out what is not needed any more, and write includes as ip4 and ip6 where their addresses are stable."
    return _check("spf_evaluation", domain, spf_evaluation.judge(domain, report), action, _spf_details(report))


def _spf_details(report: SpfReport) -> list[str]:
    return [
        *report.lines,
        *(f"problem: {one}" for one in report.problems),
        *(f"note: {one}" for one in report.warnings),
    ]


async def _bounce_spf(resolver: Resolver, bounces: str, vmtas: Sequence[VmtaRow]) -> DomainCheck:
    """The record that receivers evaluate for our mail: envelope senders are at the bounce domain."""
    report = await evaluate_spf(resolver, bounces)
    verdict = spf_evaluation.judge(bounces, report)
    outside = [address for vmta in vmtas for address in vmta.addresses if not report.covers(address)]
    if verdict.verdict in ("ok", "warning") and outside:
        verdict = wrong(f"The SPF record of {bounces} does not let mail pass from {', '.join(outside[:10])}.")
    action = f"The operator of this installation adds the vMTAs' addresses to the SPF record of {bounces}."
    return _check("bounce_spf", bounces, verdict, action, _spf_details(report))


async def _dmarc(resolver: Resolver, domain: str) -> DomainCheck:
    discovery = await dmarc.discover(resolver, domain)
    if discovery is None:
        return _check("dmarc_policy", domain, unknown("DNS gave no answer on the way up the tree."))
    action = f"Publish a TXT record at _dmarc.{domain}, such as v=DMARC1; p=none; rua=mailto:…"
    return _check(
        "dmarc_policy", domain, _judge_policy(domain, discovery), action, list(_dmarc_details(domain, discovery))
    )


def _judge_policy(domain: str, found: Discovery) -> Verdict:
    if found.policy_domain is None:
        return missing(f"Receivers find no DMARC policy for {domain}, neither at it nor above it (RFC 9989 §4.10).")
    text = (
        f"Mail from {domain} that fails is treated by the policy {found.policy} ({found.tag}= at {found.policy_domain})"
    )
    if found.is_test:
        return warning(f"{text}, which is being tested: t=y has receivers apply {found.applied}.")
    gone = sorted({"pct", "rf", "ri"} & found.tags.keys())
    if gone:
        return warning(f"{text}; the tag {gone[0]} was taken out by RFC 9989, and receivers ignore it.")
    return ok(f"{text}.")


def _dmarc_details(domain: str, found: Discovery) -> list[str]:
    return [
        f"organizational domain: {found.organizational_domain}",
        f"DKIM: signed with d={domain}, which is aligned, strictly as well",
        "SPF: envelope senders are at the bounce domain; alignment is by DKIM",
        *(f"{name}={value}" for name, value in found.tags.items()),
    ][:30]


async def _bounce_mx(resolver: Resolver, bounces: str) -> DomainCheck:
    answer = await resolver.lookup(bounces, "MX")
    check = partial(_check, "bounce_mx", bounces, action="The operator publishes MX records that lead to the nodes.")
    if answer.status == "failed":
        return check(unknown(f"DNS gave no answer for the MX records of {bounces}."))
    if not answer.values:
        return check(missing(f"{bounces} has no MX record: bounces and complaints do not come back."))
    hosts = [value.rpartition(" ")[2] for value in answer.values][:10]
    found = await asyncio.gather(*(_addresses(resolver, host) for host in hosts if host))
    details = [
        f"{host}: {', '.join(one or ['no address'])}" for host, one in zip(filter(None, hosts), found, strict=True)
    ]
    if any(found):
        return check(ok(f"Bounces come back to {bounces}."), details=details)
    if None in found:
        return check(unknown(f"DNS gave no answer for the MX hosts of {bounces}."), details=details)
    return check(wrong(f"No MX host of {bounces} has an address."), details=details)


async def _addresses(resolver: Resolver, host: str) -> list[str] | None:
    """The addresses of a host; None if DNS gave no answer."""
    v4, v6 = await asyncio.gather(resolver.lookup(host, "A"), resolver.lookup(host, "AAAA"))
    found = [*v4.values, *v6.values]
    return None if not found and "failed" in (v4.status, v6.status) else found


async def _mta_sts(system: System, domain: str) -> DomainCheck:
    action = f"Publish the record at _mta-sts.{domain} and the policy at {transport_policies.policy_url(domain)}."
    answer, exchanges = await asyncio.gather(
        system.resolver.lookup(f"_mta-sts.{domain}", "TXT"), system.resolver.lookup(domain, "MX")
    )
    if answer.status == "failed":
        return _check("mta_sts", domain, unknown("DNS gave no answer for the MTA-STS record."))
    verdict = transport_policies.judge_sts_record(answer.values)
    if verdict.verdict != "ok":
        return _check("mta_sts", domain, verdict, action, answer.values[:5])
    hosts = [value.rpartition(" ")[2] for value in exchanges.values]
    # TLS and no redirect are what RFC 8461 §3.3 asks of senders, and what this client does.
    reply = await system.webhooks.get(transport_policies.policy_url(domain), limit=transport_policies.MAX_POLICY)
    if reply.status is None:
        kind = unknown if reply.error in ("dns", "connect", "timeout", "protocol") else wrong
        return _check(
            "mta_sts", domain, kind(f"The policy could not be read: {reply.error}."), action, [reply.detail or ""]
        )
    if reply.status != 200:
        return _check("mta_sts", domain, wrong(f"The server of the policy answered {reply.status}."), action)
    text = reply.body.decode("utf-8", "replace")
    return _check("mta_sts", domain, transport_policies.judge_sts_policy(text, hosts), action, text.splitlines()[:20])


async def _tls_reports(resolver: Resolver, domain: str) -> DomainCheck:
    answer = await resolver.lookup(f"_smtp._tls.{domain}", "TXT")
    if answer.status == "failed":
        return _check("tls_rpt", domain, unknown("DNS gave no answer for the TLS-RPT record."))
    action = f"Publish a TXT record at _smtp._tls.{domain}, such as v=TLSRPTv1; rua=mailto:…"
    return _check("tls_rpt", domain, transport_policies.judge_tls_reports(answer.values), action, answer.values[:5])


async def reverse(resolver: Resolver, vmta: VmtaRow, address: str) -> DomainCheck:
    """Whether one of a vMTA's addresses has a name that leads back to it, and is what the vMTA says in EHLO."""
    action = f"Have whoever gave you the address name it {vmta.ehlo_domain}."
    answer = await resolver.lookup(reverse_dns.reverse_name(address), "PTR")
    names = answer.values[: reverse_dns.MAX_NAMES]
    found = await asyncio.gather(*(_addresses(resolver, name) for name in names))
    known = None if answer.status == "failed" else dict(zip(names, found, strict=True))
    return _check("reverse_dns", address, reverse_dns.judge_reverse(address, vmta.ehlo_domain, known), action, names)
