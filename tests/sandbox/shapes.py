"""Whether a value has the form of a real node's: the same keys, and under each the same JSON type."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

KUMOMTA = Path(__file__).parents[1] / "fixtures/kumomta"
OPEN = frozenset(["meta", "headers", "extensions", "supplemental_trace", "mx_list", "states_by_ready_queue"])
"""Keys under which the entries are the message's or the policy's own affair."""


def captured(name: str) -> dict[str, Any]:
    """A real node's request and answer."""
    return next(one for one in json.loads((KUMOMTA / "http.json").read_text()) if one["name"] == name)


def captured_records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (KUMOMTA / "log-records.ndjson").read_text().splitlines()]


def differences(ours: Any, real: Any, path: str = "$", *, nullable: Collection[str] = ()) -> list[str]:
    """Where the forms differ; ``nullable`` names keys that may be null on one side only."""
    if isinstance(ours, dict) and isinstance(real, dict):
        if path.rpartition(".")[2] in OPEN:
            return []
        found = [f"{path}: {sign} {key}" for sign, keys in _key_changes(ours, real) for key in keys]
        return found + [
            difference
            for key in ours.keys() & real.keys()
            if not (key in nullable and None in (ours[key], real[key]))
            for difference in differences(ours[key], real[key], f"{path}.{key}", nullable=nullable)
        ]
    if isinstance(ours, list) and isinstance(real, list):
        return differences(ours[0], real[0], f"{path}[0]", nullable=nullable) if ours and real else []
    return [] if _kind(ours) == _kind(real) else [f"{path}: {ours!r} where a real node has {real!r}"]


def _key_changes(ours: dict[str, Any], real: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [("has", sorted(ours.keys() - real.keys())), ("lacks", sorted(real.keys() - ours.keys()))]


def _kind(value: Any) -> str:
    return type(value).__name__
