"""What ``core.mime`` and ``core.inject`` assume of KumoMTA's message builder, on a real kumod.

Messages of many kinds are packed, injected and delivered into maildirs; what arrives is what was meant.
Needs ``KUMOD=/path/to/kumod`` or kumod on the PATH.
"""

from __future__ import annotations

import email
import email.policy
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.core.addresses import Mailbox, parse_mailbox
from postmta_ctl.core.attachments import Attachment
from postmta_ctl.core.inject import InjectCall, InjectItem, pack
from postmta_ctl.core.inject_answer import Result, read_answer
from postmta_ctl.core.mime import Content, Draft, compose

KUMOD = os.environ.get("KUMOD") or shutil.which("kumod")
pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
POLICY = """
local kumo = require 'kumo'
kumo.on('init', function()
  kumo.configure_accounting_db_path '{folder}/accounting.db'
  kumo.define_spool {{ name = 'data', path = '{folder}/data' }}
  kumo.define_spool {{ name = 'meta', path = '{folder}/meta' }}
  kumo.start_http_listener {{ listen = '127.0.0.1:{port}' }}
end)
kumo.on('get_queue_config', function()
  return kumo.make_queue_config {{ protocol = {{ maildir_path = '{folder}/mail' }} }}
end)
"""


class Node:
    """A kumod that delivers everything into one maildir."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._url = f"http://127.0.0.1:{port}/api/inject/v1"

    def inject(self, call: InjectCall) -> list[Result]:
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self._url, call.body, headers), timeout=30) as answer:
            return [outcome.result for outcome in read_answer(call, answer.status, answer.read())]

    def delivered(self, message_ids: set[str]) -> dict[str, bytes]:
        """The messages by Message-ID, once all of these are there."""
        found: dict[str, bytes] = {}
        for _ in range(300):
            sources = [path.read_bytes() for path in self._folder.glob("mail/new/*")]
            found = {str(parsed(source)["Message-ID"]): source for source in sources}
            if message_ids <= found.keys():
                return found
            time.sleep(0.1)
        pytest.fail(f"not delivered within 30 s: {message_ids - found.keys()}")


def parsed(source: bytes) -> EmailMessage:
    return email.message_from_bytes(source, policy=email.policy.default)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = folder / "policy.lua"
        policy.write_text(POLICY.format(folder=folder, port=port))
        for path in (folder / "data", folder / "meta"):
            path.mkdir()
        process = subprocess.Popen(
            [str(KUMOD), *_as_user(folder), "--policy", str(policy)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            yield Node(folder, port)
        finally:
            process.kill()
            process.wait()


def _as_user(folder: Path) -> list[str]:
    """kumod does not run as root: it needs the name of a user who can write to the folder."""
    if os.geteuid() != 0:
        return []
    user = next(user for user in pwd.getpwall() if user.pw_name in ("kumod", "nobody"))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    return ["--user", user.pw_name]


def _wait_for(port: int) -> None:
    for _ in range(150):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/check-liveness/v1", timeout=5) as answer:
                assert answer.read() == b"OK"
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail("kumod did not start within 30 s")


DRAFTS: dict[str, dict[str, Any]] = {
    "template-syntax": {
        "subject": "{{ 1+1 }} {% if %} <b>&amp;",
        "text": "{{ x }}\n{# y #}",
        "html": "<i>{{ x|safe }}",
    },
    "escapable-html": {"html": '<p class="a" id=\'b\'>&amp; < > € "</p>\n', "text": None},
    "line-ends": {"text": "one\ntwo\rthree\r\n\n.dot\nFrom here\n trailing  \n"},
    "long-lines": {"text": "word " * 600 + "\n" + "x" * 2000},
    "non-ascii": {"subject": "日本語の件名 " * 20, "text": "Grüße\n", "html": "<p>" + "日本語" * 300},
    "names": {
        "sender": Mailbox("ann", "example.org", 'Müller, "Ann"'),
        "reply_to": (parse_mailbox("a@bücher.example"),),
    },
    "many-recipients": {"to": tuple(Mailbox(f"u{n}", "example.com", f"Näme, {n}") for n in range(40))},
    "nobody-shown": {"to": ()},
    "own-headers": {
        "headers": (("X-Spaces", " a  b "), ("X-Word", "w" * 1500), ("X-Typed", "=?utf-8?q?x?=")),
        "html": "x",
    },
    "files": {
        "html": '<img src="cid:logo">',
        "attachments": (
            Attachment(data=b"\x89PNG\r\n\x00", content_type="image/png", file_name="lögo.png", content_id="logo"),
            Attachment(data=b"hello\nworld", content_type="text/csv; charset=utf-8", file_name="日本語 (1); x=y.csv"),
            Attachment(data=b"%PDF", content_type="application/pdf", file_name="it's 100% final; a=b, (c)" + "n" * 99),
            Attachment(data=b""),
        ),
    },
}


def content(name: str) -> Content:
    fields: dict[str, Any] = {
        "sender": Mailbox("ann", "example.org"),
        "to": (Mailbox("bob", "example.com"),),
        "subject": name,
        "text": "Hello.",
    }
    return compose(Draft(**fields | DRAFTS[name]), message_id=f"<{name}@example.org>", date=NOW)


def item(name: str, address: str) -> InjectItem:
    made = content(name)
    return InjectItem(
        rid=f"{name}#{address}",
        address=address,
        message_id=name,
        envelope_sender="b@bounce.example.org",
        headers=made.headers,
        text=made.text,
        html=made.html,
        attachments=made.attachments,
    )


@pytest.fixture(scope="module")
def arrived(node: Node) -> dict[str, bytes]:
    for call in pack(item(name, "bob@example.com") for name in DRAFTS):
        assert set(node.inject(call)) == {Result.INJECTED}
    return node.delivered({f"<{name}@example.org>" for name in DRAFTS})


@pytest.mark.parametrize("name", DRAFTS)
def test_headers_arrive_as_meant(arrived: dict[str, bytes], name: str) -> None:
    message = parsed(arrived[f"<{name}@example.org>"])
    meant = parsed("".join(f"{key}: {value}\r\n" for key, value in content(name).headers.items()).encode() + b"\r\n")

    for field, value in meant.items():
        assert [" ".join(str(found).split()) for found in message.get_all(field, [])] == [" ".join(str(value).split())]
    assert str(message["Subject"]) == DRAFTS[name].get("subject", name)
    assert message["Received"] is None
    assert len(message.get_all("MIME-Version", [])) == 1


@pytest.mark.parametrize("name", DRAFTS)
def test_bodies_arrive_as_meant_but_for_a_last_line_end(arrived: dict[str, bytes], name: str) -> None:
    message, meant = parsed(arrived[f"<{name}@example.org>"]), content(name)
    for kind, body in (("plain", meant.text), ("html", meant.html)):
        part = message.get_body(preferencelist=(kind,))
        assert (part is None) == (body is None)
        if part is not None and body is not None:
            found = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
            assert found.removesuffix("\r\n") == body.removesuffix("\r\n")


@pytest.mark.parametrize("name", DRAFTS)
def test_lines_are_short_enough_and_end_in_crlf(arrived: dict[str, bytes], name: str) -> None:
    source = arrived[f"<{name}@example.org>"]

    assert max(map(len, source.split(b"\r\n"))) <= 998
    assert not set(source.replace(b"\r\n", b"")) & set(b"\r\n")


def test_files_arrive_as_meant(arrived: dict[str, bytes]) -> None:
    message = parsed(arrived["<files@example.org>"])
    parts = [part for part in message.walk() if part.get_content_disposition()]

    assert message.get_content_type() == "multipart/mixed"
    for part, meant in zip(parts, DRAFTS["files"]["attachments"], strict=True):
        assert part.get_payload(decode=True) == meant.data
        assert part.get_filename() == meant.file_name
        assert part.get_content_type() == meant.content_type.partition(";")[0]
        assert part.get_content_disposition() == ("inline" if meant.content_id else "attachment")
        assert part["Content-ID"] == (f"<{meant.content_id}>" if meant.content_id else None)


@pytest.mark.parametrize(
    "address",
    ['"ann lee"@example.com', r'"a\"b"@example.com', "o'brien@example.com", "!#$%&*+/=?^_`{|}~-@a-b.example.com"],
)
def test_odd_addresses_are_accepted(node: Node, address: str) -> None:
    (call,) = pack([item("line-ends", parse_mailbox(address).address)])

    assert node.inject(call) == [Result.INJECTED]
