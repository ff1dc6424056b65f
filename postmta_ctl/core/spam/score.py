"""The built-in rules, and their verdict."""

from __future__ import annotations

from collections.abc import Sequence

from postmta_ctl.core.spam import body_rules, header_rules
from postmta_ctl.core.spam.mail import Mail
from postmta_ctl.core.spam.rules import Rule
from postmta_ctl.core.spam.verdicts import RuleHit, SpamVerdict, heaviest_first, judge

ENGINE = "builtin"
RULES: tuple[Rule, ...] = (*header_rules.RULES, *body_rules.RULES)


def matches(mail: Mail) -> list[tuple[Rule, str]]:
    """The rules that match, each with its reason."""
    found = ((rule, rule.check(mail)) for rule in RULES)
    return [(rule, reason) for rule, reason in found if reason is not None]


def verdict(found: Sequence[tuple[Rule, str]], threshold: float) -> SpamVerdict:
    """Add up what matched."""
    score = round(sum(rule.score for rule, _ in found), 2)
    hits = (RuleHit(id=rule.id, score=rule.score, description=rule.description, reason=why) for rule, why in found)
    return SpamVerdict(
        engine=ENGINE,
        version=None,
        score=score,
        threshold=threshold,
        verdict=judge(score, threshold),
        action=None,
        rules=heaviest_first(hits),
    )


def advice(found: Sequence[tuple[Rule, str]]) -> list[str]:
    """What to do, the weightiest first."""
    return [rule.advice for rule, _ in sorted(found, key=lambda one: -one[0].score)]
