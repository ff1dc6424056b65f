"""The members of archives. What headers say of sizes is compared with what comes out, and never believed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import msgspec

from postmta_ctl.core import lenient_mime
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.files import kinds, streams
from postmta_ctl.core.files.findings import MAX_RATIO, RATIO_FROM, Budget

MAX_MAIL_LINES = 600_000
_ENTRY = b"PK\x01\x02"
_BLOCK = 512


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of an archive, or a problem with one."""

    name: str = ""
    data: bytes | None = None
    """None: it could not be unpacked, for the reason that ``problem`` names."""
    content_type: str = ""
    problem: str | None = None
    """Id of a finding."""
    detail: str = ""
    cost: int = 0
    """Octets that were unpacked and thrown away: looking at a bomb is not for nothing."""


def members(kind: str, data: bytes, budget: Budget) -> Iterator[Member]:
    """The members of a file of this kind; none if it is no archive. What is unpacked is taken from the budget."""
    for member in _members(kind, data, budget):
        budget.spend(len(member.data or b"") + member.cost)
        yield member
        if not budget.members:
            yield Member(problem="archive_too_many_members", detail="there are more members than are looked at")
            return


def _members(kind: str, data: bytes, budget: Budget) -> Iterator[Member]:
    if kind == kinds.ZIP:
        yield from _zip(data, budget)
    elif kind == kinds.TAR:
        yield from _tar(data, budget)
    elif kind == kinds.MAIL:
        yield from _mail(data, budget)
    elif kind in streams.KINDS:
        yield _stream(kind, data, budget)


def _limit(packed: int, budget: Budget) -> int:
    return min(budget.octets, max(RATIO_FROM, packed * MAX_RATIO))


def _too_much(name: str, packed: int, budget: Budget) -> Member:
    limit = _limit(packed, budget)
    if limit < budget.octets:
        words = f"unpacks to more than {MAX_RATIO} times its size"
        return Member(name=name, problem="archive_bomb", detail=words, cost=limit)
    return Member(name=name, problem="archive_too_large", detail="unpacks to more than is looked at", cost=limit)


def _stream(kind: str, data: bytes, budget: Budget) -> Member:
    limit = _limit(len(data), budget)
    try:
        found = streams.unpack(kind, data, limit)
    except streams.DamagedStream as error:
        return Member(problem="archive_damaged", detail=str(error))
    return _too_much("", len(data), budget) if len(found) > limit else Member(data=found)


def _zip(data: bytes, budget: Budget) -> Iterator[Member]:
    # The directory is as long as it pleases, whatever it says of itself; each of its entries begins with this.
    if data.count(_ENTRY) > 10 * budget.members:
        yield Member(problem="archive_too_many_members", detail="there are more members than are looked at")
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        yield Member(problem="archive_damaged", detail=str(error)[:200])
        return
    for entry in entries:
        if not entry.is_dir():
            yield _zip_member(data, entry, budget)


def _zip_member(data: bytes, entry: zipfile.ZipInfo, budget: Budget) -> Member:
    name = entry.orig_filename
    if entry.flag_bits & 0x1:
        return Member(name=name, problem="archive_encrypted", detail="is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Member(name=name, problem="archive_not_opened", detail=f"has compression method {entry.compress_type}")
    start = _start_of(data, entry)
    if start is None:
        return Member(name=name, problem="archive_lies", detail="has another name than the directory says")
    return _unpacked(entry, data[start : start + entry.compress_size], budget)


def _unpacked(entry: zipfile.ZipInfo, packed: bytes, budget: Budget) -> Member:
    name, limit = entry.orig_filename, _limit(len(packed), budget)
    is_stored = entry.compress_type == zipfile.ZIP_STORED
    try:
        found = packed[: limit + 1] if is_stored else streams.inflate(packed, limit)
    except streams.DamagedStream as error:
        return Member(name=name, problem="archive_damaged", detail=str(error))
    if len(found) > limit:
        return _too_much(name, len(packed), budget)
    if len(found) != entry.file_size:
        words = f"has {len(found)} octets, and its header says {entry.file_size}"
        return Member(name=name, data=found, problem="archive_lies", detail=words)
    return Member(name=name, data=found)


def _start_of(data: bytes, entry: zipfile.ZipInfo) -> int | None:
    """Where a member's octets begin; None if what stands there is not the member that the directory names."""
    at = entry.header_offset
    if not data.startswith(b"PK\x03\x04", at) or at + 30 > len(data):
        return None
    name_length, extra_length = (int.from_bytes(data[at + off : at + off + 2], "little") for off in (26, 28))
    encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
    try:
        if data[at + 30 : at + 30 + name_length].decode(encoding) != entry.orig_filename:
            return None
    except UnicodeDecodeError:
        return None
    return at + 30 + int(name_length) + int(extra_length)


def _tar(data: bytes, budget: Budget) -> Iterator[Member]:
    """By hand (POSIX.1-2001 pax): a header is 512 octets, and all that is wanted of it are name, size and type."""
    at, long_name = 0, ""
    while at + _BLOCK <= len(data) and (header := data[at : at + _BLOCK]).strip(b"\0"):
        size = _tar_number(header[124:136])
        if size is None or at + _BLOCK + size > len(data):
            yield Member(problem="archive_damaged", detail="a member's size makes no sense")
            return
        body = data[at + _BLOCK : at + _BLOCK + size]
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        flag = header[156:157]
        if flag == b"L":
            long_name = _tar_text(body[:1024])
        elif flag in (b"0", b"\0", b"7"):
            name, long_name = long_name or _tar_text(header[:100]), ""
            yield _too_much(name, size, budget) if size > budget.octets else Member(name=name, data=body)
        elif flag not in (b"x", b"g", b"5"):
            budget.spend(0)  # a link or a device: nothing to look at, but not for nothing


def _tar_number(field: bytes) -> int | None:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else None
    try:
        number = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    return number if number >= 0 else None


def _tar_text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _mail(data: bytes, budget: Budget) -> Iterator[Member]:
    try:
        parts = [part for part in lenient_mime.parse(data, max_lines=MAX_MAIL_LINES).walk() if not part.is_multipart()]
    except InputError as error:
        yield Member(problem="archive_too_deep", detail=error.message)
        return
    for part in parts:
        found = lenient_mime.content(part)
        name = lenient_mime.file_name(part)
        if len(found) > budget.octets:
            yield _too_much(name, len(found), budget)
        else:
            declared = part.get_content_type() if "Content-Type" in part else ""
            yield Member(name=name, data=found, content_type=declared)
