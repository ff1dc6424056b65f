"""The ``[policy]`` table that a configuration asks for, as text to put into the settings file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w


def as_toml(policy: Mapping[str, Any]) -> str:
    """The table in TOML; empty when there is nothing in it."""
    return tomli_w.dumps({"policy": policy}) if policy else ""
