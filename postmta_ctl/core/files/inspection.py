"""Looking at a file from all sides, and into what it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from postmta_ctl.core.files import archives, documents, kinds
from postmta_ctl.core.files.archives import Member
from postmta_ctl.core.files.documents import Found
from postmta_ctl.core.files.findings import MAX_DEPTH, Budget, Finding, Severity

MAX_FINDINGS = 100
_MAX_PATH = 500
# In two parts, or virus scanners would find it here.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The test file that every scanner takes for a virus (EICAR: 68 octets, and white space up to 128)."""
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NOTES = frozenset({"archive_not_opened"})
_INCOMPLETE = frozenset(
    {"archive_not_opened", "archive_encrypted", "archive_damaged", "archive_bomb", "archive_too_large"}
    | {"archive_too_deep", "archive_too_many_members", "document_encrypted"}
)


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file."""

    kind: str
    """Media type by its octets."""
    findings: tuple[Finding, ...]
    is_complete: bool
    """Whether everything in it could be looked at."""


def inspect(name: str, data: bytes, declared: str, budget: Budget) -> Inspection:
    """Look at a file.

    Args:
        name: Its name; may be empty.
        data: Its octets.
        declared: The media type that its sender gave; may be empty.
        budget: What may still be unpacked; shared by the files of a request.
    """
    looker = _Looker(budget)
    kind = looker.look(name, data, declared, path=name or "(unnamed)", depth=0)
    found = tuple(looker.findings)
    return Inspection(kind=kind, findings=found, is_complete=not any(one.id in _INCOMPLETE for one in found))


class _Looker:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.findings: list[Finding] = []

    def look(self, name: str, data: bytes, declared: str, *, path: str, depth: int) -> str:
        kind = _kind(name, data, declared)
        inside = self._inside(kind, data, path, depth)
        if kind == kinds.ZIP:
            kind = documents.zip_kind(inside)
        for found in (*_of_name(name), *_of_data(kind, data), *_of_type(name, declared, kind)):
            self._note(found, path)
        return kind

    def _inside(self, kind: str, data: bytes, path: str, depth: int) -> list[str]:
        """Look at the members; returns their names."""
        layers = [kind]
        if kind not in (kinds.ZIP, kinds.MAIL) and _ends_as_zip(data):
            self._note(("archive_hidden", "suspicious", f"is {kind} and a ZIP archive at once"), path)
            layers.append(kinds.ZIP)
        names = []
        for layer in layers:
            for member in archives.members(layer, data, self._budget):
                names.append(member.name)
                self._member(member, path, depth)
        return names

    def _member(self, member: Member, path: str, depth: int) -> None:
        within = f"{path}!{member.name}"[-_MAX_PATH:] if member.name else path
        if member.problem is not None:
            severity: Severity = "note" if member.problem in _NOTES else "suspicious"
            self._note((member.problem, severity, member.detail), within)
        if _leaves_folder(member.name):
            self._note(("archive_path", "suspicious", "would be written outside the folder"), within)
        if member.data is None:
            return
        for found in documents.look_at_member(member.name, member.data):
            self._note(found, within)
        if depth < MAX_DEPTH:
            self.look(member.name, member.data, member.content_type, path=within, depth=depth + 1)
        else:
            self._note(("archive_too_deep", "suspicious", f"is nested more than {MAX_DEPTH} deep"), within)

    def _note(self, found: Found, path: str) -> None:
        one = Finding(id=found[0], severity=found[1], description=found[2], path=path)
        if len(self.findings) < MAX_FINDINGS and one not in self.findings:
            self.findings.append(one)


def _kind(name: str, data: bytes, declared: str) -> str:
    kind = kinds.kind_of(data)
    if kind in (kinds.TEXT, kinds.HTML, kinds.UNKNOWN) and (
        declared.lower().startswith(kinds.MAIL) or kinds.endings(name)[-1:] == ["eml"]
    ):
        return kinds.MAIL
    if kind == kinds.OLE and documents.is_installer(data):
        return "application/x-msi"
    return kind


def _of_name(name: str) -> Iterator[Found]:
    last = (kinds.endings(name) or [""])[-1]
    if kinds.is_disguised(name):
        yield ("double_extension", "suspicious", "hides its real ending behind a harmless one")
    if last in kinds.RUNNABLE_NAMES:
        yield ("runnable", "suspicious", f"runs when it is opened (.{last})")
    if _TURNED.search(name):
        yield ("name_turned", "suspicious", "has a name that shows its letters in another order")


def _of_data(kind: str, data: bytes) -> Iterator[Found]:
    if len(data) <= 128 and data.rstrip(b" \t\r\n\x1a") == EICAR:
        yield ("eicar", "malware", "is the EICAR test file")
    if kind in kinds.EXECUTABLE:
        yield ("executable", "suspicious", f"is {kinds.EXECUTABLE[kind]}")
    if kind in kinds.UNOPENED:
        yield ("archive_not_opened", "note", f"is an archive ({kinds.UNOPENED[kind]}) that is not looked into")
    yield from documents.look(kind, data)


def _of_type(name: str, declared: str, kind: str) -> Iterator[Found]:
    if words := kinds.disagreement(name, declared, kind):
        yield ("type_mismatch", "suspicious", words)


def _ends_as_zip(data: bytes) -> bool:
    """Whether a file, however it begins, ends with the last record of a ZIP archive (APPNOTE section 4.3.16)."""
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_557))
    return at >= 0 and at + 22 + int.from_bytes(data[at + 20 : at + 22], "little") == len(data)


def _leaves_folder(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or name.startswith(("/", "\\")) or bool(re.match(r"[A-Za-z]:", name))
