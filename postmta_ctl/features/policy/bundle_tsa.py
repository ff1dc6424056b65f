"""What a bundle says to TSA daemons, judged by its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.tsa import AUTOMATION_FILE
from postmta_ctl.core.automation import ACTIONS
from postmta_ctl.core.regexes import regex_problem

_FILES = frozenset({"tsa_init.lua", "generated/tsa.lua", AUTOMATION_FILE})
_SET = "SetConfig"


def tsa_findings(bundle: Bundle) -> Iterator[Finding]:
    """The daemon's files are there together or not at all, and its rules are of the kind that we make."""
    there = _FILES & bundle.digests.keys()
    for path in _FILES - there if there else ():
        yield Finding(code="missing-file", message="the daemons need this file", where=path)
    content = bundle.files.get(AUTOMATION_FILE)
    if content is None:
        return
    try:
        rules = list(_rules(json.loads(content)))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        yield Finding(code="bad-table", message=f"no rules of automation: {error}", where=AUTOMATION_FILE)
        return
    for rule in rules:
        yield from _rule(rule)


def _rules(file: dict[str, Any]) -> Iterator[Any]:
    for name, block in file.items():
        for each in block.values() if name == "provider" else (block,):
            yield from each["automation"]


def _rule(rule: Any) -> Iterator[Finding]:
    if not isinstance(rule, dict) or not isinstance(rule.get("regex"), list):
        yield Finding(code="bad-table", message="a rule without a list regex", where=AUTOMATION_FILE)
        return
    for regex in rule["regex"]:
        problem = regex_problem(regex) if isinstance(regex, str) else "is no text"
        if problem:
            yield Finding(code="bad-regex", message=f"{regex!r} {problem}", where=AUTOMATION_FILE)
    for action in rule.get("action", []):
        name = next(iter(action), None) if isinstance(action, dict) else action
        if name != _SET and name not in ACTIONS.values():
            yield Finding(code="bad-action", message=f"{name!r} is no action of ours", where=AUTOMATION_FILE)
