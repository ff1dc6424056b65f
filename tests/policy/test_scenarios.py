"""Scenarios by every way in: each is played through the events of a session, and what comes of it is compared."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.model import Greylisting, PolicyModel
from postmta_ctl.compiler.render import render
from postmta_ctl.features.policy.bundle_contents import read
from postmta_ctl.features.policy.scenarios.format import ScenarioError, parse
from postmta_ctl.features.policy.scenarios.judge import judge

BASE = msgspec.json.decode((Path(__file__).parent / "broken" / "base.json").read_bytes(), type=PolicyModel)
SUBMITTED = 'via = "submission"\norganization = "acme"\nfrom = "Ann@acme.example"\nto = "bob@gmail.com"'
STRANGE = 'via = "inbound"\nfrom = "carol@stranger.example"'
CASES = {
    # a client with a credential
    SUBMITTED: 'pool = "acme"\nqueue = "acme@gmail.com"\nsigned_by = ["p2026r", "p2026e"]\nreports = false',
    SUBMITTED + '\ntag = "spring"': 'queue = "spring:acme@gmail.com"',
    SUBMITTED + '\nvmta = "mx-1"': 'queue = "acme.mx-1@gmail.com"\nvmtas = ["mx-1"]',
    SUBMITTED + '\nvmta = "nobodys"': 'refused = "550 5.7.1 postmta-unknown-vmta"',
    SUBMITTED + '\ncredential = { domains = ["acme.example"] }': 'pool = "acme"',
    SUBMITTED + '\ncredential = { domains = ["other.example"] }': 'refused = "550 5.7.1 postmta-foreign-domain"',
    SUBMITTED + '\nmail_from = ""\ncredential = { domains = ["other.example"] }': (
        'refused = "550 5.7.1 postmta-foreign-domain: this credential may not send for acme.example"'
    ),
    SUBMITTED + '\nmail_from = "a@globex.example"': 'refused = "550 5.7.1 postmta-foreign-domain"',
    SUBMITTED.replace("acme.example", "globex.example"): 'refused = "550 5.7.1 postmta-foreign-domain"',
    SUBMITTED + '\nclient = "192.0.2.7"\ncredential = { networks = ["192.0.2.0/24"] }': 'pool = "acme"',
    SUBMITTED + '\nclient = "8.8.8.8"\ncredential = { networks = ["192.0.2.0/24"] }': 'refused = "535 5.7.8"',
    SUBMITTED.replace("bob@gmail.com", "ann@corp.example"): 'queue = "acme@corp.example"',
    # a stranger
    STRANGE + '\nto = "x@bounce.postmta.example"': "reports = true",
    STRANGE + '\nto = "x@bounce.postmta.example"\nmail_from = ""': "reports = true",
    STRANGE + '\nto = "bob@gmail.com"': 'refused = "550 5.7.1 relaying not permitted"',
    STRANGE + '\nto = "ann@corp.example"': 'refused = "451 4.7.1 Greylisted, try again in 300 seconds"',
    STRANGE + '\nto = "ann@corp.example"\ncame_before = "4m"': 'refused = "451 4.7.1 Greylisted still"',
    STRANGE + '\nto = "Ann@CORP.example"\ncame_before = "10m"': 'hosts = ["192.0.2.9:2525"]\nreports = false',
    STRANGE + '\nto = "ann@corp.example"\ncame_before = "3 days"': 'refused = "451 4.7.1 Greylisted, try again"',
    STRANGE + '\nto = "ann@corp.example"\nclient = "203.0.113.9"': 'hosts = ["192.0.2.9:2525"]',
}


def text_of(cases: dict[str, str]) -> str:
    return "\n".join(
        f'[[scenario]]\nname = "{number}"\n{message}\n[scenario.expect]\n{expected}\n'
        for number, (message, expected) in enumerate(cases.items())
    )


def played(text: str, bundle: Bundle) -> dict[str, str]:
    contents, findings = read(bundle)
    assert contents is not None, findings
    return {one.where.removeprefix("scenario "): one.message for one in judge(parse(text), contents, bundle)}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    greylisting = Greylisting(enabled=True, allowed_networks=("203.0.113.0/24",))
    return render(msgspec.structs.replace(BASE, greylisting=greylisting))


def test_all_hold_whatever_came_before_them(bundle: Bundle) -> None:
    for cases in (CASES, dict(reversed(CASES.items()))):
        assert played(text_of(cases), bundle) == {}


def test_what_does_not_hold_is_told(bundle: Bundle) -> None:
    wrong = {
        SUBMITTED: 'refused = "535"',
        SUBMITTED + '\ncredential = { networks = ["2001:db8::/32"] }': 'pool = "acme"',
        STRANGE + '\nto = "x@bounce.postmta.example"': "reports = false",
        STRANGE + '\nto = "ann@corp.example"': 'hosts = ["192.0.2.9:2525"]',
    }
    assert played(text_of(wrong), bundle) == {
        "0": "expected to be refused with '535', and it is taken: queue acme@gmail.com",
        "1": "expected to be taken, and it is refused: 535 5.7.8 AUTH invalid",
        "2": "reports: expected False, found True",
        "3": "expected to be taken, and it is refused: 451 4.7.1 Greylisted, try again in 300 seconds",
    }


def test_without_a_listener_there_is_no_way_in() -> None:
    closed = msgspec.structs.replace(BASE.installation, submission_listeners=(), smtp_listeners=())
    text = text_of({SUBMITTED: 'pool = "acme"', STRANGE + '\nto = "ann@corp.example"': 'pool = "acme"'})
    found = played(text, render(msgspec.structs.replace(BASE, installation=closed)))
    assert [message.rpartition(": ")[2] for message in found.values()] == [
        "there is no listener that it could come to"
    ] * 2


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (SUBMITTED + '\npool = "news"', "pool"),
        (SUBMITTED + '\nclient = "mx.example"', "client"),
        (SUBMITTED + '\ncame_before = "1m"', "came_before"),
        (SUBMITTED + '\ncredential = { networks = ["192.0.2.1/24"] }', "credential.networks"),
        (SUBMITTED.replace('organization = "acme"', ""), "organization"),
        (SUBMITTED.replace("submission", "api") + "\ncredential = {}", "credential"),
        (STRANGE + '\nto = "a@b.example"\norganization = "acme"', "organization"),
        (STRANGE + '\nto = "a@b.example"\ntag = "x"', "tag"),
        (STRANGE + '\nto = "a@b.example"\ncame_before = "soon"', "came_before"),
    ],
)
def test_what_has_no_meaning_is_refused(message: str, field: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(text_of({message: 'pool = "acme"'}))
    assert refused.value.field == f"scenario[0].{field}"


def test_the_examples_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy-checks.md").read_text(encoding="utf-8")
    (text,) = (block.partition("```")[0] for block in page.split("```toml\n")[1:])
    names: list[Any] = [one["name"] for one in tomllib.loads(text)["scenario"]]
    assert [one.name for one in parse(text)] == names
    assert {one.via for one in parse(text)} == {"api", "submission", "inbound"}
