"""A domain's logo: its record, and the checks of what the record leads to."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec

from postmta_ctl.clients.webhooks import Reply
from postmta_ctl.core import mark_certificates, svg_tiny_ps
from postmta_ctl.core.bimi import record_value
from postmta_ctl.core.dmarc_discovery import Discovery
from postmta_ctl.core.domain_names import parse_selector
from postmta_ctl.core.mark_certificates import MarkCertificate
from postmta_ctl.core.ssrf import EndpointPolicy, parse_endpoint
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import dmarc, service
from postmta_ctl.features.domains.records import Logo
from postmta_ctl.features.domains.schemas import BimiUpdate, Domain, DomainCheck
from postmta_ctl.features.fields import Fields
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

_TEMPORARY = frozenset({"dns", "connect", "timeout", "protocol"})
_FETCH_ACTION = "Put the file where the URL says, readable for everybody over HTTPS, without a redirect."


def read_update(values: dict[str, Any]) -> BimiUpdate:
    """A logo from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, BimiUpdate)


async def update(
    system: System, principal: Principal, domain_id: str, data: BimiUpdate, unchanged: Condition
) -> Domain:
    """Give the domain a logo, or take it away.

    Raises:
        NotFound: The organization has no such domain.
        InvalidRequest: A URL is none that requests are sent to, or no selector.
        PreconditionFailed: It is another than the caller knows.
    """
    unchecked(system, data)  # before anything is looked for
    async with system.db.reading() as connection:
        row = await service.find(connection, principal, domain_id)
    return await save(system, principal, domain_id, await checked(system, row.name, data), unchanged)


async def checked(system: System, domain: str, data: BimiUpdate) -> Logo | None:
    """The logo that is asked for, with what was found behind its URLs; None: none is.

    Raises:
        InvalidRequest: A URL is none that requests are sent to, or no selector.
    """
    logo = unchecked(system, data)
    if logo is None:
        return None
    checks = await _checks(system, domain, data, logo.selector)
    return msgspec.structs.replace(logo, checks=checks, checked_at=system.now())


def unchecked(system: System, data: BimiUpdate) -> Logo | None:
    """The logo that is asked for, as far as nothing has to be fetched for it; None: none is.

    Raises:
        InvalidRequest: A URL is none that requests are sent to, or no selector.
    """
    logo_url, certificate_url, selector = _read(system, data)
    if logo_url is None:
        return None
    return Logo(
        selector=selector, logo_url=logo_url, certificate_url=certificate_url, checks=[], checked_at=system.now()
    )


async def save(system: System, principal: Principal, domain_id: str, logo: Logo | None, unchanged: Condition) -> Domain:
    """Keep the logo of a domain; None: it has none.

    Raises:
        NotFound: The organization has no such domain.
        PreconditionFailed: It is another than the caller knows.
    """
    values = {"bimi": None if logo is None else msgspec.to_builtins(logo)}
    return await service.change(system, principal, domain_id, values, unchanged, "domain.bimi_updated")


def _read(system: System, data: BimiUpdate) -> tuple[str | None, str | None, str]:
    fields, read = Fields(), partial(_url, system.webhooks.policy)
    selector = fields.read("selector", parse_selector, data.selector)
    logo_url = None if data.logo_url is None else fields.read("logo_url", read, data.logo_url)
    mark = data.certificate_url
    certificate_url = None if mark is None else fields.read("certificate_url", read, mark)
    if data.logo_url is None and (data.certificate_url or data.svg or data.certificate):
        fields.refuse("logo_url", "is needed with everything else", code="missing")
    fields.done()
    return logo_url, certificate_url, selector


def _url(policy: EndpointPolicy, text: str) -> str:
    # Whatever is allowed for webhooks: a logo is fetched by strangers, over HTTPS only.
    parse_endpoint(text, msgspec.structs.replace(policy, allow_http=False))
    record_value(text, None)
    return text


async def _checks(system: System, domain: str, data: BimiUpdate, selector: str) -> list[DomainCheck]:
    """Logo, certificate and DMARC policy, each with what is wrong with it."""
    discovery, (logo, svg), (certificate, mark) = await asyncio.gather(
        dmarc.discover(system.resolver, domain),
        _logo(system, data),
        _certificate(system, domain, data, selector),
    )
    checks = [logo, *([certificate] if certificate else []), judge_policy(domain, discovery)]
    return [*checks, *([_same(mark, svg)] if mark and mark.logo and svg else [])]


async def _logo(system: System, data: BimiUpdate) -> tuple[DomainCheck, bytes | None]:
    subject, svg = data.logo_url or "", None if data.svg is None else data.svg.encode()
    if svg is None:
        reply = await system.webhooks.get(subject, limit=svg_tiny_ps.MAX_OCTETS + 1)
        if reply.status != 200:
            return _not_fetched("bimi_logo", subject, reply), None
        svg = reply.body
    found = await asyncio.to_thread(svg_tiny_ps.problems, svg)
    if found:
        action = "Export the logo as SVG Tiny Portable/Secure, and correct what is listed."
        explanation = "The logo does not conform to SVG Tiny Portable/Secure."
        return _check("bimi_logo", subject, "wrong", explanation, action, found), svg
    return _check("bimi_logo", subject, "ok", "The logo conforms to SVG Tiny Portable/Secure."), svg


async def _certificate(
    system: System, domain: str, data: BimiUpdate, selector: str
) -> tuple[DomainCheck | None, MarkCertificate | None]:
    name, subject = "bimi_certificate", data.certificate_url or ""
    if not subject and data.certificate is None:
        explanation = "There is no mark certificate; Gmail and others show a logo only with one (VMC or CMC)."
        return _check(name, domain, "warning", explanation, "Get a certificate and give its URL."), None
    pem = None if data.certificate is None else data.certificate.encode()
    if pem is None:
        reply = await system.webhooks.get(subject, limit=mark_certificates.MAX_OCTETS + 1)
        if reply.status != 200:
            return _not_fetched(name, subject, reply), None
        pem = reply.body
    mark = await asyncio.to_thread(mark_certificates.read, pem, domain, selector, system.now())
    if mark.problems:
        explanation = "Mailbox providers do not accept this certificate."
        return _check(name, subject, "wrong", explanation, "Ask the authority for another.", mark.problems), mark
    explanation = f"The certificate of {mark.issuer} holds until {mark.expires_at:%Y-%m-%d}."
    return _check(name, subject, "ok", explanation), mark


def _same(mark: MarkCertificate, svg: bytes) -> DomainCheck:
    if mark.logo == svg:
        return _check("bimi_match", "", "ok", "The certificate holds this very logo.")
    explanation = "The certificate holds another logo than the URL leads to; providers show none then."
    return _check("bimi_match", "", "wrong", explanation, "Publish the SVG that was certified, octet by octet.")


def judge_policy(domain: str, discovery: Discovery | None) -> DomainCheck:
    """Whether DMARC is enforced, without which no provider shows a logo."""
    name, action = "bimi_dmarc", "Publish a DMARC policy of quarantine or reject, for subdomains as well, without t=y."
    if discovery is None:
        return _check(name, domain, "unknown", "DNS gave no answer to the look-ups of the DMARC policy.")
    if discovery.policy_domain is None:
        return _check(name, domain, "missing", "There is no DMARC policy for this domain.", action)
    if discovery.applied == "none" or discovery.is_test:
        explanation = f"The DMARC policy at {discovery.policy_domain} is not enforced."
        return _check(name, domain, "wrong", explanation, action)
    if discovery.tags.get("sp", discovery.policy).lower() == "none":
        explanation = "The DMARC policy leaves subdomains (sp=none) unprotected."
        return _check(name, domain, "wrong", explanation, action)
    explanation = f"The DMARC policy {discovery.policy} at {discovery.policy_domain} is what BIMI asks for."
    return _check(name, domain, "ok", explanation)


def _not_fetched(name: str, subject: str, reply: Reply) -> DomainCheck:
    why = f"the server answered {reply.status}" if reply.status else f"{reply.error}: {reply.detail}"
    verdict = "unknown" if reply.error in _TEMPORARY or (reply.status or 0) >= 500 else "wrong"
    return _check(name, subject, verdict, f"It could not be read: {why[:300]}.", _FETCH_ACTION)


def _check(
    name: str, subject: str, verdict: str, explanation: str, action: str = "", details: list[str] | None = None
) -> DomainCheck:
    return DomainCheck(
        name=name, subject=subject, verdict=verdict, explanation=explanation, action=action, details=details or []
    )
