"""PowerMTA's configuration language: what is read as what, and that nothing makes the parser fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmta_ctl.importing import files
from postmta_ctl.importing.powermta_parser import MAX_DEPTH, Statement, parse
from tests.importing.support import Memory, powermta_of


def statements(text: str | bytes, **included: str | bytes) -> list[Statement]:
    return parse("config", Memory(config=text, **included))


def problems(text: str | bytes, **included: str | bytes) -> list[tuple[str, int, str]]:
    return [(one.file, one.line, one.problem) for one in statements(text, **included) if one.problem]


def test_names_do_not_care_for_case_and_values_do() -> None:
    (one,) = statements("Host-NAME Mail.Example.com")
    assert (one.name, one.words) == ("host-name", ("Mail.Example.com",))


def test_words_are_split_and_unquoted() -> None:
    (one,) = statements(r"""reply "two words" "a \" quote" /a # b\/c/i plain""")
    assert one.words == ("two words", 'a " quote', r"/a # b\/c/i", "plain")


@pytest.mark.parametrize("text", ["", "  \n\t\n", "# only\n  # comments", "\ufeff# marked"])
def test_nothing_is_in_what_says_nothing(text: str) -> None:
    assert statements(text) == []


def test_a_comment_begins_where_a_word_could() -> None:
    first, second = statements("smtp-port 25 # not 26\nlog-file /var/log/a#b")
    assert (first.words, second.words) == (("25",), ("/var/log/a#b",))


def test_a_line_goes_on_after_a_backslash_and_is_named_by_its_first() -> None:
    first, second = statements("domain-macro big a.example, \\\n   b.example\nhost-name x.example\r\n")
    assert (first.words, first.line) == (("big", "a.example,", "b.example"), 1)
    assert (second.words, second.line) == (("x.example",), 3)


def test_blocks_are_around_what_stands_in_them() -> None:
    tag, inner, limit, after = statements("<virtual-mta a>\n<Domain *>\nmax-smtp-out 1\n</domain>\n</VIRTUAL-MTA>\nx 1")
    assert (tag.opens, inner.opens, limit.opens) == (True, True, False)
    assert (limit.within, after.within) == ("<virtual-mta a> <domain *>", "")


def test_a_block_may_stand_on_one_line() -> None:
    assert [one.text for one in statements("<domain a.example> max-smtp-out 5\n</domain> host-name b.example")] == [
        "<domain a.example>",
        "max-smtp-out 5",
        "host-name b.example",
    ]


def test_included_files_are_read_in_their_place() -> None:
    found = statements("<virtual-mta a>\ninclude inner\n</virtual-mta>\nlast 1", inner="first 1")
    assert [(one.file, one.line, one.name, one.within) for one in found[1:]] == [
        ("config", 2, "include", "<virtual-mta a>"),
        ("inner", 1, "first", "<virtual-mta a>"),
        ("config", 4, "last", ""),
    ]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("\n<virtual-mta a>\nhost-name b", 2, "is never closed"),
        ("<domain a>\n</virtual-mta>\n</domain>", 2, "closes no block that is open here"),
        ("</domain>", 1, "closes no block that is open here"),
        ("<domain a", 1, "is no tag: it has no name, or does not end in >"),
        ("<>", 1, "is no tag: it has no name, or does not end in >"),
        ("include a b", 1, "names one file"),
        ("include nowhere", 1, "there is no such file that can be read"),
        ('"', 1, "has no words"),
        ("x " + "/a\\ " * 50_000, 1, "is longer than 100000 characters"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, line: int, problem: str) -> None:
    assert problems(text) == [("config", line, problem)]


def test_a_file_that_includes_itself_is_read_once() -> None:
    assert problems("include a\nhost-name x", a="include b\n", b="\ninclude config\ninclude a") == [
        ("b", 2, "includes config, which is being read already"),
        ("b", 3, "includes a, which is being read already"),
    ]


def test_a_block_does_not_end_in_another_file() -> None:
    assert problems("<domain a>\ninclude b\n</domain>", b="</domain>\n<domain c>") == [
        ("b", 1, "closes no block that is open here"),
        ("b", 2, "is never closed"),
    ]


def test_a_line_that_is_not_utf_8_is_left_out_alone() -> None:
    assert problems(b"host-name a\npostmaster caf\xe9@example.com\nsmtp-port 25") == [("config", 2, "is not in UTF-8")]


def test_depth_and_number_of_files_are_bounded() -> None:
    chain = {f"f{number}": f"include f{number + 1}" for number in range(50)}
    assert len(statements("include f0", **chain)) == MAX_DEPTH + 1
    many = problems("include a\n" * (files.MAX_FILES + 5), a="x 1")
    assert {line for _, line, _ in many} == set(range(files.MAX_FILES, files.MAX_FILES + 6))
    assert len(problems("<domain a>\n" * (MAX_DEPTH + 1))) == MAX_DEPTH + 1


def test_directives_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postmta_ctl.importing.powermta_parser.MAX_DIRECTIVES", 10)
    found = statements("x 1\n" * 100)
    assert len(found) == 11
    assert "nothing is read from here on" in found[-1].problem


def test_secrets_and_control_characters_are_not_shown() -> None:
    first, second = statements('password "correct horse"\nhost-name a\x1b[31mb')
    assert "horse" not in first.text
    assert "\x1b" not in second.text


TEXTS = st.lists(
    st.sampled_from(
        ["<", ">", "</", "<domain ", "</domain>", "<virtual-mta a>", "</virtual-mta>", "include a", "include config",
         '"', "/", "\\", "\n", "#", " ", "$m", "domain-macro m ", "$m,", "smtp-source-host 192.0.2.1 ", "a.example",
         "domain-key ", "s,d.example,f", "virtual-mta-pool", "mail-from /@a.example/ virtual-mta=a", "<source 0/0>",
         "</source>", "always-allow-relaying yes", "retry-after 5m,", "max-msg-rate 1/h", "smtp-listener 0/0:25",
         "\r\n", "\0", "\ud800"]
    )
    | st.text(max_size=5),
    max_size=40,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_no_text_makes_the_import_fail(text: list[str], included: list[str]) -> None:
    contents = ["".join(parts).encode("utf-8", errors="surrogatepass") for parts in (text, included)]
    wanted = powermta_of(contents[0], a=contents[1])
    assert all(line.line >= 1 and line.note for line in wanted.report.lines())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_octets_make_the_import_fail(content: bytes) -> None:
    lines = powermta_of(content).report.lines()
    assert all(1 <= one.line <= content.count(b"\n") + 1 for one in lines)
