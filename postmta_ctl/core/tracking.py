"""Open pixels and click redirects: the links put into a message, and reading them back.

A link carries what it needs in a signed token: whose it is and, for a click, where to go. So nothing is stored per
link, and a redirect can only lead where a message of ours pointed: the endpoint is no open redirector.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Callable
from functools import lru_cache
from html.parser import HTMLParser

import msgspec

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""
MAX_URL = 2000
"""Longer targets are left as they are: a token would make the link too long for some mail programs."""

_SIGNATURE = 16
_HREF = re.compile(r"""(?is)(\shref\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")
_END_OF_BODY = re.compile(r"</body\s*>", re.IGNORECASE)


@lru_cache(maxsize=16)
def _purpose_key(secret: bytes, purpose: bytes) -> str:
    return hmac.digest(secret, purpose, hashlib.sha256).hex()


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a token says: the recipient, and for a click the target."""

    recipient_id: str
    url: str = ""


class Tracker(msgspec.Struct, frozen=True):
    """Makes and reads the links of one installation.

    Args:
        secret: Signs the tokens.
        base_url: Where the tracking endpoints are reached, without a trailing slash.
        former_secrets: Signed the tokens of links that are in mail already; they are read as well.
    """

    secret: bytes
    base_url: str
    former_secrets: tuple[bytes, ...] = ()

    def at(self, host: str | None) -> Tracker:
        """The same at a host of the sending domain's own, by HTTPS: whoever points a name here has it served so."""
        return self if host is None else msgspec.structs.replace(self, base_url=f"https://{host}")

    def open_url(self, recipient_id: str) -> str:
        """The address of the pixel."""
        return f"{self.base_url}/track/open/{self._token(Link(recipient_id), b'open')}"

    def click_url(self, recipient_id: str, url: str) -> str:
        """The address that leads to ``url`` and tells that it was followed."""
        return f"{self.base_url}/track/click/{self._token(Link(recipient_id, url), b'click')}"

    def unsubscribe_url(self, recipient_id: str) -> str:
        """The address by which a recipient asks for no more mail (RFC 8058)."""
        return self.unsubscribe_base + self._token(Link(recipient_id), b"unsubscribe")

    @property
    def unsubscribe_base(self) -> str:
        """What the addresses for unsubscribing begin with."""
        return f"{self.base_url}/unsubscribe/"

    @property
    def unsubscribe_key(self) -> str:
        """What a node needs to make such addresses for mail that is submitted to it, and no other tokens."""
        return _purpose_key(self.secret, b"unsubscribe")

    def read_unsubscribe(self, token: str) -> Link | None:
        """What such a token says; nothing if it is not of our making."""
        return self._read(token, b"unsubscribe")

    def read_open(self, token: str) -> Link | None:
        """What a pixel's token says; nothing if it is not of our making."""
        return self._read(token, b"open")

    def read_click(self, token: str) -> Link | None:
        """What a click's token says; nothing if it is not of our making."""
        return self._read(token, b"click")

    def instrument(self, body: str, recipient_id: str, *, opens: bool, clicks: bool) -> str:
        """The HTML with its links going through us, and the pixel at its end. All else stays byte for byte."""
        if clicks:
            body = _replace_links(body, lambda url: self.click_url(recipient_id, url))
        if opens:
            pixel = f'<img src="{self.open_url(recipient_id)}" width="1" height="1" alt="">'
            ends = list(_END_OF_BODY.finditer(body))
            at = ends[-1].start() if ends else len(body)
            body = body[:at] + pixel + body[at:]
        return body

    def _token(self, link: Link, purpose: bytes) -> str:
        payload = msgspec.msgpack.encode(link)
        return base64.urlsafe_b64encode(_sign(self.secret, payload, purpose) + payload).decode().rstrip("=")

    def _read(self, token: str, purpose: bytes) -> Link | None:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signature, payload = raw[:_SIGNATURE], raw[_SIGNATURE:]
        for secret in (self.secret, *self.former_secrets):
            if hmac.compare_digest(signature, _sign(secret, payload, purpose)):
                return msgspec.msgpack.decode(payload, type=Link)
        return None


def _sign(secret: bytes, payload: bytes, purpose: bytes) -> bytes:
    return hmac.digest(_purpose_key(secret, purpose).encode(), payload, hashlib.sha256)[:_SIGNATURE]


class _Anchors(HTMLParser):
    """Finds the start tags of links, as text and place, without building a tree that would print differently."""

    def __init__(self, body: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, str]] = []
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", body))]
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") or ""
        if tag in ("a", "area") and target.strip().lower().startswith(("http://", "https://")):
            line, column = self.getpos()
            self.found.append((self._line_starts[line - 1] + column, self.get_starttag_text() or ""))


def _replace_links(body: str, tracked: Callable[[str], str]) -> str:
    pieces, done = [], 0
    for at, tag in _Anchors(body).found:
        pieces += [body[done:at], _HREF.sub(lambda match: _replaced(match, tracked), tag, count=1)]
        done = at + len(tag)
    return "".join([*pieces, body[done:]])


def _replaced(match: re.Match[str], tracked: Callable[[str], str]) -> str:
    url = html.unescape(match[2].strip("\"'")).strip()
    if len(url) > MAX_URL:
        return match[0]
    return f'{match[1]}"{html.escape(tracked(url))}"'
