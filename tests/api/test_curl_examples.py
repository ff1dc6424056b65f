"""The scripts of ``examples/curl``, run against a service of their own: they answer as their transcripts say."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.contract import Endpoint, endpoints

FOLDER = Path(__file__).parents[2] / "examples/curl"
RECORD = runpy.run_path(str(FOLDER / "record.py"))
SCRIPTS: list[Path] = RECORD["SCRIPTS"]
STEP = re.compile(r'^\$ curl -X (?P<method>\w+) "\$POSTMTA_URL(?P<path>[^"]*)"', re.MULTILINE)
MAPS = {"by_node", "parts", "labels", "routing", "meta", "limits", "credits", "settings"}
"""Objects whose names are data."""


class Answer(msgspec.Struct, frozen=True):
    """One step of a transcript."""

    method: str
    path: str
    status: str
    body: str


def answers(transcript: str) -> list[Answer]:
    found = list(STEP.finditer(transcript))
    ends = [one.start() for one in found[1:]] + [len(transcript)]
    return [_answer(one, transcript[one.end() : end]) for one, end in zip(found, ends, strict=True)]


def _answer(step: re.Match[str], rest: str) -> Answer:
    status = re.search(r"^HTTP (.*)$", rest, re.MULTILINE)
    assert status is not None, rest
    body = rest[status.end() :].partition("\n\n#")[0].strip()
    return Answer(step["method"], step["path"].partition("?")[0], status[1], body)


def recorded(script: Path) -> str:
    return (FOLDER / "transcripts" / f"{script.stem}.txt").read_text(encoding="utf-8")


def test_every_row_of_the_contract_is_called() -> None:
    called = [one for script in SCRIPTS for one in answers(recorded(script))]
    missing = [f"{row.method} {row.path}" for row in endpoints() if not any(is_call(one, row) for one in called)]
    assert missing == []


def is_call(answer: Answer, row: Endpoint) -> bool:
    return answer.method == row.method and bool(re.fullmatch(re.sub(r":\w+", "[^/]+", row.path), answer.path))


def test_no_transcript_holds_a_secret() -> None:
    for script in SCRIPTS:
        assert not re.search(r"pmta_\w{8}_\w{20}|eyJ[\w-]{20}|whsec_[\w+/]{20}", recorded(script)), script.name


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_scripts_are_answered_as_their_transcripts_say() -> None:
    with RECORD["service"]() as variables:
        problems = [f"{one.stem}: {found}" for one in SCRIPTS for found in differences(one, variables)]
    assert not problems, "\n".join(problems)


def differences(script: Path, variables: dict[str, str]) -> Iterator[str]:
    live, kept = answers(RECORD["run"](script, variables)), answers(recorded(script))
    if [(one.method, one.status) for one in live] != [(one.method, one.status) for one in kept]:
        yield f"{[one.status for one in live]} now, {[one.status for one in kept]} then"
        return
    for now, then in zip(live, kept, strict=True):
        if "json" in now.status and (problem := difference(parsed(then.body), parsed(now.body))):
            yield f"{now.method} {now.path}: {problem}"


def parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError:  # shown in part only
        return None


def difference(then: Any, now: Any, at: str = "") -> str | None:
    """Where two values are of different shape: other names, or other kinds of value. Null may stand for anything."""
    if then is None or now is None:
        return None
    if isinstance(then, dict) and isinstance(now, dict):
        is_map = at.rpartition(".")[2] in MAPS
        if then.keys() != now.keys() and not is_map:
            return f"{at or 'body'}: {sorted(then.keys() ^ now.keys())}"
        common = [name for name in then if name in now]
        return next((found for name in common if (found := difference(then[name], now[name], f"{at}.{name}"))), None)
    if isinstance(then, list) and isinstance(now, list):
        return difference(then[0], now[0], f"{at}[]") if then and now else None
    kinds = [float if isinstance(one, int) and not isinstance(one, bool) else type(one) for one in (then, now)]
    return None if kinds[0] is kinds[1] else f"{at}: {kinds[0].__name__} then, {kinds[1].__name__} now"
