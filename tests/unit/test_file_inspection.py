"""What the built-in check finds in files, and that no file makes it work for long."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import tarfile
import time
import zipfile

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.files.findings import MAX_DEPTH, Budget, verdict_of
from postmta_ctl.core.files.inspection import EICAR, Inspection, inspect

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)
PE = b"MZ\x90\0" + bytes(100)
OFFICE = {"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"}
TEMPLATE = (
    b'<Relationship Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate" '
    b'Target="https://evil.test/t.dotm" TargetMode="External"/>'
)


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return found.getvalue()


def tarred(members: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return found.getvalue()


def mailed(name: str, data: bytes) -> bytes:
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    head = b'From: a@b.test\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n'
    fields = f'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return head + fields.encode() + encoded + b"--b--\r\n"


def patched(archive: bytes, offset: int, value: bytes, *, local: bool = False) -> bytes:
    """A ZIP archive with other octets in its first directory entry, or in its first local header."""
    at = archive.index(b"PK\x03\x04" if local else b"PK\x01\x02") + offset
    return archive[:at] + value + archive[at + len(value) :]


def look(name: str, data: bytes, declared: str = "") -> Inspection:
    return inspect(name, data, declared, Budget())


def ids(found: Inspection) -> set[str]:
    return {one.id for one in found.findings}


ONE = packed({"a.txt": b"a" * 1000})
FOUND: list[tuple[str, str, bytes, str]] = [
    ("eicar", "a.txt", EICAR, ""),
    ("eicar", "a.txt", EICAR + b" \r\n", ""),
    ("eicar", "a.zip", packed({"b/c.txt": EICAR}), ""),
    ("eicar", "a.zip", packed({"b.zip": packed({"c.txt": EICAR}, zipfile.ZIP_STORED)}), ""),
    ("eicar", "a.tar", tarred({"c.txt": EICAR}), ""),
    ("eicar", "a.tar", tarred({"c" * 120: b"x", "d": EICAR}, tarfile.GNU_FORMAT), ""),
    ("eicar", "a.tar", tarred({"ü" * 120: b"x", "d": EICAR}, tarfile.PAX_FORMAT), ""),
    ("eicar", "a.tgz", gzip.compress(tarred({"c": EICAR})), ""),
    ("eicar", "a.gz", gzip.compress(b"") + gzip.compress(EICAR), ""),
    ("eicar", "a.bz2", bz2.compress(b"") + bz2.compress(EICAR), ""),
    ("archive_damaged", "a.gz", gzip.compress(b"") * 101 + gzip.compress(EICAR), ""),
    ("eicar", "a.bz2", bz2.compress(EICAR), ""),
    ("eicar", "a.xz", lzma.compress(EICAR), ""),
    ("eicar", "a.zst", zstandard.compress(EICAR), ""),
    ("eicar", "a.eml", mailed("c.txt", EICAR), ""),
    ("eicar", "", mailed("c.zip", packed({"d": EICAR})), "message/rfc822"),
    ("executable", "setup", PE, ""),
    ("executable", "a", b"\x7fELF" + bytes(20), ""),
    ("executable", "a.zip", packed({"a": PE}), ""),
    ("executable", "a", packed({"META-INF/MANIFEST.MF": b"", "A.class": b"x"}), ""),
    ("executable", "a", OLE + bytes.fromhex("84100c0000000000c000000000000046"), ""),
    ("executable", "run", b"#!/bin/sh\necho", ""),
    ("runnable", "a.JS", b"1", ""),
    ("runnable", "a.vbs. ", b"1", ""),
    ("double_extension", "invoice.pdf.exe", b"", ""),
    ("double_extension", "invoice.pdf .scr", b"", ""),
    ("name_turned", "invoice\u202efdp.exe", b"", ""),
    ("type_mismatch", "a.pdf", PNG, ""),
    ("type_mismatch", "a.png", b"hello", ""),
    ("type_mismatch", "a", b"hello", "image/png; name=a"),
    ("type_mismatch", "a.docx", PNG, ""),
    ("office_macro", "a.docm", packed(OFFICE | {"word/vbaProject.bin": b"x"}), ""),
    ("office_macro", "a.xlsm", packed(OFFICE | {"xl/macrosheets/sheet1.xml": b"x"}), ""),
    ("office_macro", "a.doc", OLE + "_VBA_PROJECT".encode("utf-16-le"), ""),
    ("office_remote_template", "a.docx", packed(OFFICE | {"word/_rels/settings.xml.rels": TEMPLATE}), ""),
    ("office_embedded_object", "a.docx", packed(OFFICE | {"word/embeddings/oleObject1.bin": b"x"}), ""),
    ("document_encrypted", "a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), ""),
    ("pdf_javascript", "a.pdf", b"%PDF-1.7\n<< /S /JavaScript /JS (1) >>", ""),
    ("pdf_launch", "a.pdf", b"%PDF-1.7\n<< /S /Launch >>", ""),
    ("pdf_embedded_file", "a.pdf", b"%PDF-1.7\n<< /EmbeddedFile >>", ""),
    ("rtf_object", "a.rtf", b"{\\rtf1 \\objupdate}", ""),
    ("html_smuggling", "a.html", b"<html><script>atob('x')</script>", ""),
    ("html_script", "a.html", b"<html><script>1</script>", ""),
    ("archive_encrypted", "a.zip", patched(ONE, 8, b"\x01\x00"), ""),
    ("archive_lies", "a.zip", patched(ONE, 24, (5).to_bytes(4, "little")), ""),
    ("archive_lies", "a.zip", patched(ONE, 24, (9000).to_bytes(4, "little")), ""),
    ("archive_lies", "a.zip", patched(ONE, 30, b"b", local=True), ""),
    ("archive_lies", "a.zip", patched(ONE, 42, (2).to_bytes(4, "little")), ""),
    ("archive_not_opened", "a.zip", packed({"a": b"x"}, zipfile.ZIP_LZMA), ""),
    ("archive_not_opened", "a.rar", b"Rar!\x1a\x07\x00", ""),
    ("archive_damaged", "a.zip", b"PK\x03\x04" + bytes(50), ""),
    ("archive_damaged", "a.gz", gzip.compress(bytes(1000))[:-10], ""),
    ("archive_damaged", "a.gz", b"\x1f\x8b\x08\x00" + b"\xff" * 50, ""),
    ("archive_damaged", "a.xz", lzma.compress(bytes(1000))[:-40], ""),
    ("archive_damaged", "a.tar", tarred({"a": b"x"})[:512].replace(b"00000000001", b"77777777777"), ""),
    ("archive_path", "a.zip", packed({"../../etc/cron": b"x"}), ""),
    ("archive_path", "a.zip", packed({"C:\\a": b"x"}), ""),
    ("archive_hidden", "a.png", PNG + packed({"a": b"x"}), ""),
    ("archive_bomb", "a.zip", packed({"a": bytes(8_000_000)}), ""),
    ("archive_bomb", "a.gz", gzip.compress(bytes(8_000_000)), ""),
    ("archive_bomb", "a.xz", lzma.compress(bytes(8_000_000)), ""),
    ("archive_bomb", "a.zst", zstandard.compress(bytes(8_000_000)), ""),
    ("archive_too_many_members", "a.zip", packed({str(index): b"" for index in range(1100)}), ""),
    ("archive_too_many_members", "a.zip", packed({str(index): b"" for index in range(20_000)}), ""),
    ("archive_too_many_members", "a.tar", tarred({str(index): b"" for index in range(1100)}), ""),
    ("archive_too_deep", "a.eml", b"Content-Type: multipart/mixed\r\n" * 50, ""),
]


@pytest.mark.parametrize(("expected", "name", "data", "declared"), FOUND, ids=[f"{one[0]}-{one[1]}" for one in FOUND])
def test_what_is_found(expected: str, name: str, data: bytes, declared: str) -> None:
    assert expected in ids(look(name, data, declared))


ORDINARY: list[tuple[str, bytes, str, str]] = [
    ("a.txt", b"hello", "text/plain", "text/plain"),
    ("", b"", "", "text/plain"),
    ("a.bin", bytes(100), "application/octet-stream", "application/octet-stream"),
    ("a.png", PNG, "image/png", "image/png"),
    ("report.v2.pdf", b"%PDF-1.7\n", "application/pdf", "application/pdf"),
    ("a.docx", packed(OFFICE), "", "application/vnd.openxmlformats-officedocument"),
    ("a.zip", ONE, "application/zip", "application/zip"),
    ("a.tar.gz", gzip.compress(tarred({"a": b"x"})), "application/gzip", "application/gzip"),
    ("a.tar", tarred({"a.zip": ONE}), "", "application/x-tar"),
    ("a.doc", OLE, "application/msword", "application/x-ole-storage"),
    ("a.eml", mailed("a.png", PNG), "message/rfc822", "message/rfc822"),
    ("eicar.md", b"About " + EICAR, "", "text/plain"),
]


@pytest.mark.parametrize(("name", "data", "declared", "kind"), ORDINARY, ids=[one[0] for one in ORDINARY])
def test_ordinary_files_have_no_findings(name: str, data: bytes, declared: str, kind: str) -> None:
    found = look(name, data, declared)
    assert (found.findings, found.kind, found.is_complete) == ((), kind, True)


def test_the_path_leads_to_the_member() -> None:
    [found] = look("a.eml", mailed("b.zip", packed({"c/d.txt": EICAR}))).findings
    assert (found.id, found.path) == ("eicar", "a.eml!b.zip!c/d.txt")


@pytest.mark.parametrize(
    ("data", "verdict", "is_complete"),
    [
        (EICAR, "infected", True),
        (PE, "suspicious", True),
        (patched(ONE, 8, b"\x01\x00"), "suspicious", False),
        (b"7z\xbc\xaf\x27\x1c" + bytes(50), "no_findings", False),
        (b"hello", "no_findings", True),
    ],
)
def test_verdicts(data: bytes, verdict: str, is_complete: bool) -> None:
    found = look("a", data)
    assert (verdict_of(found.findings), found.is_complete) == (verdict, is_complete)


def test_nesting_ends() -> None:
    data = EICAR
    for _ in range(MAX_DEPTH + 3):
        data = packed({"a.zip": data})
    found = look("a.zip", data)
    assert ids(found) == {"archive_too_deep"}
    assert not found.is_complete


def test_all_files_of_a_request_share_one_budget() -> None:
    budget = Budget(octets=3_000_000)
    data = packed({"a": bytes(range(256)) * 8000}, zipfile.ZIP_STORED)
    assert ids(inspect("1.zip", data, "", budget)) == set()
    assert ids(inspect("2.zip", data, "", budget)) == {"archive_too_large"}


def test_many_bombs_cost_no_more_than_one() -> None:
    bomb = packed({"zeros": bytes(50_000_000)})
    started = time.process_time()
    found = look("a.zip", packed({f"{index}.zip": bomb for index in range(500)}))
    assert time.process_time() - started < 3
    assert {"archive_bomb", "archive_too_large"} <= ids(found)
    assert len(found.findings) <= 100


def test_overlapping_members_are_bounded() -> None:
    # Every entry of the directory leads to the same octets (the idea of "A better zip bomb", Fifield 2019).
    body = packed({"a": bytes(500_000)})
    start, end = body.index(b"PK\x01\x02"), body.index(b"PK\x05\x06")
    entry, tail = body[start:end], bytearray(body[end:])
    count = 5000
    tail[8:10] = tail[10:12] = count.to_bytes(2, "little")
    tail[12:16] = (len(entry) * count).to_bytes(4, "little")
    budget = Budget()
    found = inspect("a.zip", body[:start] + entry * count + bytes(tail), "", budget)
    assert "archive_too_large" in ids(found) or "archive_too_many_members" in ids(found)
    assert not found.is_complete


@given(st.sampled_from([one[2] for one in FOUND if len(one[2]) < 5000]), st.data())
def test_no_damage_to_a_file_breaks_the_check(data: bytes, draw: st.DataObject) -> None:
    noise = draw.draw(st.binary(max_size=20))
    at = draw.draw(st.integers(0, len(data)))
    damaged = data[:at] + noise + data[at + len(noise) :]
    for name in ("a.zip", "a.eml", ""):
        for one in look(name, damaged).findings:
            assert one.path.encode(), one.id
            assert one.description.encode(), one.id
