"""The console's pure parts: how values are written, the menu, cookies and plots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from postmta_ctl.console import diffs, filters, navigation, plots, queue_words, session
from postmta_ctl.console.rendering import environment, with_query
from postmta_ctl.features.auth.principal import Principal, scopes_of
from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.queues.schemas import NodeState, Queue

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(seconds=0.4), "just now"),
        (timedelta(seconds=59), "59 seconds ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=47), "1 day ago"),
        (-timedelta(hours=2, minutes=5), "in 2 hours"),
    ],
)
def test_moments_are_told_by_their_distance(delta: timedelta, words: str) -> None:
    assert filters.relative(NOW - delta, NOW) == words


def test_numbers_are_written_for_readers() -> None:
    assert [filters.number(one) for one in (None, 0, 1204, 2.0, 1234.5)] == ["\u2013", "0", "1,204", "2", "1,234.5"]
    assert (filters.percent(0.1254), filters.percent(None)) == ("12.5 %", "\u2013")
    assert [filters.octets(one) for one in (10, 2048, 5 * 2**30)] == ["10 B", "2.0 KiB", "5.0 GiB"]
    assert (filters.counted(1, "message"), filters.counted(1204, "message")) == ("1 message", "1,204 messages")
    assert (filters.counted(2, "entry", "entries"), filters.duration(7300)) == ("2 entries", "2 hours")
    assert filters.stamp(NOW.astimezone()) == "2026-11-22 12:00:00 UTC"


def test_a_status_has_a_tone_whatever_names_it() -> None:
    tones = [filters.tone(one) for one in ("delivered", "message.bounced", "on-hold", "hmm")]
    assert tones == ["good", "bad", "warn", "plain"]


def test_the_menu_marks_the_page_that_is_open_and_offers_what_somebody_may() -> None:
    paths = [entry.path for _, group in navigation.MENU for entry in group]
    assert len(paths) == len(set(paths))
    operator = Principal(
        organization_id="1", organization="acme", role="owner", scopes=scopes_of("owner", is_operator=True)
    )
    for path in paths:
        shown = [one for _, group in navigation.menu(operator, f"{path}/details") for one in group]
        assert [one.path for one in shown if one.here] == [path]
        assert len(shown) == len(paths)
    assert navigation.menu(msgspec.structs.replace(operator, scopes=frozenset()), "/console") == []


@pytest.mark.parametrize("ours", ["/console", "/console/queues?held=true", "/console/queues/a:b@c.d/hold"])
def test_pages_of_the_console_are_gone_back_to(ours: str) -> None:
    assert session.own_page(ours) == ours


@pytest.mark.parametrize(
    "other", ["", "/", "//x", "/consoles", "/console/login", "/console\\@x", "/console?a b", "http:x"]
)
def test_nothing_else_is(other: str) -> None:
    assert session.own_page(other) == "/console"


def test_a_plot_has_a_value_or_none_for_each_time() -> None:
    plot = plots.by_time([(NOW, {"a": 1}), (NOW + timedelta(hours=1), {"b": 2})], (("a", "A"), ("b", "B")))
    assert [len(one.values) for one in plot.series] == [2, 2]
    assert plot.series[0] == plots.Series("A", [1, None])
    assert plot.times == [int(NOW.timestamp()), int(NOW.timestamp()) + 3600]


def test_a_diff_is_parted_by_files_and_cut_to_what_can_be_read() -> None:
    first = "--- a/x.lua\n+++ b/x.lua\n@@ -1,2 +1,2 @@\n a\n--- a comment\n+-- another\n"
    text = f"{first}--- /dev/null\n+++ b/y.json\n@@ -0,0 +1 @@\n"
    found = diffs.parted(text + "+1\n" * (diffs.LINES + 100))
    assert [(one.path, one.added, one.removed, one.left_out) for one in found.files] == [
        ("x.lua", 1, 1, 0),
        ("y.json", diffs.LINES + 100, 0, 101),
    ]
    assert (found.added, found.removed, diffs.parted("")) == (diffs.LINES + 101, 1, diffs.Diff([], 0, 0, 0))
    many = "".join(f"--- a/{n}\n+++ b/{n}\n+x\n" for n in range(diffs.FILES + 3))
    assert (len(diffs.parted(many).files), diffs.parted(many).left_out) == (diffs.FILES, 3)


def test_what_a_queue_is_touched_by_is_said_in_numbers() -> None:
    found = [queue("acme@example.org", 1204), queue("spring:acme@example.org", 5), queue("acme.mx1@example.org", 7)]
    asked = tenant_queue("acme@example.org")
    assert asked is not None
    what = queue_words.touched(asked, found, [NodeState(node="mx1", ok=True), NodeState(node="mx2", ok=False)])
    assert (what.size, what.others, what.silent) == (1204, 5, ("mx2",))
    said = " ".join(queue_words.before("flush", what))
    assert all(words in said for words in ("touches 1,204 messages", "5 messages there are tried", "no answer: mx2"))
    assert "there are tried" not in " ".join(queue_words.before("hold", what))
    assert queue_words.expiry("3600", NOW) == NOW + timedelta(hours=1)
    assert {queue_words.expiry(text, NOW) for text in ("", "-1", "1e9", "x")} == {None}


def queue(name: str, size: int) -> Queue:
    parts = tenant_queue(name)
    assert parts is not None
    known = msgspec.structs.asdict(parts)
    del known["name"]
    nothing = dict.fromkeys(("hold", "oldest_waiting_since", "last_error", "last_error_at"))
    return Queue(id=name, size=size, by_node={"mx1": size}, **known, **nothing)


def test_query_strings_are_changed_by_name() -> None:
    assert with_query({"tag": "a b", "cursor": "x"}, cursor="") == "?tag=a+b"
    assert with_query({}, cursor="") == ""


def test_every_template_compiles_and_what_it_is_given_is_escaped() -> None:
    names = environment().list_templates()
    assert [environment().get_template(name).name for name in names] == names
    made = environment().from_string('<a title="{{ word }}">{{ {"a": word} | json }}</a>')
    assert made.render(word="<'\"&>").count("<") == 2
