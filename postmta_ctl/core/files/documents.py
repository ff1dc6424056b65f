"""Documents that can do something when they are opened: macros, scripts, embedded objects, templates from afar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from postmta_ctl.core.files import kinds
from postmta_ctl.core.files.findings import Severity

Found = tuple[str, Severity, str]
"""Id, severity and description of a finding."""


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-le")


# A directory entry of a compound file holds its name as UTF-16 in one piece ([MS-CFB] section 2.6.1).
_OLE_NAMES: tuple[tuple[bytes, Found], ...] = (
    (_utf_16("_VBA_PROJECT"), ("office_macro", "suspicious", "holds VBA macros")),
    (_utf_16("\x01Ole10Native"), ("office_embedded_object", "suspicious", "embeds a file that a click opens")),
    (_utf_16("EncryptedPackage"), ("document_encrypted", "suspicious", "is encrypted, so nobody can look inside")),
)
MSI_CLASS = bytes.fromhex("84100c0000000000c000000000000046")
"""Class of the root entry of a Windows installer package, as it is stored."""
_PDF_NAMES: tuple[tuple[re.Pattern[bytes], Found], ...] = (
    (re.compile(rb"/JavaScript\b"), ("pdf_javascript", "suspicious", "runs JavaScript")),
    (re.compile(rb"/Launch\b"), ("pdf_launch", "suspicious", "starts a program")),
    (re.compile(rb"/EmbeddedFile\b"), ("pdf_embedded_file", "note", "embeds a file")),
    (re.compile(rb"/Encrypt\b"), ("document_encrypted", "note", "is encrypted, so not all of it could be seen")),
)
_RTF_OBJECT = re.compile(rb"\\obj(?:data|update|autlink)", re.IGNORECASE)
_SMUGGLING = re.compile(rb"\batob\s*\(|msSaveOrOpenBlob|URL\.createObjectURL", re.IGNORECASE)
_SCRIPT = re.compile(rb"<script\b", re.IGNORECASE)
_MAX_RELATIONS = 64 * 1024
_REMOTE = re.compile(rb"""attachedTemplate"[^>]{0,2000}Target="(?:https?|file|\\\\):?""", re.IGNORECASE)


def look(kind: str, data: bytes) -> Iterator[Found]:
    """What a document of this kind can do."""
    if kind == kinds.OLE:
        yield from (found for name, found in _OLE_NAMES if name in data)
    elif kind == kinds.PDF:
        yield from (found for pattern, found in _PDF_NAMES if pattern.search(data))
    elif kind == kinds.RTF and _RTF_OBJECT.search(data):
        yield ("rtf_object", "suspicious", "embeds an object")
    elif kind == kinds.HTML and _SMUGGLING.search(data):
        yield ("html_smuggling", "suspicious", "makes a file by script")
    elif kind == kinds.HTML and _SCRIPT.search(data):
        yield ("html_script", "note", "runs a script")


def is_installer(data: bytes) -> bool:
    """Whether a compound file is a Windows installer package."""
    return MSI_CLASS in data


def zip_kind(names: Sequence[str]) -> str:
    """What a ZIP file is by its members: an Office document, a Java program, or just that."""
    if "[Content_Types].xml" in names:
        return "application/vnd.openxmlformats-officedocument"
    if "META-INF/MANIFEST.MF" in names and any(name.endswith(".class") for name in names):
        return "application/java-archive"
    return kinds.ZIP


def look_at_member(name: str, data: bytes) -> Iterator[Found]:
    """What a part of an Office document ([ECMA-376] part 2) can do."""
    lower = name.lower()
    if lower.endswith("vbaproject.bin"):
        yield ("office_macro", "suspicious", "holds VBA macros")
    elif "/macrosheets/" in lower:
        yield ("office_macro", "suspicious", "holds Excel 4.0 macros")
    elif lower.endswith(".rels") and _REMOTE.search(data[:_MAX_RELATIONS]):
        yield ("office_remote_template", "suspicious", "loads its template from elsewhere")
    elif "/embeddings/oleobject" in lower:
        yield ("office_embedded_object", "suspicious", "embeds an object")
