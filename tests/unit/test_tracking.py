"""Tracking links: what is put into a message, and that only ours are read back."""

from __future__ import annotations

import base64
import hmac
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.tracking import MAX_URL, Link, Tracker

TRACKER = Tracker(b"s" * 32, "https://track.example.com")
RID = "0192f0c1-7b1c-7def-8123-456789abcdef"


def links(body: str) -> list[str]:
    tokens = re.findall(r'(?i)href\s*=\s*"https://track\.example\.com/track/click/([^"]*)"', body)
    found = [TRACKER.read_click(token) for token in tokens]
    return [one.url for one in found if one]


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_link_is_read_back_as_it_was_made(recipient_id: str, url: str) -> None:
    token = TRACKER.click_url(recipient_id, url).rpartition("/")[2]
    assert TRACKER.read_click(token) == Link(recipient_id, url)


@given(st.text(max_size=200))
def test_a_token_of_somebody_else_is_nothing(token: str) -> None:
    assert TRACKER.read_open(token) is None
    assert TRACKER.read_click(token) is None


def test_a_token_serves_one_purpose_and_one_installation() -> None:
    token = TRACKER.open_url(RID).rpartition("/")[2]
    assert TRACKER.read_open(token) == Link(RID)
    assert TRACKER.read_click(token) is None
    assert Tracker(b"x" * 32, "").read_open(token) is None
    assert TRACKER.read_open(("A" if token[0] != "A" else "B") + token[1:]) is None


@pytest.mark.parametrize(
    ("tag", "target"),
    [
        ('<a href="https://example.com/?a=1&amp;b=2">', "https://example.com/?a=1&b=2"),
        ("<A class=x HREF='http://example.com/'>", "http://example.com/"),
        ("<a href=http://example.com/x title=y>", "http://example.com/x"),
        ('<a\n  href = " https://example.com "\n>', "https://example.com"),
        ('<area href="https://example.com/map">', "https://example.com/map"),
    ],
)
def test_links_go_through_us(tag: str, target: str) -> None:
    body = f"<p>Grüße</p>\r\n{tag}text</a><br/>"
    changed = TRACKER.instrument(body, RID, opens=False, clicks=True)
    assert links(changed) == [target]
    assert changed.startswith("<p>Grüße</p>\r\n")
    assert changed.endswith("text</a><br/>")


@pytest.mark.parametrize(
    "body",
    [
        '<a href="mailto:x@example.com">',
        '<a href="#top">',
        '<a href="{{unsubscribe}}">',
        "<!-- <a href='https://example.com'> -->",
        '<link href="https://example.com/style.css">',
        '<a name="x">',
        f'<a href="https://example.com/{"x" * MAX_URL}">',
        "<a href=",
        "no html at all < > &",
    ],
)
def test_everything_else_stays_byte_for_byte(body: str) -> None:
    assert TRACKER.instrument(body, RID, opens=False, clicks=True) == body


@given(st.text(max_size=500))
def test_any_text_survives(body: str) -> None:
    changed = TRACKER.instrument(body, RID, opens=True, clicks=False)
    assert changed.replace(re.search(r"<img [^>]*track/open[^>]*>", changed)[0], "", 1) == body  # type: ignore[index]
    TRACKER.instrument(body, RID, opens=False, clicks=True)


def test_the_pixel_stands_at_the_end_of_the_body() -> None:
    changed = TRACKER.instrument("<body>x</body></html>", RID, opens=True, clicks=False)
    assert re.fullmatch(r"<body>x<img src=\"https://[^\"]*\" width=\"1\" height=\"1\" alt=\"\"></body></html>", changed)


def test_the_key_for_unsubscribing_makes_no_other_links() -> None:
    payload = msgspec.msgpack.encode(Link("r-1", "https://example.com/"))
    signature = hmac.digest(TRACKER.unsubscribe_key.encode(), payload, "sha256")[:16]
    token = base64.urlsafe_b64encode(signature + payload).decode().rstrip("=")
    assert TRACKER.read_unsubscribe(token) == Link("r-1", "https://example.com/")
    assert TRACKER.read_click(token) is None
    assert TRACKER.read_open(token) is None
