"""Which DMARC policy holds for a domain: the DNS tree walk of RFC 9989 §4.10, decided purely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from postmta_ctl.core.dmarc import read_dmarc

_MOST_QUESTIONS = 8
"""However many labels a domain has: nobody can make a receiver ask for hours (§4.10)."""
_MILDER = {"reject": "quarantine", "quarantine": "none", "none": "none"}


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver finds out for mail from a domain."""

    policy_domain: str | None = None
    """Where the policy was found; none: there is none for this domain."""
    organizational_domain: str | None = None
    """What relaxed alignment compares."""
    policy: str = "none"
    """``none``, ``quarantine`` or ``reject``, as the record says it for this domain."""
    tag: str = "p"
    """Which tag says it: ``p``, ``sp`` or ``np``."""
    is_test: bool = False
    """``t=y``: receivers apply the next milder policy."""
    tags: dict[str, str] = {}

    @property
    def applied(self) -> str:
        """What receivers do with mail that fails."""
        return _MILDER[self.policy] if self.is_test else self.policy


def walk(domain: str) -> list[str]:
    """The domains whose record is asked for, in this order: the domain itself first, then up the tree.

    From a name of eight labels or more, the walk leaps to one of seven.
    """
    labels = domain.split(".")
    rest = min(len(labels) - 1, _MOST_QUESTIONS - 1)
    return [domain, *(".".join(labels[-count:]) for count in range(rest, 0, -1))]


def discover(domain: str, answers: Mapping[str, Sequence[str] | None], *, exists: bool = True) -> Discovery | None:
    """Judge the answers of the walk.

    Args:
        domain: The author domain.
        answers: The TXT records at ``_dmarc`` of each domain of :func:`walk`; None where DNS gave no answer.
        exists: Whether the domain has any record (``np`` is for those that do not).

    Returns:
        None if an answer is missing that decides.
    """
    names = walk(domain)
    found: dict[str, dict[str, str]] = {}
    for name in names:
        values = answers.get(name)
        if values is None:
            return None
        tags = read_dmarc(values)
        if tags is None:
            continue
        found[name] = tags
        if tags.get("psd", "u").lower() in ("n", "y") and (name != domain or tags["psd"].lower() == "n"):
            break
    organizational = _organizational(domain, found)
    chosen = next((name for name in (domain, organizational) if name in found), None) or _public_suffix(found)
    if chosen is None:
        return Discovery(organizational_domain=organizational)
    return _policy(domain, chosen, organizational, found[chosen], exists=exists)


def _organizational(domain: str, found: Mapping[str, Mapping[str, str]]) -> str:
    for name, tags in found.items():
        if tags.get("psd", "u").lower() == "n":
            return name
        if tags.get("psd", "u").lower() == "y" and name != domain:
            depth = name.count(".") + 2
            return ".".join(domain.split(".")[-depth:])
    return min(found, key=lambda name: name.count("."), default=domain)


def _public_suffix(found: Mapping[str, Mapping[str, str]]) -> str | None:
    return next((name for name, tags in found.items() if tags.get("psd", "u").lower() == "y"), None)


def _policy(domain: str, chosen: str, organizational: str, tags: dict[str, str], *, exists: bool) -> Discovery:
    order = ["p"] if chosen == domain else (["sp", "p"] if exists else ["np", "sp", "p"])
    tag = next((name for name in order if name in tags), "p")
    return Discovery(
        policy_domain=chosen,
        organizational_domain=organizational,
        policy=tags.get(tag, "none").lower(),
        tag=tag,
        is_test=tags.get("t", "n").lower() == "y",
        tags=tags,
    )
