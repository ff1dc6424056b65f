"""What a policy says of TSA daemons: where they are, and the rules that they go by."""

from __future__ import annotations

from typing import Any

import msgspec

from postmta_ctl.compiler.model import AutomationRule, PolicyModel, TsaDaemons
from postmta_ctl.core.automation import MAINTAINED, automation, provider_match

AUTOMATION_FILE = "data/tsa/automation.json"
"""In a bundle: the rules, as KumoMTA's shaping files have them."""
_EVERYBODY = "default"
"""KumoMTA's name of what holds for every domain."""


def table(daemons: TsaDaemons) -> dict[str, Any] | None:
    """What nodes and daemons are told; None where there are no daemons."""
    if not daemons.urls:
        return None
    return {
        "urls": [url.rstrip("/") for url in daemons.urls],
        "listen": daemons.listen,
        "trusted_hosts": list(daemons.trusted_hosts),
        "database": daemons.database,
    }


def automation_file(model: PolicyModel) -> dict[str, Any]:
    """The rules by what they are for, those made here before those that are maintained, whatever order they come in.

    A block of a domain says that its exchangers are not to be looked up: the daemon would drop it with a resolver that
    is away when it reads the file.
    """
    file: dict[str, Any] = {}
    for each in sorted(model.automation, key=msgspec.json.encode):
        _block(file, each).append(automation(each.rule))
    if model.installation.tsa.maintained:
        for known in MAINTAINED:
            _block(file, AutomationRule(provider=known.provider, rule=known.rule)).append(automation(known.rule))
    return file


def _block(file: dict[str, Any], each: AutomationRule) -> list[Any]:
    if each.provider is not None:
        providers = file.setdefault("provider", {})
        block = providers.setdefault(each.provider, {"match": provider_match(each.provider)})
    elif each.domain is not None:
        block = file.setdefault(each.domain, {"mx_rollup": False})
    else:
        block = file.setdefault(_EVERYBODY, {})
    rules: list[Any] = block.setdefault("automation", [])
    return rules
