"""What is wrong with daemons and rules of traffic shaping automation."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from postmta_ctl.compiler import formats
from postmta_ctl.compiler.check_pools import Problem
from postmta_ctl.compiler.check_shaping import limit_problems
from postmta_ctl.compiler.model import AutomationRule, PolicyModel, TsaDaemons
from postmta_ctl.core.automation import Rule
from postmta_ctl.core.providers import hosts_of
from postmta_ctl.core.regexes import regex_problem


def tsa_problems(model: PolicyModel) -> Iterator[Problem]:
    """All of them."""
    yield from _daemons(model.installation.tsa)
    for each in model.automation:
        where = _place(each)
        if target := target_problem(each):
            yield Problem("bad-target", where, target)
        for field, problem in rule_problems(each.rule):
            yield Problem(problem.code, where, f"{field}: {problem.message}")


def _daemons(tsa: TsaDaemons) -> Iterator[Problem]:
    for url in tsa.urls:
        if not _is_url(url):
            yield Problem("bad-url", "installation.tsa.urls", f"{url!r} is no URL such as http://10.0.0.5:8008")
    if len(set(tsa.urls)) < len(tsa.urls):
        yield Problem("duplicate-url", "installation.tsa.urls", "the same daemon twice")
    if not formats.is_socket_address(tsa.listen):
        yield Problem("bad-address", "installation.tsa.listen", f"{tsa.listen!r} is no ip:port")
    if not tsa.database.startswith("/"):
        yield Problem("bad-path", "installation.tsa.database", f"{tsa.database!r} is no absolute path")
    for network in tsa.trusted_hosts:
        if not formats.is_network(network):
            yield Problem("bad-network", "installation.tsa.trusted_hosts", f"{network!r} is no address or CIDR block")


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username or parts.path.strip("/"))
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_is_one and plain


def target_problem(each: AutomationRule) -> str | None:
    """What is wrong with what a rule is for."""
    if each.provider is not None and each.domain is not None:
        return "a rule is for a provider, for a domain, or for all"
    if each.provider is not None and not hosts_of(each.provider):
        return f"there is no provider {each.provider!r} with mail exchangers of its own"
    if each.domain is not None and ("." not in each.domain or not formats.is_host(each.domain)):
        return f"{each.domain!r} is no domain in lower case and A-label form"
    return None


def rule_problems(rule: Rule) -> Iterator[tuple[str, Problem]]:
    """The fields of a rule that cannot be accepted."""
    if found := regex_problem(rule.regex):
        yield "regex", Problem("bad-regex", "regex", found)
    if (rule.action == "limit") != (rule.limits is not None):
        yield "limits", Problem("bad-limits", "limits", "belong to the action limit, and it needs them")
    if rule.limits is not None:
        if not rule.limits.options():
            yield "limits", Problem("empty", "limits", "must limit something")
        for problem in limit_problems("limits", rule.limits.options()):
            yield "limits", problem


def _place(each: AutomationRule) -> str:
    if each.provider is None and each.domain is None:
        return "automation for all"
    return f"automation of provider {each.provider}" if each.provider else f"automation of domain {each.domain}"
