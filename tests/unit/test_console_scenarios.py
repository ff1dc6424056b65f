"""The scenarios' text in its pieces."""

from __future__ import annotations

from postmta_ctl.console import scenario_text
from postmta_ctl.features.policy.scenarios.format import parse

HEAD = "# Of us all.\n\n"
FIRST = """\
# Agreed with marketing.
[[scenario]]
name = "first"
organization = "acme"
from = "news@acme.test"
to = "bob@gmail.com"
expect = { vmtas = ["mx1", "mx2"], per_day = { mx1 = 500 } }

"""
SECOND = """\
[[ scenario ]]
name = "second"
via = "smtp"
from = "a@other.test"
to = "bob@example.org"
[scenario.expect]
refused = "550"
"""
HIDDEN = FIRST + SECOND.replace('refused = "550"', "refused = '''\n[[scenario]]\n'''")


def test_one_is_changed_and_the_others_stay_as_they_were_written() -> None:
    text = HEAD + FIRST + SECOND
    assert scenario_text.pieces(text) == [FIRST, SECOND]
    changed = scenario_text.replaced(text, 0, FIRST.replace("first", "1st"))
    assert changed == HEAD + FIRST.replace("first", "1st") + SECOND
    assert scenario_text.replaced(text, 1, "") == HEAD + FIRST
    assert scenario_text.replaced(text, 0, " \n") == HEAD + SECOND
    grown = scenario_text.added(HEAD + FIRST, SECOND)
    assert [one.name for one in parse(grown)] == ["first", "second"]
    assert grown.startswith(HEAD + FIRST)
    assert scenario_text.added("", SECOND).strip() == SECOND.strip()


def test_what_cannot_be_told_apart_is_left_whole() -> None:
    assert len(parse(HIDDEN)) == 2
    inline = 'scenario = [{name = "x", via = "smtp", from = "a@b.c", to = "d@e.f", expect = {refused = "5"}}]'
    for text in (HIDDEN, inline):
        assert scenario_text.pieces(text) is None, text
    assert scenario_text.pieces("") == []


def test_a_scenario_in_words() -> None:
    first, second = parse(FIRST + SECOND)
    assert scenario_text.message(first) == "news@acme.test to bob@gmail.com, by API for acme"
    assert scenario_text.message(second) == "a@other.test to bob@example.org, by SMTP"
    submitted = SECOND.replace('via = "smtp"', 'via = "submission"\norganization = "acme"\nmail_from = "b@other.test"')
    incoming = SECOND.replace('via = "smtp"', 'via = "inbound"\ncame_before = "10m"')
    told = [scenario_text.message(one) for text in (submitted, incoming) for one in parse(text)]
    assert told == [
        "a@other.test to bob@example.org, by submission for acme, mail from b@other.test",
        "a@other.test to bob@example.org, from a stranger, came before 10m",
    ]
    assert scenario_text.expected(first.expect) == "vmtas mx1, mx2; per day mx1 500"


def test_the_example_is_a_scenario() -> None:
    assert len(parse(scenario_text.EXAMPLE.format(organization="acme"))) == 1
