"""What a receiver spends, and finds, when it evaluates a domain's SPF record (RFC 7208 §4.6).

Sans I/O: :func:`evaluate` yields the questions that it has for DNS and is sent the answers, so that whoever may ask
drives it, and nothing else decides. The sender's address is not known here: every mechanism is followed, and the
addresses that it lets pass are collected.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from postmta_ctl.core.spf import MAX_LOOKUPS, Term, parse_spf, spf_records
from postmta_ctl.core.verdicts import Verdict, missing, ok, unknown, warning, wrong

MAX_VOID = 2
"""Look-ups that find nothing (§4.6.4)."""
_MAX_MX = 10
_ENOUGH = 2 * MAX_LOOKUPS
"""Where we stop asking, well after receivers do, to say by how much a record is over the limit."""
_MAX_LINES = 100

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Question(NamedTuple):
    """What to ask DNS for."""

    name: str
    kind: str


Values = tuple[str, ...] | None
"""An answer: the records, none of them if there are none, None if DNS could not tell."""
Steps = Generator[Question, Values, None]


class SpfReport(msgspec.Struct, frozen=True, kw_only=True):
    """How an evaluation goes."""

    has_record: bool
    lookups: int
    """Of the ten that receivers make."""
    void_lookups: int
    all: str | None
    """The sign before ``all``, with which everybody else is met; None: there is no ``all``."""
    lines: list[str]
    """The tree, a line for each term, indented by depth."""
    problems: list[str]
    """Each makes receivers answer *permerror*."""
    warnings: list[str]
    is_temporary: bool
    """DNS left a question unanswered."""
    networks: list[str]
    """Addresses that pass, in CIDR notation."""

    def covers(self, address: str) -> bool:
        """Whether mail from this address passes."""
        one = ipaddress.ip_address(address)
        return any(one in ipaddress.ip_network(network) for network in self.networks)


@dataclass
class _State:
    lookups: int = 0
    voids: int = 0
    all: str | None = None
    has_record: bool = False
    is_temporary: bool = False
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    networks: dict[str, None] = field(default_factory=dict)


class _Place(NamedTuple):
    """Where in the tree we are."""

    domain: str
    path: tuple[str, ...]
    passes: bool
    """Whether all includes down to here have a sign that lets mail pass."""
    is_main: bool
    """The record whose ``all`` decides: the first, or what it redirects to."""

    def below(self, target: str, *, passes: bool, is_main: bool) -> _Place:
        return _Place(target, (*self.path, target), self.passes and passes, is_main)


def evaluate(domain: str) -> Generator[Question, Values, SpfReport]:
    """Evaluate the record of a domain."""
    state = _State()
    yield from _record(state, _Place(domain, (domain,), passes=True, is_main=True))
    return SpfReport(
        has_record=state.has_record,
        lookups=state.lookups,
        void_lookups=state.voids,
        all=state.all,
        lines=state.lines[:_MAX_LINES],
        problems=list(dict.fromkeys(state.problems)),
        warnings=list(dict.fromkeys(state.warnings)),
        is_temporary=state.is_temporary,
        networks=list(state.networks),
    )


def judge(domain: str, report: SpfReport) -> Verdict:
    """What the report comes to."""
    if report.problems:
        return wrong(f"Receivers cannot evaluate the SPF record of {domain}: {report.problems[0]}")
    if report.is_temporary:
        return unknown("DNS left a question unanswered; the record could not be evaluated to its end.")
    if not report.has_record:
        return missing(f"{domain} has no SPF record.")
    if report.all == "+":
        return wrong(f"The SPF record of {domain} ends in +all, which lets everybody send in its name.")
    open_end = f"The SPF record of {domain} says nothing of other senders: end it with ~all or -all."
    if doubts := [*([open_end] if report.all in (None, "?") else []), *report.warnings]:
        return warning(doubts[0])
    return ok(f"The SPF record of {domain} takes {report.lookups} of the {MAX_LOOKUPS} look-ups that receivers make.")


def _record(state: _State, place: _Place) -> Steps:
    values = yield Question(place.domain, "TXT")
    if values is None:
        state.is_temporary = True
        _line(state, place, "DNS gave no answer")
        return
    records = spf_records(values)
    if len(place.path) > 1 and not values:
        _void(state, f"there is no TXT record at {place.domain}")
    if len(records) != 1:
        if records or len(place.path) > 1:
            state.problems.append(f"{place.domain} has {len(records) or 'no'} SPF records instead of one.")
        return
    state.has_record = True
    try:
        terms = parse_spf(records[0])
    except ValueError as error:
        state.problems.append(f"{place.domain}: {error}.")
        return
    yield from _terms(state, place, terms)


def _terms(state: _State, place: _Place, terms: Sequence[Term]) -> Steps:
    for term in terms:
        if term.qualifier == "=":
            continue
        if term.name == "all":
            _line(state, place, f"{term.qualifier}all")
            state.all = term.qualifier if place.is_main else state.all
            return
        yield from _mechanism(state, place, term)
    for term in terms:
        if term.qualifier == "=" and term.name == "redirect":
            yield from _follow(state, place, term, is_main=place.is_main)


def _mechanism(state: _State, place: _Place, term: Term) -> Steps:
    if term.name in ("ip4", "ip6"):
        _line(state, place, f"{term.name}:{term.value}")
        _allow(state, place, term, term.value)
    elif term.name == "include":
        yield from _follow(state, place, term, is_main=False)
    else:
        yield from _addresses(state, place, term)


def _follow(state: _State, place: _Place, term: Term, *, is_main: bool) -> Steps:
    target = term.value.removesuffix(".")
    _spend(state, place, f"{term.name}{'=' if term.qualifier == '=' else ':'}{target}")
    if "%" in target:
        state.warnings.append(f"{term.name}:{target[:60]} depends on the sender, and was not followed.")
    elif not _is_name(target):
        state.problems.append(f"{place.domain}: {target[:60]!r} is no name that DNS can be asked for.")
    elif target in place.path:
        state.problems.append(f"{target[:100]} includes itself.")
    elif state.lookups < _ENOUGH:
        passes = term.qualifier in ("+", "=")
        yield from _record(state, place.below(target, passes=passes, is_main=is_main))


def _addresses(state: _State, place: _Place, term: Term) -> Steps:
    host, _, lengths = term.value.partition("/")
    host = host.removesuffix(".") or place.domain
    _spend(state, place, term.name + (f":{term.value}" if term.value else ""))
    if term.name == "ptr":
        state.warnings.append(f"{place.domain} uses ptr, which is slow and not to be used (RFC 7208 §5.5).")
        return
    if not _is_name(host):
        state.problems.append(f"{place.domain}: {host[:60]!r} is no name that DNS can be asked for.")
        return
    if "%" in host or state.lookups > _ENOUGH:
        return
    hosts = [host]
    if term.name == "mx":
        hosts = yield from _exchanges(state, host)
    found: list[str] = []
    for one in hosts:
        found += yield from _ask(state, one, "A")
        if term.name != "exists":
            found += yield from _ask(state, one, "AAAA")
    if hosts and not found and not state.is_temporary:
        _void(state, f"{term.name}:{host} has no address")
    if term.name != "exists":
        for address in found:
            _allow(state, place, term, _with_length(address, lengths))


def _is_name(text: str) -> bool:
    """Whether DNS can be asked for it: what cannot be asked is an error of the record, not of DNS."""
    return len(text) <= 253 and text.isascii() and all(0 < len(label) <= 63 for label in text.split("."))


def _exchanges(state: _State, domain: str) -> Generator[Question, Values, list[str]]:
    found = yield from _ask(state, domain, "MX")
    hosts = [value.rpartition(" ")[2].lower() for value in found]
    if len(hosts) > _MAX_MX:
        state.problems.append(f"mx:{domain} has {len(hosts)} hosts; receivers look at {_MAX_MX} at most.")
    if not hosts and not state.is_temporary:
        _void(state, f"{domain} has no MX record")
    return [host for host in hosts if host][:_MAX_MX]


def _ask(state: _State, name: str, kind: str) -> Generator[Question, Values, tuple[str, ...]]:
    values = yield Question(name, kind)
    state.is_temporary = state.is_temporary or values is None
    return values or ()


def _with_length(address: str, lengths: str) -> str:
    """The dual CIDR lengths of §5.6: ``24``, ``/64`` or ``24//64``."""
    v4, _, v6 = lengths.partition("/")
    length = v6.removeprefix("/") if ":" in address else v4
    return f"{address}/{length}" if length else address


def _allow(state: _State, place: _Place, term: Term, text: str) -> None:
    try:
        network: Network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        state.problems.append(f"{place.domain}: {text[:60]!r} is no network.")
        return
    if place.passes and term.qualifier == "+":
        state.networks[str(network)] = None


def _spend(state: _State, place: _Place, text: str) -> None:
    state.lookups += 1
    _line(state, place, f"{text} (look-up {state.lookups})")
    if state.lookups == MAX_LOOKUPS + 1:
        state.problems.append(f"it takes more than the {MAX_LOOKUPS} look-ups that receivers make (RFC 7208 §4.6.4).")


def _void(state: _State, what: str) -> None:
    state.voids += 1
    if state.voids == MAX_VOID + 1:
        state.problems.append(f"more than {MAX_VOID} look-ups find nothing (RFC 7208 §4.6.4), the last: {what[:200]}.")
    else:
        state.warnings.append(f"A look-up finds nothing: {what[:200]}.")


def _line(state: _State, place: _Place, text: str) -> None:
    if len(state.lines) < _MAX_LINES:
        state.lines.append("  " * (len(place.path) - 1) + text[:200])
