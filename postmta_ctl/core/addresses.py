"""Mailboxes: what people type as an address, made into what SMTP and header fields can carry.

A mailbox is ``Name <local@domain>`` or bare ``local@domain`` (RFC 5322 §3.4, RFC 5321 §4.1.2). The domain of the
result is in A-labels (RFC 5891) and lower case; the local part is kept as given, since only the domain's own
servers know whether its case matters (RFC 5321 §2.4).

Non-ASCII local parts are refused: they need SMTPUTF8 (RFC 6531) all the way, and KumoMTA's message builder would
put such an address inside an encoded word, where no reader finds it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from postmta_ctl.core.errors import InputError

MAX_LOCAL_PART = 64
"""Octets (RFC 5321 §4.5.3.1.1)."""
MAX_ADDRESS = 254
"""Octets: a path holds 256 with its angle brackets (RFC 5321 §4.5.3.1.3, erratum 1690 of RFC 3696)."""
MAX_NAME = 255
"""Characters of a display name: ours, no standard has a limit."""

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""RFC 5322 §3.2.3."""
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NAME_ADDR = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_QUOTED_STRING = re.compile(r'"(?P<content>(?:[^"\\]|\\.)*)"')


class Mailbox(msgspec.Struct, frozen=True):
    """One mailbox, normalised.

    ``name`` is text for people, not yet encoded for a header field. Its white space is single spaces within: a
    phrase (RFC 5322 §3.2.5) has no way to say more.
    """

    local_part: str
    domain: str
    name: str = ""

    @property
    def address(self) -> str:
        """``local@domain``, as RCPT TO has it."""
        return f"{self.local_part}@{self.domain}"

    @property
    def dedupe_key(self) -> str:
        """Equal for addresses that are in practice one mailbox.

        Folds the case of the local part as well. RFC 5321 allows a host to tell ``Ann`` from ``ann``; none that
        people use does, and a suppression that misses ``Ann`` is worse than one that takes ``ann`` along.
        """
        return self.address.lower()


@lru_cache(maxsize=4096)
def parse_mailbox(text: str) -> Mailbox:
    """Read one mailbox, with or without a display name.

    The name need not be quoted as RFC 5322 asks: in a list of its own it cannot be mistaken, and it is encoded
    anew when it is written.

    Raises:
        InputError: ``address_control_character``, ``address_empty``, ``address_syntax``, ``address_too_long``,
            ``address_name_too_long`` or ``smtputf8_not_supported``.
    """
    if _FORBIDDEN.search(text):
        raise InputError("address_control_character", "an address must not hold CR, LF, NUL or other controls")
    name, address = _split(text.strip(" "))
    if len(name) > MAX_NAME:
        raise InputError("address_name_too_long", f"the display name is longer than {MAX_NAME} characters")
    local_part, domain = _check(address)
    return Mailbox(local_part, domain, name)


def _split(text: str) -> tuple[str, str]:
    if not text:
        raise InputError("address_empty", "the address is empty")
    if "<" not in text and ">" not in text:
        return "", text
    # A name in quotes may itself hold angle brackets, so it is taken off first.
    quoted = _QUOTED_STRING.match(text)
    rest = text[quoted.end() :] if quoted else text
    form = _NAME_ADDR.fullmatch(rest.strip(" "))
    if form is None:
        raise InputError("address_syntax", "expected local@domain or Name <local@domain>")
    return _name(quoted, form["name"].strip(" ")), form["address"].strip(" ")


def _name(quoted: re.Match[str] | None, unquoted: str) -> str:
    if '"' in unquoted or (quoted and unquoted):
        raise InputError("address_syntax", "a display name is in quotes as a whole or not at all")
    name = re.sub(r"\\(.)", r"\1", quoted["content"]) if quoted else unquoted
    return " ".join(name.split())


def _check(address: str) -> tuple[str, str]:
    local_part, at, domain = address.rpartition("@")
    if not at or not local_part or not domain:
        raise InputError("address_syntax", "an address has the form local@domain")
    if not local_part.isascii():
        raise InputError("smtputf8_not_supported", "non-ASCII characters before the @ are not supported")
    if len(local_part) > MAX_LOCAL_PART:
        raise InputError("address_too_long", f"more than {MAX_LOCAL_PART} octets before the @")
    if len(address) > MAX_ADDRESS:
        raise InputError("address_too_long", f"the address is longer than {MAX_ADDRESS} octets")
    if _DOT_ATOM.fullmatch(local_part) and local_part.lower() not in CASE_INSENSITIVE_MAILBOX_NAMES:
        # The common case: there is nothing about it that depends on the rest, and the domain was often seen before.
        return local_part, _checked_domain(domain)
    return _validated(local_part, domain)


@lru_cache(maxsize=4096)
def _checked_domain(domain: str) -> str:
    return _validated("x", domain)[1]


def _validated(local_part: str, domain: str) -> tuple[str, str]:
    try:
        found = validate_email(
            f"{local_part}@{domain}",
            check_deliverability=False,
            allow_smtputf8=False,
            allow_quoted_local=True,
            test_environment=True,  # names under .test exist for trying things out (RFC 6761 §6.2)
        )
    except EmailNotValidError as error:
        raise InputError("address_syntax", str(error)) from None
    return found.local_part, found.ascii_domain.lower()
