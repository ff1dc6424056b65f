"""Taking the secrets out of what is written down."""

from __future__ import annotations

import re
from typing import Any

import msgspec

MASK = "***"
_SECRET = re.compile(r"password|secret|token|digest|sealed|private|credential|api_key$|authorization", re.IGNORECASE)


def masked(value: Any) -> Any:
    """The value as plain JSON, every field whose name speaks of a secret replaced by :data:`MASK`.

    Null stays null: whether there is a secret is none.
    """
    return _masked(msgspec.to_builtins(value))


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _field(str(name), one) for name, one in value.items()}
    return [_masked(one) for one in value] if isinstance(value, list) else value


def _field(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    # A struct such as ``api_key`` is looked into; what is no container and bears such a name is the secret itself.
    return MASK if _SECRET.search(name) and not isinstance(value, dict) else _masked(value)
