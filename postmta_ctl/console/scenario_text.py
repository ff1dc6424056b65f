"""The scenarios' text in its pieces, so that one can be changed and the others stay as they were written. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec

from postmta_ctl.features.policy.scenarios.format import Expectation, Scenario, ScenarioError, parse

_PIECE = re.compile(r"(?:^[ \t]*#.*\n)*^[ \t]*\[\[[ \t]*scenario[ \t]*\]\]", re.MULTILINE)
EXAMPLE = """\
[[scenario]]
name = "what is to hold"
organization = "{organization}"
from = "news@example.com"
to = "bob@gmail.com"

[scenario.expect]
vmtas = ["mx1"]
"""
"""What the form of a new scenario begins with."""


def pieces(text: str) -> list[str] | None:
    """The text of each scenario, in order, with the comments right above it; None where it cannot be told apart.

    What stands before the first is in no piece.
    """
    edges = [*(match.start() for match in _PIECE.finditer(text)), len(text)]
    found = [text[start:end] for start, end in pairwise(edges)]
    try:
        # A line within a longer string may look like the beginning of a scenario.
        alone = [parse(one) for one in found]
        return found if alone == [(one,) for one in parse(text)] else None
    except ScenarioError:
        return None


def replaced(text: str, index: int, piece: str) -> str:
    """The text with another piece in the place of one; an empty one takes it away."""
    found = pieces(text) or []
    before = text[: len(text) - sum(map(len, found))]
    return before + "".join([*found[:index], _ended(piece), *found[index + 1 :]])


def added(text: str, piece: str) -> str:
    """The text with one more scenario at its end."""
    return f"{_ended(text)}{_ended(piece)}" if text.strip() else _ended(piece)


def _ended(text: str) -> str:
    return f"{text.strip()}\n\n" if text.strip() else ""


_WAYS = {
    "api": "by API for {}",
    "submission": "by submission for {}",
    "smtp": "by SMTP",
    "inbound": "from a stranger",
}
_MORE = ("vmta", "pool", "tag", "mx", "client", "mail_from", "came_before")


def message(scenario: Scenario) -> str:
    """``news@acme.test to bob@gmail.com, by API for acme``."""
    via = _WAYS[scenario.via].format(scenario.organization)
    more = [f"{name.replace('_', ' ')} {value}" for name in _MORE if (value := getattr(scenario, name))]
    return ", ".join([f"{scenario.sender} to {scenario.to}", via, *more])


def expected(expectation: Expectation) -> str:
    """``vmtas mx1, mx2; pool acme``."""
    given = {name: value for name, value in msgspec.structs.asdict(expectation).items() if value is not None}
    return "; ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in given.items())


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items()) or "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
