"""The contract: every endpoint that the API reference promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the reference."""

    group: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """With parameters as ``:name``."""
    description: str

    @property
    def shape(self) -> tuple[str, str]:
        """Method and path, whatever the parameters are called."""
        return self.method, shape_of(self.path)


def shape_of(path: str) -> str:
    """A path with ``*`` for each parameter, in whichever way they are written."""
    return re.sub(r":\w+|\{[^}]*\}", "*", path).rstrip("/") or "/"


def endpoints() -> list[Endpoint]:
    """Every row."""
    text = (Path(__file__).parent / "fixtures/endpoints.json").read_bytes()
    return msgspec.json.decode(text, type=list[Endpoint])
