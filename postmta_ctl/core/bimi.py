"""BIMI: the record that leads to a logo (draft-brand-indicators-for-message-identification)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.tag_lists import parse_tags
from postmta_ctl.core.verdicts import Verdict, missing, ok, wrong

DEFAULT_SELECTOR = "default"
"""What receivers look for, unless a message names another in ``BIMI-Selector``."""
_RECORD = re.compile(r"v\s*=\s*BIMI1\s*(;|\Z)")


def record_name(domain: str, selector: str) -> str:
    """Where the record is."""
    return f"{selector}._bimi.{domain}"


def record_value(logo_url: str, certificate_url: str | None) -> str:
    """The record: ``l`` is the logo, ``a`` the certificate (VMC or CMC) that says whose it is.

    Raises:
        InputError: ``url_syntax``: a URL holds what ends a tag's value.
    """
    for url in (logo_url, certificate_url or ""):
        if ";" in url:
            raise InputError(
                "url_syntax", "must not hold a semicolon, which ends the value in a BIMI record: write %3B"
            )
    return f"v=BIMI1; l={logo_url}; a={certificate_url or ''}"


def judge_bimi(expected: str, found: Sequence[str]) -> Verdict:
    """Judge the TXT records found at the selector."""
    records = [text for text in found if _RECORD.match(text)]
    if not records:
        return missing("There is no BIMI record at this name; it must begin with v=BIMI1.")
    if len(records) > 1:
        return wrong(f"There are {len(records)} BIMI records; receivers then use none of them.")
    try:
        tags = parse_tags(records[0])
    except ValueError as error:
        return wrong(f"The BIMI record cannot be read: {error}.")
    wanted = parse_tags(expected)
    for name, what in (("l", "logo"), ("a", "certificate")):
        if tags.get(name, "") != wanted[name]:
            return wrong(f"The record names another {what} than is configured here.")
    return ok("The record leads to the logo that is configured here.")
