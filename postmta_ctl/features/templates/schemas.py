"""What the template routes take and give."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["welcome"])]


class TemplateContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Subject and bodies in Jinja's notation: ``Hello {{ name }}``. One of the bodies is needed."""

    subject: str
    text: str | None = None
    html: str | None = None
    """Every value is escaped."""


class TemplateCreate(TemplateContent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template, which becomes its version 1."""

    name: Name


class TemplateUpdate(TemplateContent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the next version is to be."""

    based_on: int | None = None
    """The version that was edited; 409 when there is a newer one already."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template in one of its versions."""

    id: str
    name: str
    version: int
    latest_version: int
    subject: str
    text: str | None
    html: str | None
    author: str
    """Who made this version."""
    created_at: datetime
    """When this version was made."""


class TemplateSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A template as lists show it."""

    id: str
    name: str
    latest_version: int
    created_at: datetime
    updated_at: datetime


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values to fill in."""

    variables: dict[str, Any] = {}
    version: int | None = None
    """Null: the newest."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent."""

    version: int
    subject: str
    text: str | None
    html: str | None
