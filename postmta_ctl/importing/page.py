"""The tables of the documentation: every rule, as it stands in the code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from postmta_ctl.importing import kumomta_rules, powermta_rules
from postmta_ctl.importing.rules import Rule


def tables() -> dict[str, str]:
    """The part of the page about each format, in Markdown."""
    return {"PowerMTA": _tables(powermta_rules.RULES), "KumoMTA": _tables(kumomta_rules.RULES)}


def _tables(rules: Sequence[Rule]) -> str:
    ordered = sorted(rules, key=lambda rule: list(dict.fromkeys(one.scope for one in rules)).index(rule.scope))
    return "\n\n".join(_table(scope, list(group)) for scope, group in groupby(ordered, key=lambda rule: rule.scope))


def _table(scope: str, rules: Sequence[Rule]) -> str:
    rows = [f"### {scope}", "", "| directive | outcome | how, or why not |", "|---|---|---|"]
    for rule in rules:
        setting = f"`policy.{_setting(rule)}`: " if rule.detail and rule.action != "yes" else ""
        rows.append(f"| `{rule.name}` | {rule.outcome.replace('_', ' ')} | {setting}{rule.note} |")
    return "\n".join(rows)


def _setting(rule: Rule) -> str:
    return f"path_defaults.{rule.detail}" if rule.action.startswith("path-") else rule.detail
