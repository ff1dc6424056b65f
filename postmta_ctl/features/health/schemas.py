"""What ``/health`` says."""

from typing import Literal

import msgspec

from postmta_ctl.roles import Role

Status = Literal["ok", "degraded", "down"]


class PartHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of the service."""

    status: Status
    detail: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The service as a whole is as well as its worst part; only a dead database makes it ``down``."""

    status: Status
    version: str
    roles: list[Role]
    """What the process that answers does."""
    parts: dict[str, PartHealth]
    """``database``, ``relay`` and ``node:NAME`` for each node; of readiness: ``database``, ``schema`` and
    ``policy``."""
