"""The kind of a file by its first octets, and whether its name and declared type agree with it."""

from __future__ import annotations

import re

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
ZIP = "application/zip"
OLE = "application/x-ole-storage"
TAR = "application/x-tar"
MAIL = "message/rfc822"
PDF = "application/pdf"
RTF = "application/rtf"
HTML = "text/html"

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", TAR),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"MSCF", "application/vnd.ms-cab-compressed"),
    (0, b"\x1f\x9d", "application/x-compress"),
    (32769, b"CD001", "application/x-iso9660-image"),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"\xca\xfe\xba\xbe", "application/x-mach-binary"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"MZ", "application/x-msdownload"),
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"),
    (0, b"{\\rtf", RTF),
    (0, b"#!", "text/x-script"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
)
EXECUTABLE = {
    "application/x-msdownload": "a Windows program",
    "application/x-elf": "a Linux program",
    "application/x-mach-binary": "a macOS program or Java class",
    "application/x-ms-shortcut": "a Windows shortcut",
    "text/x-script": "a script with an interpreter line",
    "application/java-archive": "a Java program",
    "application/x-msi": "a Windows installer",
}
"""Kinds that run when they are opened, in words."""
UNOPENED = {
    "application/vnd.rar": "RAR",
    "application/x-7z-compressed": "7z",
    "application/vnd.ms-cab-compressed": "CAB",
    "application/x-compress": "compress",
    "application/x-iso9660-image": "ISO image",
}
"""Archives that are known and not unpacked here."""
RUNNABLE_NAMES = frozenset(
    {"exe", "scr", "com", "pif", "bat", "cmd", "msi", "msp", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "ps1"}
    | {"psm1", "jar", "lnk", "cpl", "reg", "dll", "sys", "gadget", "inf", "scf", "url", "iso", "img", "vhd", "vhdx"}
    | {"one", "chm", "xll", "appx", "msix", "apk", "sh", "command", "desktop", "settingcontent-ms", "library-ms"}
)
"""Endings whose files run something when they are opened."""
_OOXML = "application/vnd.openxmlformats-officedocument"
_OFFICE_XML = frozenset({_OOXML, ZIP})
_BY_ENDING: dict[str, frozenset[str]] = {
    "pdf": frozenset({PDF}),
    "png": frozenset({"image/png"}),
    "jpg": frozenset({"image/jpeg"}),
    "jpeg": frozenset({"image/jpeg"}),
    "gif": frozenset({"image/gif"}),
    "zip": frozenset({ZIP, _OOXML, "application/java-archive"}),
    "gz": frozenset({"application/gzip"}),
    "tgz": frozenset({"application/gzip"}),
    "tar": frozenset({TAR}),
    "rtf": frozenset({RTF}),
    "rar": frozenset({"application/vnd.rar"}),
    "7z": frozenset({"application/x-7z-compressed"}),
    # Old Office programs open RTF and HTML under these names, and write encrypted OOXML as OLE.
    "doc": frozenset({OLE, RTF, HTML, TEXT}),
    "xls": frozenset({OLE, HTML, TEXT}),
    "ppt": frozenset({OLE}),
    **dict.fromkeys(("docx", "docm", "xlsx", "xlsm", "pptx", "pptm"), frozenset({*_OFFICE_XML, OLE})),
    **dict.fromkeys(("txt", "csv", "log"), frozenset({TEXT, HTML, UNKNOWN})),
}
_BY_TYPE: dict[str, frozenset[str]] = {
    "application/pdf": _BY_ENDING["pdf"],
    "image/png": _BY_ENDING["png"],
    "image/jpeg": _BY_ENDING["jpeg"],
    "image/gif": _BY_ENDING["gif"],
    "application/zip": _BY_ENDING["zip"],
    "application/gzip": _BY_ENDING["gz"],
    "text/plain": _BY_ENDING["txt"],
    "text/csv": _BY_ENDING["txt"],
}
_HTML = re.compile(rb"<\s*(?:!doctype\s+html|html|head|body|script|svg)\b", re.IGNORECASE)


def kind_of(data: bytes) -> str:
    """The media type that the octets themselves tell; :data:`TEXT` or :data:`UNKNOWN` if they tell none."""
    for offset, magic, kind in _MAGIC:
        if data.startswith(magic, offset):
            return kind
    if b"%PDF-" in data[:1024]:
        return PDF
    if _HTML.search(data[:4096]):
        return HTML
    return UNKNOWN if _is_binary(data[:4096]) else TEXT


def endings(name: str) -> list[str]:
    """What follows each dot of a name, in lower case; dots and spaces at its end count for nothing, as in Windows."""
    return [part.strip() for part in name.lower().rstrip(". ").split(".")[1:]]


def is_disguised(name: str) -> bool:
    """Whether a name ends in two endings of which only the first looks harmless, such as ``invoice.pdf.exe``."""
    last = endings(name)[-2:]
    return len(last) == 2 and last[1] in RUNNABLE_NAMES and (last[0] in _BY_ENDING or last[0] in {"html", "mp4"})


def disagreement(name: str, declared: str, kind: str) -> str | None:
    """How the name or the declared media type contradicts the octets."""
    last = (endings(name) or [""])[-1]
    if last in _BY_ENDING and kind not in _BY_ENDING[last]:
        return f"is called .{last}, and its octets say {kind}"
    media_type = declared.partition(";")[0].strip().lower()
    if media_type in _BY_TYPE and kind not in _BY_TYPE[media_type]:
        return f"is declared as {media_type}, and its octets say {kind}"
    return None


def _is_binary(beginning: bytes) -> bool:
    return b"\0" in beginning and not beginning.startswith((b"\xff\xfe", b"\xfe\xff"))
