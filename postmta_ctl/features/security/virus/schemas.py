"""What the antivirus scan takes and gives."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from postmta_ctl.core.files.findings import Finding
from postmta_ctl.features.security.files import FileIn

FileVerdict = Literal["infected", "suspicious", "clean", "no_findings", "not_scanned"]
"""``infected``: malware was recognised. ``suspicious``: it was not, and there are reasons for caution. ``clean``: an
antivirus engine looked and found nothing. ``no_findings``: nothing was found, and no antivirus engine has looked.
``not_scanned``: the engine would not take the file, and nothing else was found."""


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files as attachments of a message are given, or a whole message, which counts as one file."""

    files: Annotated[list[FileIn], Meta(max_length=50)] = []
    raw: str | None = None
    """A message with its header (RFC 5322)."""
    raw_base64: bytes | None = None
    """The same in base64."""


class ScannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one file."""

    filename: str | None
    size: int
    sha256: str
    declared_type: str
    detected_type: str
    """By its octets."""
    verdict: FileVerdict
    signature: str | None
    """What the engine recognised, in its own words."""
    findings: list[Finding]
    """What its kind and structure tell, whichever engine there is."""
    is_complete: bool
    """Whether the check of the structure could look at everything: not so for what is encrypted, damaged, of an unknown
    format, or beyond the limits on size, ratio, depth and number of members."""
    detail: str


class ScanResult(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on each file, in the order of the request."""

    engine: str
    """``clamd``, or ``builtin``: no antivirus engine is configured."""
    notice: str | None
    """What must be known to understand the verdicts."""
    verdict: FileVerdict
    """The worst."""
    files: list[ScannedFile]
    credits: int
    """``av_scan`` credits: one for each file, but those that were not scanned."""
