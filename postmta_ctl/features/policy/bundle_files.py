"""The files of a bundle as text: none that does not belong, no secret, nothing that reads otherwise than it runs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding

_LAYOUT = re.compile(
    r"(?:tsa_)?init\.lua|data/tsa/automation\.json|[a-z_]+\.toml|(?:postmta|generated)/[a-z_]+\.lua|data/[a-z_]+/[0-9a-f]{4,8}\.json"
)
_SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\"(?:admin|ingest)_token\"\s*:")
_CACHE = re.compile(r"name = '([^']+)',\s*ttl = ")
_TROUBLE = {
    "single-recipient": (
        re.compile(r":\s*recipient\s*\("),
        "recipient() is a list as soon as a message has two: recipient_list()",
    ),
    "policy-extras": (
        re.compile(r"policy-extras"),
        "KumoMTA's helpers register handlers of their own beside ours; this policy does without",
    ),
}


def file_problems(bundle: Bundle) -> Iterator[Finding]:
    """What is wrong with single files, whatever they mean."""
    for path, content in bundle.files.items():
        if not _LAYOUT.fullmatch(path):
            message = "no file of a bundle; a node would get it"
            yield Finding(code="stray-file", message=message, where=path)
        yield from _text_problems(path, content)
    yield from _shared_caches(bundle)


def _shared_caches(bundle: Bundle) -> Iterator[Finding]:
    """Two functions that kumo.memoize keeps under one name would answer for each other."""
    kept: dict[str, str] = {}
    for path, content in bundle.files.items():
        for name in _CACHE.findall(content.decode("utf-8", "replace")) if path.endswith(".lua") else ():
            if name in kept:
                message = f"{kept[name]} has a cache of the name {name}, too"
                yield Finding(code="shared-cache", message=message, where=path)
            kept[name] = path


def _text_problems(path: str, content: bytes) -> Iterator[Finding]:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        yield Finding(code="not-utf8", message=f"octet {error.start} is not UTF-8", where=path)
        return
    if _SECRET.search(text):
        message = "a secret: keys and tokens lie beside the releases on a node, never in one"
        yield Finding(code="secret-in-bundle", message=message, where=path)
    if text.isascii() and not path.endswith(".lua"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        yield from _line_problems(f"{path}:{number}", line, is_lua=path.endswith(".lua"))


def _line_problems(where: str, line: str, *, is_lua: bool) -> Iterator[Finding]:
    hidden = [character for character in line if unicodedata.category(character) == "Cf"]
    if hidden:
        # Such as U+202E: it shows a reviewer another order than Lua reads.
        message = f"holds U+{ord(hidden[0]):04X}, which is not to be seen"
        yield Finding(code="hidden-character", message=message, where=where)
    if is_lua and not line.lstrip().startswith("--"):
        for code, (pattern, message) in _TROUBLE.items():
            if pattern.search(line):
                yield Finding(code=code, message=message, where=where)


def link_problems(folder: Path) -> Iterator[Finding]:
    """Links in a bundle's folder: what they lead to is not reviewed with it, and may be anything on this host."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            message = "a link; a bundle is made of files"
            yield Finding(code="link", message=message, where=path.relative_to(folder).as_posix())
