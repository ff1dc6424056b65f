"""From the files of KumoMTA's policy helpers to what PostMTA holds, by the rules of :mod:`kumomta_rules`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from postmta_ctl.core.errors import InputError
from postmta_ctl.importing import documents, kumomta_rules
from postmta_ctl.importing import kumomta_values as values
from postmta_ctl.importing.builder import Builder, reason
from postmta_ctl.importing.documents import Path
from postmta_ctl.importing.files import FolderReader, shown
from postmta_ctl.importing.kumomta_domains import Incoming, Keys
from postmta_ctl.importing.kumomta_sources import Sources
from postmta_ctl.importing.kumomta_tenants import NOBODY, Tenants
from postmta_ctl.importing.powermta_values import ANY
from postmta_ctl.importing.report import Directive, Outcome
from postmta_ctl.importing.rules import Rule
from postmta_ctl.importing.wanted import Defaults, Wanted

KINDS = {
    "source": "sources",
    "queue": "queues",
    "listener": "listener_domains",
    "dkim": "dkim_data",
    "shaping": "shaping",
}
"""Which helper a file is for, by a part of its name, which is the operator's choice."""
_UNKNOWN = Rule("", "", "not_supported", "PostMTA does not know this setting")
_READERS: dict[str, Callable[[Any], Any]] = {
    "time": values.duration,
    "path-count": values.count,
    "path-rate": values.rate,
    "path-time": values.duration,
    "path-tls": values.tls,
}


class Setting(Directive, frozen=True, kw_only=True):
    """A value in a file of a helper, or a file that is for none."""

    kind: str
    path: Path = ()
    value: Any = None


def read(reader: FolderReader, defaults: Defaults) -> Wanted:
    """Read all files of a folder, in the order of their names."""
    found: list[Setting] = []
    for name, is_folder in reader.names():
        found += [_other(name, "folder")] if is_folder else _settings(name, reader)
    return _Mapping(found, defaults).wanted()


def _settings(name: str, reader: FolderReader) -> list[Setting]:
    stem, _, ending = name.lower().rpartition(".")
    kind = next((kind for part, kind in KINDS.items() if part in stem), "")
    if ending not in ("toml", "json") or not kind:
        return [_other(name, "policy" if ending == "lua" else "file")]
    try:
        _, content = reader.read(name)
        return [_setting(name, kind, one) for one in documents.read(name, content)]
    except InputError as error:
        at = re.search(r"\bline (\d+)", error.message)
        return [
            Setting(file=name, line=int(at[1]) if at else 1, text=shown(name), kind=kind, problem=shown(error.message))
        ]


def _other(name: str, what: str) -> Setting:
    return Setting(file=name, line=1, text=shown(name), kind="other", path=(what,))


def _setting(name: str, kind: str, one: documents.Value) -> Setting:
    path = ".".join(part if re.fullmatch(r"[\w\[\]-]+", part) else json.dumps(part) for part in one.path)
    value = "(not shown)" if "password" in path else json.dumps(one.value, default=str, ensure_ascii=False)
    return Setting(
        file=name,
        line=one.line,
        text=shown(f"{path} = {value}"),
        kind=kind,
        path=one.path,
        value=one.value,
        within=kind,
    )


def rule_of(one: Setting) -> Rule:
    """The first rule that a setting matches."""
    rules = (rule for rule in kumomta_rules.RULES if rule.scope == one.kind and _matches(rule.name, one.path))
    return next(rules, _UNKNOWN)


def _matches(pattern: str, path: Path) -> bool:
    parts = pattern.split(".")
    if parts[-1] == "*":
        parts = parts[:-1]
        if len(path) <= len(parts):
            return False
    elif len(path) != len(parts):
        return False
    return all(part.isupper() or part == given for part, given in zip(parts, path, strict=False))


class _Mapping:
    def __init__(self, settings: list[Setting], defaults: Defaults) -> None:
        self._settings = settings
        self._builder = builder = Builder(settings)
        self._sources, self._keys, self._incoming = Sources(builder, defaults), Keys(builder), Incoming(builder)
        self._relaying: list[str] = []
        self._tenants = Tenants(builder)

    def wanted(self) -> Wanted:
        for index, one in enumerate(self._settings):
            if one.problem:
                self._builder.unreadable(index, one.problem)
            else:
                self._collect(index, one, rule_of(one))
        for part in (self._sources, self._keys, self._incoming):
            part.finish()
        self._tenants.finish(self._sources)
        if self._relaying:
            self._builder.setting("smtp_listeners", [{"address": f"{ANY}:25", "relay_hosts": self._relaying}])
        return self._builder.wanted

    def _collect(self, index: int, one: Setting, rule: Rule) -> None:
        match rule.action, one.path:
            case "source", (_, name, *field):
                self._sources.sources.add((name,), field[0] if field else "", one.value, index)
            case "pool", (_, name):
                self._sources.tag(name, index)
            case "member", (_, pool, source, *field):
                self._sources.members.add((pool, source), field[0] if field else "", one.value, index)
            case "key", (_, domain, *field):
                self._keys.domains.add((domain,), field[0] if field else "", one.value, index)
            case "base-selector", (base, field):
                self._keys.base.add((base,), field, one.value, index)
            case "relay-to", (domain, _) if one.value is True:
                self._incoming.relayed.add((domain,), "relay_to", one.value, index)
            case "routing", (_, domain, field):
                self._incoming.routes.add((domain,), field, one.value, index)
            case "pool-of", (*_, tenant, _):
                self._tenants.add(
                    NOBODY if tenant == "default" and one.path[0] == "queue" else tenant, one.value, index
                )
            case "default-tenant", _:
                self._tenants.default(one.value, index)
            case _:
                self._builder.settle(index, *self._at_once(one, rule))

    def _at_once(self, one: Setting, rule: Rule) -> tuple[Outcome, str]:
        """What can be said of a setting by itself."""
        if rule.action in ("relay-to", "reports") and one.value is False:
            return "imported", "nothing is taken unless it is asked for"
        try:
            if rule.action == "relay-from":
                self._relaying += [one for one in values.networks(one.value) if one not in self._relaying]
            elif rule.action in _READERS:
                field = rule.detail if rule.action == "time" else f"path_defaults.{rule.detail}"
                self._builder.setting(field, _READERS[rule.action](one.value))
                return rule.outcome, f"policy.{field}, {rule.note}"
            elif rule.action == "relay-to":
                raise ValueError("is neither true nor false")
        except ValueError as error:
            return "not_supported", shown(reason(error))
        return rule.outcome, rule.note
