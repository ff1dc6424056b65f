"""Which blocklists there are, and which of them are asked."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from postmta_ctl.core.dnsbl import Blocklist
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.settings import Settings


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lists: list[Blocklist]


def known(settings: Settings) -> dict[str, Blocklist]:
    """Every list, by its id: ours, and the operator's own.

    Raises:
        ConfigurationError: The operator's file cannot be read or used.
    """
    own = _read(settings.dnsbl.catalogue) if settings.dnsbl.catalogue else {}
    return _read("") | own


def enabled(settings: Settings) -> dict[str, Blocklist]:
    """The lists that are asked.

    Raises:
        ConfigurationError: The settings name a list that there is not, or the operator's file cannot be used.
    """
    lists = known(settings)
    if unknown := [name for name in settings.dnsbl.lists if name not in lists]:
        raise ConfigurationError(f"dnsbl.lists: there is no list {unknown[0]}; there are {', '.join(sorted(lists))}")
    return {name: one for name, one in lists.items() if name in settings.dnsbl.lists or _by_default(settings, one)}


def _by_default(settings: Settings, blocklist: Blocklist) -> bool:
    return not settings.dnsbl.lists and blocklist.enabled


@cache
def _read(name: str) -> dict[str, Blocklist]:
    path = Path(name).expanduser() if name else files(__package__) / "blocklists.toml"
    try:
        found = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).lists
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"dnsbl.catalogue: {path}: {error}") from None
    lists = {one.id: one for one in found}
    if len(lists) < len(found):
        raise ConfigurationError(f"dnsbl.catalogue: {path}: two lists have the same id")
    return lists
