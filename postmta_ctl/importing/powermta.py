"""From the directives of PowerMTA to what PostMTA holds, by the rules of :mod:`powermta_rules`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postmta_ctl.importing import powermta_rules, rules
from postmta_ctl.importing.builder import Builder, reason
from postmta_ctl.importing.files import Reader, shown
from postmta_ctl.importing.powermta_macros import Macros
from postmta_ctl.importing.powermta_parser import Statement, parse
from postmta_ctl.importing.powermta_senders import Senders
from postmta_ctl.importing.powermta_settings import PolicyTable
from postmta_ctl.importing.report import Outcome
from postmta_ctl.importing.rules import Rule
from postmta_ctl.importing.wanted import Defaults, Wanted

_RULES = rules.find(powermta_rules.RULES)
_UNKNOWN = Rule("", "", "not_supported", "PostMTA does not know this directive")
_FIRST = (("host-name", "vmta-host-name"), ("virtual-mta", "source-host", "cold-host"), ("cold-name", "pool", "member"))
"""Actions that others build upon, whatever the order in the file."""
Handler = Callable[[Statement, Rule], tuple[Outcome, str]]


def read(path: str, reader: Reader, defaults: Defaults) -> Wanted:
    """Read a configuration, and what is included in it."""
    return wanted_of(parse(path, reader), defaults)


def wanted_of(statements: Sequence[Statement], defaults: Defaults) -> Wanted:
    """What the statements ask for; every one of them is in the report."""
    builder = Builder(statements)
    macros = Macros(statements)
    senders, table = Senders(builder, defaults), PolicyTable(builder)
    handlers: dict[str, Handler] = {**senders.handlers(), **table.handlers(), **_plain(macros)}
    todo = []
    for one in statements:
        if one.problem:
            builder.unreadable(one.index, one.problem)
        else:
            todo.append((one, rule_of(one)))
    others = {rule.action for rule in powermta_rules.RULES}.difference(*_FIRST)
    for actions in (*_FIRST, others):
        for one, rule in todo:
            if rule.action in actions:
                _carry_out(builder, handlers, one, rule)
    senders.finish()
    table.finish()
    return builder.wanted


def rule_of(one: Statement) -> Rule:
    """The rule for a statement, by where it stands."""
    scopes = _scopes(one)
    places = [("anywhere", one.name)] if one.opens else [(scope, one.name) for scope in (*scopes, "anywhere")]
    places += [(scope, "*") for scope in scopes] if not one.opens else []
    return next((_RULES[place] for place in places if place in _RULES), _UNKNOWN)


def _scopes(one: Statement) -> tuple[str, ...]:
    if not one.blocks:
        return ("server",)
    innermost = one.blocks[-1]
    if innermost.name != "domain":
        return (innermost.name,)
    is_for_all = len(one.blocks) == 1 and innermost.argument == "*"
    return ("domain *", "domain") if is_for_all else ("domain",)


def _carry_out(builder: Builder, handlers: dict[str, Handler], one: Statement, rule: Rule) -> None:
    if not rule.action:
        builder.settle(one.index, rule.outcome, rule.note)
        return
    try:
        outcome, note = handlers[rule.action](one, rule)
    except ValueError as error:
        outcome, note = "not_supported", shown(reason(error))
    builder.settle(one.index, outcome, note)


def _plain(macros: Macros) -> dict[str, Handler]:
    def macro(one: Statement, rule: Rule) -> tuple[Outcome, str]:
        if len(one.words) < 2:
            raise ValueError("needs a name and domains")
        macros.expand((f"${one.words[0]}",))
        return rule.outcome, rule.note

    def block(one: Statement, rule: Rule) -> tuple[Outcome, str]:
        if not one.words:
            raise ValueError("names no domain")
        domains = macros.expand(one.words)
        meant = f"; it is for {', '.join(domains)}" if any(word.startswith("$") for word in one.words) else ""
        return rule.outcome, shown(rule.note + meant)

    return {"macro": macro, "domain-block": block}
