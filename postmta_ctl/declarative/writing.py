"""Writing YAML that :mod:`placed` reads back as it was, byte by byte the same each time."""

from __future__ import annotations

import re
from typing import Any

import yaml  # type: ignore[import-untyped]

from postmta_ctl.declarative.placed import scalar

_LINE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?\Z")
"""Of a text that is as readable below its name as it is in a file of its own."""
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Quotes what would be read as something else than a text, by either version of YAML."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    style = None if isinstance(scalar(text), str) else "'"
    if "\n" in text and all(_LINE.match(line) for line in text.removesuffix("\n").split("\n")):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write(value: Any) -> str:
    """The value as YAML, in the order that its mappings have."""
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    return text
