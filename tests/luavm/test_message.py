"""What a policy can do to a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from postmta_ctl.luavm import Message, PolicyError, QueueName, Vm

DATA = (
    b"From: =?utf-8?q?M=C3=BCller?= <m@example.com>\r\nX-Job: 7\r\nx-job-tag: a\r\nSubject: one\r\n two\r\n\r\n"
    b"Body \xff\x00\r\n"
)


@pytest.fixture
def edit(load: Callable[..., Vm]) -> Callable[..., tuple[Message, Any]]:
    """Run Lua on a message; gives the message and what was returned."""

    def edit(body: str, data: bytes = DATA, **message: Any) -> tuple[Message, Any]:
        vm = load(f"kumo.on('smtp_server_message_received', function(msg, meta)\n{body}\nend)")
        given = {"id": "77", "sender": "s@s.example", "recipients": ["r@R.example"], **message}
        target = Message(data=data, clock=vm.node.clock, **given)
        answer = vm.fire("smtp_server_message_received", target)
        return target, vm.to_plain(answer)

    return edit


Edit = Callable[..., tuple[Message, Any]]


def test_envelope(edit: Edit) -> None:
    message, answer = edit(
        "local s, r = msg:sender(), msg:recipient()\nmsg:set_sender('b+1@bounce.example')\n"
        "msg:set_recipient 'x@y.example'\nmsg:set_recipient { r, msg:recipient() }\n"
        "return { s.user, s.domain, s.email, tostring(r), #msg:recipient(), msg:recipient_list()[2].domain, msg:id() }"
    )
    assert answer == ["s", "s.example", "s@s.example", "r@R.example", 2, "y.example", "77"]
    assert message.sender.email == "b+1@bounce.example"


def test_the_null_sender_has_empty_parts(edit: Edit) -> None:
    assert edit("return { msg:sender().email, msg:sender().domain }", sender="")[1] == ["", ""]


@pytest.mark.parametrize(
    ("meta", "queue"),
    [
        ({}, "r.example"),
        ({"tenant": "t"}, "t@r.example"),
        ({"tenant": "t", "campaign": "c"}, "c:t@r.example"),
        ({"campaign": "c"}, "c:@r.example"),
        ({"tenant": "t", "routing_domain": "x"}, "t@r.example!x"),
        ({"tenant": "t", "queue": "own"}, "own"),
    ],
)
def test_the_queue_follows_from_the_meta(edit: Edit, meta: dict[str, str], queue: str) -> None:
    sets = "\n".join(f"msg:set_meta('{name}', '{value}')" for name, value in meta.items())
    assert edit(f"{sets}\nreturn msg:queue_name()")[1] == queue


@pytest.mark.parametrize("name", ["d", "t@d", "c:t@d", "c:@d", "t@d!r", "c:t@d!r", "d!r"])
def test_queue_names_go_there_and_back(name: str) -> None:
    assert str(QueueName.parse(name)) == name


def test_a_campaign_without_a_tenant_has_an_empty_one() -> None:
    assert QueueName.parse("c:@D.Example") == QueueName("d.example", tenant="", campaign="c")


def test_meta_keeps_json(edit: Edit) -> None:
    message, answer = edit(
        "msg:set_meta('x_a', { 1, { b = true } })\nreturn msg:get_meta('x_a')[2].b, msg:get_meta('no')"
    )
    assert (message.meta["x_a"], answer) == ([1, {"b": True}], True)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("wrong_type", "msg:set_meta('tenant', 7)"),
        ("lenient_queue_name", "msg:set_meta('tenant', 'a@b')"),
        ("wrong_type", "msg:set_meta('x_f', print)"),
        ("wrong_argument_count", "msg:set_meta('x')"),
        ("unknown_method", "msg:set_metta('x', 1)"),
        ("wrong_type", "msg.get_meta('x')"),
        ("bad_value", "msg:set_sender('nobody')"),
        ("bad_value", "msg:append_header('X-A', 'a\\r\\nBcc: b')"),
        ("bad_value", "msg:append_header('X A', 'a')"),
        ("not_simulated", "msg:parse_mime()"),
        ("wrong_type", "msg.id = 1"),
    ],
)
def test_refusals(edit: Edit, code: str, body: str) -> None:
    with pytest.raises(PolicyError) as caught:
        edit(body)
    assert (caught.value.code, caught.value.line) == (code, 3)


def test_data_is_binary_safe(edit: Edit) -> None:
    message, answer = edit("local d = msg:get_data()\nmsg:set_data(d .. '\\xfe\\0é')\nreturn #d")
    assert answer == len(DATA)
    assert message.data == DATA + b"\xfe\0" + "é".encode()


def test_headers_are_read_decoded_and_unfolded(edit: Edit) -> None:
    answer = edit(
        "return { msg:get_first_named_header_value('subject'), msg:from_header().name, msg:from_header().email,"
        " #msg:get_all_headers(), msg:to_header() == nil, msg:get_first_named_header_value('no') == nil }"
    )[1]
    assert answer == ["one two", "Müller", "m@example.com", 4, True, True]


def test_several_addresses_have_no_single_domain(edit: Edit) -> None:
    data = b"To: A <a@a.example>, b@b.example\r\n\r\n"
    assert edit("return msg:to_header().list[2].domain", data)[1] == "b.example"
    with pytest.raises(PolicyError, match="expected one address, the header holds 2"):
        edit("return msg:to_header().domain", data)


def test_headers_are_edited_in_place(edit: Edit) -> None:
    message, _ = edit(
        "msg:prepend_header('X-First', 'Größe')\nmsg:append_header('X-Last', 'x')\n"
        "msg:remove_all_named_headers('subject')"
    )
    assert message.data == (
        b"X-First: =?utf-8?b?R3LDtsOfZQ==?=\r\nFrom: =?utf-8?q?M=C3=BCller?= <m@example.com>\r\nX-Job: 7\r\n"
        b"x-job-tag: a\r\nX-Last: x\r\n\r\nBody \xff\x00\r\n"
    )


def test_x_headers_become_meta(edit: Edit) -> None:
    message, _ = edit("msg:import_x_headers()\nmsg:remove_x_headers { 'X-JOB' }")
    assert message.meta == {"x_job": "7", "x_job_tag": "a"}
    assert b"X-Job:" not in message.data
    assert b"x-job-tag:" in message.data
    assert edit("msg:import_x_headers { 'x-job' }")[0].meta == {"x_job": "7"}


@pytest.mark.parametrize(
    ("transform", "key"),
    [("snake_case", "x_job_id"), ("kebab_case", "x-job-id"), ("camel_case", "xJobId"), ("pascal_case", "XJobId")],
)
def test_headers_are_imported_by_spec(edit: Edit, transform: str, key: str) -> None:
    data = b"X-Job-Id: 1\r\nX-Job-Id: 2\r\nX-Other: 3\r\n\r\n"
    specs = f"{{ name = 'x-job-id', match = 'all', transform = '{transform}', remove = true }}"
    message, _ = edit(
        f"msg:import_headers {{ {specs}, {{ name = 'X-Other', target = 'o' }}, {{ name = 'X-No' }} }}", data
    )
    assert message.meta == {key: ["1", "2"], "o": "3"}
    assert message.data == b"X-Other: 3\r\n\r\n"


def test_scheduling(edit: Edit) -> None:
    message, _ = edit(
        "msg:set_scheduling { first_attempt = '2026-08-05T00:00:00Z' }\nmsg:set_due('2026-08-05T00:00:00Z')"
    )
    assert message.scheduling == {"first_attempt": "2026-08-05T00:00:00Z"}
    assert message.due is not None
    assert message.due.isoformat() == "2026-08-05T00:00:00+00:00"
    with pytest.raises(PolicyError, match="missing_option"):
        edit("msg:set_scheduling { dow = 'Mon' }")


def test_conformance(edit: Edit) -> None:
    message, answer = edit(
        "return msg:check_fix_conformance('MISSING_DATE_HEADER|LINE_TOO_LONG', 'MISSING_MESSAGE_ID_HEADER')",
        b"Subject: x\r\n\r\nx\r\n",
    )
    assert answer == "MISSING_DATE_HEADER"
    assert b"Message-ID: <77@localhost>\r\n" in message.data
    with pytest.raises(PolicyError, match="bad_value"):
        edit("msg:check_fix_conformance('MISSING', '')")
