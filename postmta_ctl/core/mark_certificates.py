"""Mark certificates (VMC and CMC): who says that a logo belongs to a domain (draft-fetch-validation-vmc-wchuang).

Whether the authority behind it is one that mailbox providers trust is theirs to say; they keep lists of their own.
"""

from __future__ import annotations

import base64
import itertools
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

MAX_OCTETS = 256 * 1024
T = TypeVar("T", bound=x509.ExtensionType)
_MAX_CERTIFICATES = 10
_MAX_LOGO = 64 * 1024
_MARK_USAGE = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.31")
"""id-kp-BrandIndicatorforMessageIdentification."""
_LOGOTYPE = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.12")
"""id-pe-logotype (RFC 9399)."""
_DATA_URL = re.compile(rb"data:image/svg\+xml(?:\+gzip)?(?:;[a-z-]+=[A-Za-z0-9-]+)*;base64,([A-Za-z0-9+/=]+)")


class MarkCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a chain of certificates says, and what is wrong with it."""

    problems: list[str]
    issuer: str | None = None
    expires_at: datetime | None = None
    logo: bytes | None = None
    """The SVG within, if it could be read."""


def read(pem: bytes, domain: str, selector: str, now: datetime) -> MarkCertificate:
    """Read a chain in PEM, the mark certificate first.

    Args:
        pem: The file.
        domain: Whose logo it is to be.
        selector: Of the BIMI record.
        now: When.
    """
    if len(pem) > MAX_OCTETS:
        return MarkCertificate(problems=[f"The file has more than {MAX_OCTETS} octets."])
    try:
        chain = x509.load_pem_x509_certificates(pem)
        return _judged(chain[:_MAX_CERTIFICATES], domain, selector, now)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return MarkCertificate(problems=[f"The certificates cannot be read: {str(error)[:200]}."])


def _judged(chain: Sequence[x509.Certificate], domain: str, selector: str, now: datetime) -> MarkCertificate:
    leaf = chain[0]
    names = leaf.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME) or list(leaf.issuer)
    logotype = _logotype(leaf)
    return MarkCertificate(
        problems=[*_problems(leaf, domain, selector, now), *_chain_problems(chain, now)],
        issuer=str(names[0].value)[:200] if names else None,
        expires_at=leaf.not_valid_after_utc,
        logo=_logo(logotype) if logotype else None,
    )


def _problems(leaf: x509.Certificate, domain: str, selector: str, now: datetime) -> Iterator[str]:
    usage = _value(leaf, x509.ExtendedKeyUsage)
    if usage is None or _MARK_USAGE not in list(usage):
        yield "The first certificate is no mark certificate: its extended key usage does not say so."
    if _logotype(leaf) is None:
        yield "The certificate holds no logo (RFC 9399)."
    alternative = _value(leaf, x509.SubjectAlternativeName)
    held = [] if alternative is None else alternative.get_values_for_type(x509.DNSName)
    wanted = {domain, f"{selector}._bimi.{domain}"}
    if not any(name.lower() in wanted or domain.endswith(f".{name.lower()}") for name in held):
        shown = ", ".join(name[:60] for name in held[:5]) or "no domain"
        yield f"The certificate is for {shown}, not for {domain}."
    if leaf.not_valid_before_utc > now:
        yield f"The certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}."
    if leaf.not_valid_after_utc <= now:
        yield f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}."


def _chain_problems(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    if len(chain) == 1:
        yield "The certificates of the authority are missing: the file must hold the whole chain."
    for one, above in itertools.pairwise(chain):
        try:
            one.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            yield "The certificates are no chain: each must be signed by the one after it."
            return
        if not above.not_valid_before_utc <= now < above.not_valid_after_utc:
            yield "A certificate of the authority is not valid now."


def _value(certificate: x509.Certificate, kind: type[T]) -> T | None:
    return next((one.value for one in certificate.extensions if isinstance(one.value, kind)), None)


def _logotype(certificate: x509.Certificate) -> bytes | None:
    return next((one.value.public_bytes() for one in certificate.extensions if one.oid == _LOGOTYPE), None)


def _logo(extension: bytes) -> bytes | None:
    """The SVG in a logotype extension: a ``data`` URL that holds it, packed by gzip."""
    match = _DATA_URL.search(extension)
    if match is None:
        return None
    # What follows the text in the extension may look like more of it; gzip knows its own end.
    text = match[1].partition(b"=")[0]
    packed = base64.b64decode(text[: len(text) - (len(text) % 4 == 1)] + b"==")
    try:
        return zlib.decompressobj(wbits=31).decompress(packed, _MAX_LOGO)
    except zlib.error:
        return None
