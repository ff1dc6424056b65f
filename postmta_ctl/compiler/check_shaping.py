"""What is wrong with rules of traffic shaping: names that lead nowhere, rates that KumoMTA does not read as meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from postmta_ctl.compiler import formats
from postmta_ctl.compiler.check_pools import Problem
from postmta_ctl.compiler.model import PolicyModel, ShapingRule
from postmta_ctl.core.providers import NAMES

RATES = ("max_connection_rate", "max_message_rate")


def shaping_problems(model: PolicyModel) -> Iterator[Problem]:
    """All of them."""
    slugs = {each.slug for each in model.organizations}
    for rule in model.shaping:
        where = place(rule)
        if rule.organization is not None and rule.organization not in slugs:
            yield Problem("unknown-organization", where, f"there is no organization {rule.organization!r}")
        if (rule.provider is None) == (rule.domain is None):
            yield Problem("bad-target", where, "a rule is for a provider or for a domain")
        if rule.provider is not None and rule.provider not in NAMES:
            yield Problem("unknown-provider", where, f"there is no provider {rule.provider!r}")
        if rule.domain is not None and not formats.is_host(rule.domain):
            yield Problem("bad-domain", where, f"{rule.domain!r} is no domain in lower case and A-label form")
        yield from limit_problems(where, rule.limits.options())
    for where, count in Counter(map(place, model.shaping)).items():
        if count > 1:
            yield Problem("duplicate-shaping", where, "two rules for the same")


def place(rule: ShapingRule) -> str:
    """What a finding calls the rule."""
    target = f"provider {rule.provider}" if rule.provider is not None else f"domain {rule.domain}"
    return f"shaping of {target}" + (f" for {rule.organization}" if rule.organization else "")


def limit_problems(where: str, options: Mapping[str, int | str]) -> Iterator[Problem]:
    """What is wrong with the values of limits."""
    for name, value in options.items():
        if name not in RATES:
            if not isinstance(value, int) or value < 1:
                yield Problem("bad-limit", where, f"{name} is {value!r}: at least one")
        elif not isinstance(value, str) or not formats.is_rate(value):
            yield Problem("bad-rate", where, f"{name}: {value!r} is no rate such as '100/h'")
        elif formats.is_daily(value) and "max_burst" not in value:
            message = f"{name}: {value} without max_burst lets twice as much out on its first day"
            yield Problem("no-max-burst", where, message)
