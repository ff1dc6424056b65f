"""How files are given to security checks."""

from typing import Annotated

import msgspec
from msgspec import Meta


class FileIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file, as an attachment of a message is given."""

    content: bytes
    """The file in base64."""
    filename: Annotated[str, Meta(max_length=255)] | None = None
    content_type: Annotated[str, Meta(max_length=200)] = "application/octet-stream"
    content_id: Annotated[str, Meta(max_length=200)] | None = None
    """As of an inline attachment; it does not matter here."""
