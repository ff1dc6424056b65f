"""Judging a domain's DMARC policy record (RFC 9989, which obsoletes RFC 7489).

Any policy will do: both our signatures are aligned with the From domain. What is looked for is a record that a
receiver would discard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from postmta_ctl.core.tag_lists import parse_tags
from postmta_ctl.core.verdicts import Verdict, missing, ok, wrong

_RECORD = re.compile(r"v\s*=\s*DMARC1\s*(;|\Z)")
_POLICIES = frozenset({"none", "quarantine", "reject"})
# Unknown tags are ignored, as are those that RFC 9989 took away: pct, rf, ri.
_CHOICES = {
    "p": _POLICIES,
    "sp": _POLICIES,
    "np": _POLICIES,
    "adkim": frozenset({"r", "s"}),
    "aspf": frozenset({"r", "s"}),
    "psd": frozenset({"y", "n", "u"}),
    "t": frozenset({"y", "n"}),
}
_URI = re.compile(r"mailto:[^@\s]+@[^@\s]+|https?://\S+", re.IGNORECASE)


def policy_records(found: Sequence[str]) -> list[str]:
    """Those of the TXT records that are about DMARC."""
    return [text for text in found if _RECORD.match(text)]


def read_dmarc(found: Sequence[str]) -> dict[str, str] | None:
    """The tags of the one valid record; none where receivers use none (§4.7)."""
    records = policy_records(found)
    if len(records) != 1:
        return None
    try:
        tags = parse_tags(records[0])
    except ValueError:
        return None
    # A bad p, sp or np is no policy, but with an address for reports the record counts as p=none (§4.7).
    if any(tags.get(name, "none").lower() not in _POLICIES for name in ("p", "sp", "np")):
        return tags | {"p": "none"} if "rua" in tags else None
    return tags


def judge_dmarc(found: Sequence[str]) -> Verdict:
    """Judge the TXT records found at ``_dmarc``."""
    records = policy_records(found)
    if not records:
        return missing("There is no DMARC record at this name; it must begin with v=DMARC1.")
    if len(records) > 1:
        return wrong(f"There are {len(records)} DMARC records; receivers then use none of them.")
    try:
        tags = parse_tags(records[0])
    except ValueError as error:
        return wrong(f"The DMARC record cannot be read: {error}.")
    if problem := next(_problems(tags), None):
        return wrong(problem)
    if "p" not in tags:
        return ok("The DMARC record is valid, with policy none; receivers that follow RFC 7489 miss the tag p in it.")
    return ok(f"The DMARC record is valid, with policy {tags['p']}.")


def _problems(tags: dict[str, str]) -> Iterator[str]:
    for name, choices in _CHOICES.items():
        if name in tags and tags[name].lower() not in choices:
            yield f"The tag {name} is {tags[name][:40]!r}; it may be {', '.join(sorted(choices))}."
    for name in ("rua", "ruf"):
        for uri in tags.get(name, "").split(",") if name in tags else ():
            if not _URI.fullmatch(uri.strip()):
                yield f"{uri.strip()[:60]!r} is no address for reports; they begin with mailto:."
