"""Policies that are broken in every way we know: each is refused before a node sees it, by a message with its place.

The cases are data: ``broken/model.toml`` has configurations, ``broken/bundle.toml`` bundles that somebody edited.
"""

from __future__ import annotations

import asyncio
import copy
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.cli.bundle_folder import verify
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding, check
from postmta_ctl.compiler.lua import LuaLiteralError
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.render import render
from postmta_ctl.features.policy.proofs import prove
from postmta_ctl.luavm import node

BROKEN = Path(__file__).parent / "broken"
ROOT = Path(__file__).parents[2]
PAGE, PACKAGE = ROOT / "docs" / "policy-checks.md", ROOT / "postmta_ctl"
BASE = msgspec.json.decode((BROKEN / "base.json").read_bytes())
MISTAKES_BY_CONSTRUCTION = {23, 24, 27, 35}
"""Of the guide's; nothing in a bundle can make them, see docs/policy-checks.md. Some have a case all the same."""


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((BROKEN / f"{name}.toml").read_text(encoding="utf-8"))["case"]
    return found


MODELS, BUNDLES = cases("model"), cases("bundle")


def base() -> Bundle:
    return render(msgspec.convert(BASE, PolicyModel))


# -- configurations ----------------------------------------------------------------------------------------------


def changed(case: dict[str, Any]) -> dict[str, Any]:
    """The base with the case's changes; a path leads through names and positions."""
    model = copy.deepcopy(BASE)
    for path, value in case.get("set", {}).items():
        place, last = descend(model, path)
        place[last] = value
    for path in case.get("remove", ()):
        place, last = descend(model, path)
        del place[last]
    return model  # type: ignore[no-any-return]


def descend(value: Any, path: str) -> tuple[Any, Any]:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        value = value[step]
    return value, last


def refusals_of_model(data: dict[str, Any]) -> list[Finding]:
    """What stands against publishing it, as the draft of a policy and its proofs find it."""
    try:
        model = msgspec.convert(data, PolicyModel)
    except msgspec.ValidationError as error:
        return [Finding(code="wrong-type", message=str(error), where=str(error).rpartition("$.")[2].rstrip("`"))]
    findings = check(model)
    if any(each.severity == "error" for each in findings):
        return findings
    try:
        bundle = render(model)
    except LuaLiteralError as error:
        return [Finding(code="no-lua-literal", message=str(error), where="policy")]
    return [finding for proof in asyncio.run(prove(bundle, "", kumod="")) for finding in proof.findings]


@pytest.mark.parametrize("case", MODELS, ids=[case["name"] for case in MODELS])
def test_a_broken_configuration_is_refused(case: dict[str, Any]) -> None:
    expect(case, refusals_of_model(changed(case)))


# -- bundles -----------------------------------------------------------------------------------------------------


def edited(bundle: Bundle, case: dict[str, Any]) -> Bundle:
    files, path = dict(bundle.files), case["file"]
    if case.get("remove"):
        del files[path]
        return Bundle.of(files)
    files[path] = edit(files.get(path, b""), case)
    if "also" in case:
        files[path] = edit(files[path], case["also"])
    return Bundle.of(files)


def edit(content: bytes, change: dict[str, Any]) -> bytes:
    appended: str = change.get("append", "")
    if "octets" in change:
        return bytes.fromhex(change["octets"])
    if "deep" in change:
        return b'{"a":' + b"[" * change["deep"] + b"]" * change["deep"] + b"}"
    if "content" in change:
        return bytes(change["content"].encode())
    if "old" in change:
        assert change["old"].encode() in content, f"the policy has no {change['old']!r} any more"
        content = content.replace(change["old"].encode(), change["new"].encode())
    return content + appended.encode()


@pytest.mark.parametrize("case", BUNDLES, ids=[case["name"] for case in BUNDLES])
def test_a_broken_bundle_is_refused(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "TIME_LIMIT", case.get("seconds", node.TIME_LIMIT))
    edited(base(), case).write(tmp_path / "policy", release=1)
    proofs = verify(tmp_path)
    assert not all(proof.ok is not False for proof in proofs)
    expect(case, [finding for proof in proofs for finding in proof.findings])


# -- what all have in common -------------------------------------------------------------------------------------


def expect(case: dict[str, Any], findings: list[Finding]) -> None:
    wanted = case["expect"]
    errors = [each for each in findings if each.severity == "error"]
    hits = [
        each
        for each in errors
        if each.code == wanted["code"] and wanted["where"] in each.where and wanted.get("says", "") in each.message
    ]
    assert hits, [f"{each.code}: {each.where}: {each.message}" for each in findings]


def test_the_base_is_sound(tmp_path: Path) -> None:
    assert refusals_of_model(BASE) == []
    base().write(tmp_path / "policy", release=1)
    assert [finding for proof in verify(tmp_path) for finding in proof.findings] == []


def test_there_are_a_hundred_of_them_and_every_mistake_is_among_them(capsys: pytest.CaptureFixture[str]) -> None:
    names = [case["name"] for case in MODELS] + [f"{case['name']} (bundle)" for case in BUNDLES]
    assert len(names) == len(set(names)) >= 100
    mistakes = {case["mistake"] for case in MODELS + BUNDLES if "mistake" in case}
    assert mistakes | MISTAKES_BY_CONSTRUCTION == set(range(1, 36))
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 36))
    for number, row in rows:
        named = set(re.findall(r"`([^`]+)`", row))
        codes = {case["expect"]["code"] for case in MODELS + BUNDLES if case.get("mistake") == int(number)}
        if int(number) in MISTAKES_BY_CONSTRUCTION:
            assert "by construction" in row
            assert all((PACKAGE / name).exists() for name in named if name.endswith(".py")), row
        assert not codes or codes & named, f"{number}: {row} tells none of {codes}"
    with capsys.disabled():
        print(f"\n{len(names)} broken policies refused: {len(MODELS)} configurations, {len(BUNDLES)} bundles")
