"""The page that documents imports says what the code does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postmta_ctl.importing import kumomta_rules, page, powermta_rules
from postmta_ctl.importing.report import OUTCOMES
from postmta_ctl.importing.rules import Rule

PAGE = Path(__file__).parents[2] / "docs" / "moving-in.md"
RULES = (*powermta_rules.RULES, *kumomta_rules.RULES)


def test_the_page_has_every_rule_as_it_stands() -> None:
    """``UPDATE_DOCS=1`` writes the tables anew."""
    text = PAGE.read_text()
    wanted = text.partition("\n## PowerMTA\n")[0]
    for name, tables in page.tables().items():
        wanted += f"\n## {name}\n\n{tables}\n"
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.scope} {rule.name}")
def test_a_rule_says_something(rule: Rule) -> None:
    assert rule.outcome in OUTCOMES
    assert rule.note
    assert "|" not in rule.note


def test_no_directive_has_two_rules() -> None:
    for rules in (powermta_rules.RULES, kumomta_rules.RULES):
        places = [(rule.scope, rule.name) for rule in rules]
        assert len(places) == len(set(places))
