from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core import kept_content
from postmta_ctl.core.attachments import Attachment
from postmta_ctl.core.mime import Content

WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAME = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=20)
CONTENTS = st.builds(
    Content,
    headers=st.dictionaries(NAME, WORD, max_size=20),
    text=st.none() | WORD,
    html=st.none() | WORD,
    attachments=st.lists(
        st.builds(Attachment, data=st.binary(max_size=20), content_type=WORD, file_name=st.none() | WORD), max_size=2
    ).map(tuple),
)


@given(CONTENTS)
def test_a_content_is_read_as_it_was_kept(content: Content) -> None:
    read = kept_content.read(kept_content.keep(kept_content.kept(content)))

    assert read == kept_content.kept(content)
    assert read.opened() == content
    assert (read.has_text, read.has_html) == (content.text is not None, content.html is not None)


@given(CONTENTS)
def test_what_an_earlier_version_kept_is_read(content: Content) -> None:
    assert kept_content.read(msgspec.msgpack.encode(content)) == kept_content.kept(content)


def test_values_stand_as_a_request_has_them() -> None:
    content = Content(headers={"To": "b@example.org", "From": "a@example.com"}, text="{{ h0 }}\r\n", html="<p>ö")

    kept = kept_content.kept(content)

    assert kept.header_names == "From:To"
    assert json.loads(kept.values) == {
        "h0": "a@example.com",
        "h1": "b@example.org",
        "text": "{{ h0 }}\r\n",
        "html": "<p>ö",
    }


@pytest.mark.parametrize("stored", [b"{}", b"\xc1", b"\x95\x01"])
def test_something_else_is_no_content(stored: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        kept_content.read(stored)
