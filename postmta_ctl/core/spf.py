"""Judging a domain's SPF record (RFC 7208).

Only the record itself is read: what its includes lead to, and the limit of ten look-ups over all of them
(§4.6.4), is for :mod:`postmta_ctl.core.spf_evaluation`. What one record alone spends of the ten is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from postmta_ctl.core.verdicts import Verdict, missing, ok, wrong

MAX_LOOKUPS = 10

_RECORD = re.compile(r"v=spf1( |\Z)", re.IGNORECASE)
_ASKS_DNS = frozenset({"include", "a", "mx", "ptr", "exists"})
_MECHANISM = re.compile(
    r"(?P<qualifier>[+?~-]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)(?P<value>[:/].*)?", re.IGNORECASE
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>.*)", re.IGNORECASE)
_NEEDS_VALUE = frozenset({"include", "ip4", "ip6", "exists"})


class Term(msgspec.Struct, frozen=True):
    """A mechanism or, with ``=`` as its qualifier, a modifier; name and value in lower case."""

    qualifier: str
    name: str
    value: str


def parse_spf(record: str) -> list[Term]:
    """Read the terms of a record that begins with ``v=spf1``.

    Raises:
        ValueError: A term is none; a receiver would answer *permerror* (§4.6). The message names the term.
    """
    return [_term(text) for text in record.split(" ")[1:] if text]


def spf_records(found: Sequence[str]) -> list[str]:
    """Those of the TXT records that are SPF."""
    return [text for text in found if _RECORD.match(text)]


def judge_spf(include: str, found: Sequence[str]) -> Verdict:
    """Judge the TXT records found at a domain: whether just one of them is SPF, and includes the host ``include``."""
    records = spf_records(found)
    if not records:
        return missing("There is no SPF record at this name.")
    if len(records) > 1:
        return wrong(f"There are {len(records)} SPF records; receivers then use none of them. Merge them into one.")
    try:
        terms = parse_spf(records[0])
    except ValueError as error:
        return wrong(f"The SPF record has an error, and receivers do not use it: {error}.")
    problem = next(_problems(include.lower(), terms), None)
    return wrong(problem) if problem else ok(f"The SPF record includes {include}.")


def _term(text: str) -> Term:
    if mechanism := _MECHANISM.fullmatch(text):
        name, value = mechanism["name"].lower(), (mechanism["value"] or "").lower()
        value = value.removeprefix(":")
        if (name in _NEEDS_VALUE) != bool(value) and name not in _ASKS_DNS - _NEEDS_VALUE:
            raise ValueError(f"{text[:60]!r} has a value too many or too few")
        return Term(mechanism["qualifier"] or "+", name, value)
    if modifier := _MODIFIER.fullmatch(text):
        return Term("=", modifier["name"].lower(), modifier["value"].lower())
    raise ValueError(f"{text[:60]!r} is neither a mechanism nor a modifier")


def _problems(include: str, terms: list[Term]) -> Iterator[str]:
    lookups = sum(term.name in _ASKS_DNS or (term.qualifier == "=" and term.name == "redirect") for term in terms)
    if lookups > MAX_LOOKUPS:
        yield f"The SPF record asks for {lookups} look-ups; receivers stop at {MAX_LOOKUPS}."
    heeded = _heeded(terms)
    if any(term.qualifier == "+" and _names(term, "include", include) for term in heeded):
        return
    # Without "all", a redirect takes over where the record ends (§6.1).
    if len(heeded) == len(terms) and any(term.qualifier == "=" and _names(term, "redirect", include) for term in terms):
        return
    if any(_names(term, "include", include) for term in heeded):
        yield f"The SPF record has include:{include}, but with a sign before it that does not let the mail pass."
    elif any(_names(term, "include", include) for term in terms):
        yield f"The SPF record has include:{include} only after all, where nothing is looked at any more."
    else:
        yield f"The SPF record does not have include:{include}."


def _heeded(terms: list[Term]) -> list[Term]:
    """Terms up to and with ``all``: mechanisms after it are never tried (§5.1)."""
    end = next((index for index, term in enumerate(terms) if term.name == "all" and term.qualifier != "="), len(terms))
    return terms[: end + 1]


def _names(term: Term, name: str, host: str) -> bool:
    return term.name == name and term.value.removesuffix(".") == host
