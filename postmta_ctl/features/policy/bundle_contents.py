"""What a rendered bundle says, read from its files: so that one is judged whoever wrote it, and without its database.

A bundle out of an ops repository may have been edited by hand or by an enemy. Nothing read here is believed: tables are
taken in the shape that the policy's Lua relies on, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.names import shard_file
from postmta_ctl.core.shaping import Limits
from postmta_ctl.luavm.errors import PolicyError
from postmta_ctl.luavm.tables import read_table

MAX_SHARDS = 65536
_SHARDS = "data/domains/"


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables whose entries are the policy's own."""


class Tenant(Table, frozen=True):
    """An entry of ``generated/tenants.lua``."""

    organization: str
    pool: str
    rate: str | None = None
    warming: bool = False


class Source(Table, frozen=True):
    """An entry of ``generated/sources.lua``."""

    source: dict[str, Any]
    path: dict[str, Any] = {}
    warming: bool = False
    nodes: dict[str, bool] = {}


class Key(Table, frozen=True):
    """A DKIM key of a domain."""

    selector: str
    algorithm: str
    id: str


class Domain(Table, frozen=True):
    """An entry of a file in ``data/domains``."""

    organization: str
    keys: tuple[Key, ...]
    pool: str | None = None


class Listeners(Table, frozen=True):
    """``generated/listeners.lua``."""

    http: tuple[dict[str, Any], ...] = ()
    smtp: tuple[dict[str, Any], ...] = ()


class Shards(msgspec.Struct, frozen=True):
    """Over how many files a set is spread."""

    shards: int


class Data(Table, frozen=True):
    """``generated/data.lua``."""

    domains: Shards


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``generated/installation.lua``, as far as it is looked into here."""

    bounce_domain: str
    feedback_sender: str
    log_hook_batch_size: int
    queue: dict[str, Any]
    path: dict[str, Any] = {}
    relay_domains: dict[str, Any] = {}
    fence: bool


class Rules(Table, frozen=True):
    """Limits by what they are towards."""

    providers: dict[str, Limits] = {}
    domains: dict[str, Limits] = {}


class Shaping(Rules, frozen=True, kw_only=True):
    """``generated/shaping.lua``."""

    maintained: dict[str, Limits]
    organizations: dict[str, Rules]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """The tables and shards of a bundle."""

    installation: Settings
    listeners: Listeners
    tenants: dict[str, Tenant]
    pools: dict[str, tuple[str, ...]]
    weights: dict[str, dict[str, int]]
    sources: dict[str, Source]
    shaping: Shaping
    data: Data
    domains: dict[str, Domain] = {}
    files: dict[str, str] = {}
    """The file that each domain stands in."""


_LISTS = {"pools": ("*",), "listeners": ("http", "smtp")}
"""Entries that are lists: an empty Lua table does not tell."""


def read(bundle: Bundle) -> tuple[Contents | None, list[Finding]]:
    """The contents, None when a table cannot be read, and what is wrong with the shape of any."""
    tables: dict[str, Any] = {}
    findings: list[Finding] = []
    for name in (name for name in Contents.__struct_fields__ if name not in ("domains", "files")):
        findings += _read_table(bundle, name, tables)
    domains, files = _read_shards(bundle, findings)
    if len(tables) < len(Contents.__struct_fields__) - 2:
        return None, findings
    return Contents(**tables, domains=domains, files=files), findings


def _read_table(bundle: Bundle, name: str, tables: dict[str, Any]) -> Iterator[Finding]:
    path = f"generated/{name}.lua"
    if path not in bundle.files:
        yield Finding(code="missing-file", message="the policy needs this file", where=path)
        return
    kinds = {field.name: field.type for field in msgspec.structs.fields(Contents)}
    try:
        tables[name] = msgspec.convert(_as_lists(read_table(bundle.files[path], path), name), kinds[name])
    except PolicyError as error:
        yield Finding(code=error.code.replace("_", "-"), message=error.message, where=_place(path, error.line))
    except msgspec.ValidationError as error:
        yield Finding(code="bad-table", message=str(error), where=path)


def _place(path: str, line: int | None) -> str:
    return path if line is None else f"{path}:{line}"


def _as_lists(value: Any, table: str) -> Any:
    names = _LISTS.get(table)
    if names is None or not isinstance(value, dict):
        return value
    return {name: [] if each == {} and (name in names or "*" in names) else each for name, each in value.items()}


def _read_shards(bundle: Bundle, findings: list[Finding]) -> tuple[dict[str, Domain], dict[str, str]]:
    domains: dict[str, Domain] = {}
    files: dict[str, str] = {}
    for path, content in bundle.files.items():
        if not path.startswith(_SHARDS):
            continue
        shard, problems = _read_shard(path, content)
        findings += problems
        for name, domain in shard.items():
            if name in domains:
                message = f"{files[name]} has it, too"
                findings.append(Finding(code="duplicate-domain", message=message, where=f"{path}: {name}"))
            domains[name], files[name] = domain, path
    return domains, files


def _read_shard(path: str, content: bytes) -> tuple[dict[str, Domain], list[Finding]]:
    """Domain by domain, so that one that is wrong hides no other."""
    try:
        entries = json.loads(content, object_pairs_hook=_without_repetition, parse_constant=_refuse)
        if not isinstance(entries, dict):
            raise ValueError("must hold an object")
    except (ValueError, RecursionError) as error:
        message = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return {}, [Finding(code="bad-shard", message=message, where=path)]
    shard, findings = {}, []
    for name, entry in entries.items():
        try:
            shard[name] = msgspec.convert(entry, Domain)
        except msgspec.ValidationError as error:
            findings.append(Finding(code="bad-entry", message=str(error), where=f"{path}: {name}"))
    return shard, findings


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of two entries under one name counts depends on who reads it."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in entries if names.count(name) > 1)
        raise ValueError(f"the name {repeated!r} is there twice")
    return entries


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def expected_shards(contents: Contents) -> set[str]:
    """The files that the policy looks domains up in."""
    return {shard_file("domains", number) for number in range(min(contents.data.domains.shards, MAX_SHARDS))}
