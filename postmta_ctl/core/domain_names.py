"""Domain and host names, made into the one form that DNS, SMTP and the policy compare: A-labels in lower case.

A-labels are those of IDNA 2008 (RFC 5891) after the mapping of UTS #46, so that ``Bücher.example`` and
``xn--bcher-kva.example`` are one name.
"""

from __future__ import annotations

import re

import idna

from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.core.errors import InputError

MAX_NAME = 253
"""Octets of a name in text form (RFC 1035 §2.3.4: 255 on the wire, with lengths and the root)."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SELECTOR = re.compile(rf"{_LABEL}\Z")
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}\Z")
"""Two labels at least (RFC 1123 §2.1); the last is not a number, or the name could be taken for an address."""


def parse_mail_domain(text: str) -> str:
    """Read the domain part of addresses: what :func:`~postmta_ctl.core.addresses.parse_mailbox` would make of it.

    A name that cannot stand in a From address, such as one under ``.local``, is of no use as a sending domain.

    Raises:
        InputError: ``domain_syntax``.
    """
    name = text.removesuffix(".")
    try:
        # Anything that would end the domain part early, and so be judged as something else, is refused first.
        if not name or re.search(r"[\s@<>\"]", name):
            raise InputError("address_syntax", "not a domain")
        domain = parse_mailbox(f"a@{name}").domain
    except InputError:
        domain = ""
    if "." not in domain:
        message = "not a domain that mail can come from: it needs two labels at least, and is no IP address"
        raise InputError("domain_syntax", message)
    return domain


def parse_host(text: str) -> str:
    """Read a fully qualified host name, such as the one a client says in EHLO (RFC 5321 §4.1.1.1).

    Raises:
        InputError: ``host_syntax``.
    """
    name = text.removesuffix(".")
    # The bound comes first: idna takes time quadratic in the length of a label.
    if len(name) <= MAX_NAME and (host := _to_ascii(name)) and len(host) <= MAX_NAME and _HOST.match(host):
        return host
    raise InputError("host_syntax", "not a fully qualified host name such as mx1.example.com")


def _to_ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError:  # of which idna's own errors are a kind
        return ""


def parse_selector(text: str, longest: int = 63) -> str:
    """Read a DKIM selector of one label (RFC 6376 §3.1), in lower case: DNS does not tell ``A`` from ``a``.

    Raises:
        InputError: ``selector_syntax``.
    """
    selector = text.lower()
    if len(text) > longest or not text.isascii() or not _SELECTOR.match(selector):
        raise InputError("selector_syntax", f"not a DKIM selector: 1 to {longest} letters, digits and inner hyphens")
    return selector
