"""Rules about what is read, what is hidden, and where links lead."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from postmta_ctl.core.spam.html_facts import Link
from postmta_ctl.core.spam.mail import Mail
from postmta_ctl.core.spam.rules import Rule, quoted

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The Generic Test for Unsolicited Bulk Email: whatever judges spam calls a message spam that has it."""
SHORTENERS = frozenset(
    {"bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "rebrand.ly", "cutt.ly", "t.ly"}
    | {"rb.gy", "shorturl.at", "tiny.cc", "bl.ink", "v.gd", "s.id", "adf.ly", "lnkd.in"}
)
PROGRAMS = frozenset(
    {".exe", ".scr", ".com", ".pif", ".bat", ".cmd", ".msi", ".vbs", ".vbe", ".js", ".jse", ".wsf", ".hta", ".ps1"}
    | {".jar", ".lnk", ".cpl", ".reg", ".iso", ".img", ".dll"}
)
PHRASES = (
    "100% free",
    "act now",
    "click here now",
    "earn money fast",
    "extra income",
    "guaranteed winner",
    "lose weight fast",
    "make money online",
    "million dollars",
    "no credit check",
    "once in a lifetime",
    "risk-free",
    "this is not spam",
    "winning notification",
    "work from home",
    "you have been selected",
    "you have won",
    "your account will be suspended",
    "verify your account immediately",
)
HIDDEN_ALLOWED = 250
"""Characters: a preheader, the line that mail programs show beside the subject, is hidden in the body."""
CLIPPED_FROM = 102_400
"""Characters of HTML above which Gmail shows only the beginning, by its users' long experience."""
_DOMAIN_TEXT = re.compile(r"(?:https?://)?(?:www\.)?((?:[a-z0-9-]+\.)+[a-z]{2,24})(?:[/?#:]\S*)?", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"']{1,2000}", re.IGNORECASE)
_WORD = re.compile(r"\w{4,}")
_ZERO_WIDTH = re.compile("(?<=\\w)[\u200b\u2060\ufeff\u00ad](?=\\w)")


def _gtube(mail: Mail) -> str | None:
    return "the body holds the GTUBE string" if GTUBE in mail.words else None


def _empty(mail: Mail) -> str | None:
    has_more = mail.attachments or (mail.html is not None and mail.html.images)
    return None if mail.words.strip() or has_more else "there is no text"


def _html_only(mail: Mail) -> str | None:
    return "text/html without text/plain" if mail.html is not None and not (mail.text or "").strip() else None


def _bodies_differ(mail: Mail) -> str | None:
    if mail.html is None or not mail.text:
        return None
    plain, shown = ({one.lower() for one in _WORD.findall(text)} for text in (mail.text, mail.html.visible))
    common = len(plain & shown)
    if min(len(plain), len(shown)) < 10 or common >= 0.2 * min(len(plain), len(shown)):
        return None
    return f"{common} words in common, of {len(plain)} in the text and {len(shown)} in the HTML"


def _images_only(mail: Mail) -> str | None:
    if mail.html is None or not mail.html.images or len(mail.html.visible) >= 40:
        return None
    return f"{mail.html.images} images and {len(mail.html.visible)} characters of text"


def _little_text(mail: Mail) -> str | None:
    html = mail.html
    if html is None or html.length < 10_000 or len(html.visible) >= 0.02 * html.length:
        return None
    return f"{len(html.visible)} characters of text in {html.length} of HTML"


def _hidden_text(mail: Mail) -> str | None:
    if mail.html is None or len(mail.html.hidden) <= HIDDEN_ALLOWED:
        return None
    return f"{len(mail.html.hidden)} hidden characters, such as {quoted(mail.html.hidden)}"


def _zero_width(mail: Mail) -> str | None:
    count = len(_ZERO_WIDTH.findall(mail.words))
    return f"{count} invisible characters within words" if count >= 5 else None


def _phrases(mail: Mail) -> str | None:
    text = " ".join(f"{mail.first('subject') or ''} {mail.words}".lower().split())
    found = [phrase for phrase in PHRASES if phrase in text]
    return ", ".join(quoted(one) for one in found) if len(found) >= 2 else None


def _links(mail: Mail) -> Iterator[Link]:
    if mail.html is not None:
        yield from mail.html.links
    if mail.text is not None:
        yield from (Link(match.group(), "") for _, match in zip(range(500), _URL.finditer(mail.text), strict=False))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.hostname
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") else None


def _host(url: str) -> str:
    parts = _split(url)
    return (parts.hostname or "").rstrip(".") if parts else ""


def _link_text_mismatch(mail: Mail) -> str | None:
    for link in mail.html.links if mail.html else ():
        shown, host = _DOMAIN_TEXT.fullmatch(link.text), _host(link.href)
        if shown and host and not _related(shown[1].lower(), host.lower()):
            return f"{quoted(link.text)} leads to {quoted(host)}"
    return None


def _related(one: str, other: str) -> bool:
    """Whether two hosts may be the same owner's. Neighbours under a suffix such as ``co.uk`` pass for that, too."""
    return one.split(".")[-2:] == other.split(".")[-2:]


def _shortener(mail: Mail) -> str | None:
    found = next((host for link in _links(mail) if (host := _host(link.href).removeprefix("www.")) in SHORTENERS), None)
    return f"a link goes through {found}" if found else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _link_to_address(mail: Mail) -> str | None:
    found = next((host for link in _links(mail) if _is_address(host := _host(link.href))), None)
    return f"a link leads to {found}" if found else None


def _link_with_user(mail: Mail) -> str | None:
    found = next((link.href for link in _links(mail) if (parts := _split(link.href)) and "@" in parts.netloc), None)
    return f"a link is {quoted(found)}" if found else None


def _script(mail: Mail) -> str | None:
    return f"{mail.html.scripts} scripts" if mail.html is not None and mail.html.scripts else None


def _form(mail: Mail) -> str | None:
    return f"{mail.html.forms} forms" if mail.html is not None and mail.html.forms else None


def _no_alt(mail: Mail) -> str | None:
    count = mail.html.images_without_alt if mail.html else 0
    return f"{count} images have no alt text" if count else None


def _clipped(mail: Mail) -> str | None:
    length = mail.html.length if mail.html else 0
    return f"the HTML has {length} characters" if length > CLIPPED_FROM else None


def _program(mail: Mail) -> str | None:
    found = next((name for name in mail.attachments if PurePosixPath(name.lower()).suffix in PROGRAMS), None)
    return f"an attachment is called {quoted(found)}" if found else None


RULES = (
    Rule("GTUBE", 1000.0, "The test string for spam filters", "Remove the test string.", _gtube),
    Rule("BODY_EMPTY", 1.5, "Nothing to read", "Write a text.", _empty),
    Rule("HTML_ONLY", 1.0, "No text alternative to the HTML", "Add a text/plain body that says the same.", _html_only),
    Rule("BODIES_DIFFER", 1.5, "Text and HTML say different things", "Say the same in both bodies.", _bodies_differ),
    Rule("IMAGES_ONLY", 2.0, "Images instead of text", "Write what the images say.", _images_only),
    Rule("LITTLE_TEXT", 0.5, "Much markup around little text", "Drop markup that shows nothing.", _little_text),
    Rule("HIDDEN_TEXT", 2.0, "Text that styles hide", "Remove hidden text longer than a preheader.", _hidden_text),
    Rule("ZERO_WIDTH", 1.5, "Invisible characters within words", "Remove the invisible characters.", _zero_width),
    Rule("PHRASES", 1.0, "Phrases that spam is full of", "Say it in other words.", _phrases),
    Rule(
        "LINK_TEXT_MISMATCH",
        2.5,
        "A link shows another address than it leads to",
        "Show words instead of an address, or the address that the link leads to.",
        _link_text_mismatch,
    ),
    Rule("LINK_SHORTENER", 1.5, "A link hides its target behind a shortener", "Link to the target itself.", _shortener),
    Rule("LINK_IP_ADDRESS", 2.0, "A link leads to a bare IP address", "Link to a host name.", _link_to_address),
    Rule("LINK_USERINFO", 2.0, "A link has a user name in it", "Remove what stands before the @.", _link_with_user),
    Rule("SCRIPT", 1.5, "Scripts, which no mail program runs", "Remove the scripts.", _script),
    Rule("FORM", 1.0, "A form in the message", "Link to the form.", _form),
    Rule("IMAGE_NO_ALT", 0.3, "Images without alt text", "Describe each image in its alt text.", _no_alt),
    Rule("HTML_CLIPPED", 0.3, "HTML that Gmail shows only in part", "Shorten the HTML.", _clipped),
    Rule("PROGRAM_ATTACHED", 3.0, "A program is attached", "Link to the file instead.", _program),
)
