"""The spam check through HTTP: built-in rules, configured engines, and what is charged."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from postmta_ctl.clients.engines import EngineState
from postmta_ctl.core.spam.mail import MAX_SIZE
from postmta_ctl.core.spam.verdicts import RuleHit, SpamVerdict
from postmta_ctl.errors import EngineFailed, EngineUnreachable
from postmta_ctl.features.security.engines import describe
from postmta_ctl.settings import Settings
from postmta_ctl.system import System
from tests.api.credits_support import CATALOGUE, available
from tests.conftest import join

SCORE = "/api/v1/security/spam-score"
PARTS = {
    "from": "Acme <news@acme.test>",
    "to": ["ann@example.com"],
    "subject": "Your order has shipped",
    "text": "Hello Ann, your parcel left our store this morning.",
    "html": "<p>Hello Ann, your parcel left our store this morning.</p>",
}
BAD = "From: a@b.test\r\nSubject: ACT NOW AND WIN!!!\r\n\r\nYou have won a million dollars\r\n"


@dataclasses.dataclass
class FakeEngine:
    """A spam filter that says what it is told to say, and remembers what it was asked."""

    name: str = "rspamd"
    failure: Exception | None = None
    asked: list[bytes] = dataclasses.field(default_factory=list)

    async def check(self, message: bytes) -> SpamVerdict:
        self.asked.append(message)
        if self.failure is not None:
            raise self.failure
        hit = RuleHit(id="BAD_IDEA", score=7.5, description="says so", reason="here")
        return SpamVerdict(
            engine=self.name,
            version="1",
            score=7.5,
            threshold=15,
            verdict="spam",
            action="add header",
            rules=(hit,),
        )

    async def state(self) -> EngineState:
        return EngineState(name=self.name, reachable=self.failure is None, version="1")

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


async def scored(client: Any, auth: Any, **body: Any) -> Any:
    answer = await client.post(SCORE, json=body, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestBuiltIn:
    async def test_a_decent_message_passes(self, client: Any, ann: Any) -> None:
        found = await scored(client, ann, **PARTS)
        assert (found["engine"], found["verdict"], found["rules"], found["advice"]) == ("builtin", "ham", [], [])
        assert found["threshold"] == 5.0

    async def test_each_rule_tells_what_matched(self, client: Any, ann: Any) -> None:
        found = await scored(client, ann, raw=BAD)
        rules = {one["id"]: one for one in found["rules"]}
        assert rules["SUBJECT_PUNCTUATION"]["reason"] == "the subject is “ACT NOW AND WIN!!!”"
        assert found["score"] == pytest.approx(sum(one["score"] for one in found["rules"]))
        assert found["verdict"] == "spam"
        assert found["size"] == len(BAD)
        assert "Write the subject in lower case." in found["advice"]
        scores = [one["score"] for one in found["rules"]]
        assert scores == sorted(scores, reverse=True)

    async def test_base64_is_the_same_message(self, client: Any, ann: Any) -> None:
        encoded = base64.b64encode(BAD.encode()).decode()
        assert await scored(client, ann, raw_base64=encoded) == await scored(client, ann, raw=BAD)

    async def test_octets_that_are_no_text_are_judged(self, client: Any, ann: Any) -> None:
        encoded = base64.b64encode(b"Subject: \xff\xfe\0\r\n\r\n\0\xff").decode()
        assert "HEADER_8BIT" in {one["id"] for one in (await scored(client, ann, raw_base64=encoded))["rules"]}

    async def test_parts_are_composed_as_for_sending(self, client: Any, ann: Any) -> None:
        file = {"filename": "Prüfung.exe", "content": base64.b64encode(b"MZ").decode()}
        found = await scored(client, ann, **PARTS | {"subject": "Grüße", "attachments": [file]})
        assert [one["id"] for one in found["rules"]] == ["PROGRAM_ATTACHED"]
        assert "Prüfung.exe" in found["rules"][0]["reason"]

    async def test_the_threshold_is_a_setting(self, client: Any, ann: Any, system: System) -> None:
        client.app.state.system = dataclasses.replace(
            system, settings=structs.replace(system.settings, spam_threshold=1000.0)
        )
        found = await scored(client, ann, raw=BAD)
        assert (found["threshold"], found["verdict"]) == (1000.0, "ham")

    @pytest.mark.parametrize(
        ("body", "status", "field"),
        [
            ({}, 422, "raw"),
            ({"raw": BAD, "raw_base64": "SGk="}, 422, "raw"),
            ({"raw": BAD, "subject": "x"}, 422, "raw"),
            ({"raw": " \r\n"}, 422, "raw"),
            ({"raw": "Content-Type: multipart/mixed; boundary=x\r\n" * 40}, 422, "raw"),
            ({"raw_base64": "!"}, 422, "raw_base64"),
            ({"raw": 1}, 422, "raw"),
            ({"from": "nobody", "text": "x"}, 422, "from"),
            ({"from": "a@b.test", "to": ["x"], "text": "x"}, 422, "to[0]"),
            ({"from": "a@b.test"}, 422, "text"),
            ({"from": "a@b.test", "text": "x", "headers": {"Subject": "y"}}, 422, "headers.Subject"),
            ({"engine_url": "http://127.0.0.1"}, 422, "engine_url"),
        ],
    )
    async def test_what_cannot_be_judged_is_refused(
        self, client: Any, ann: Any, body: Any, status: int, field: str
    ) -> None:
        answer = await client.post(SCORE, json=body, headers=ann)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field), answer.text

    async def test_what_is_too_large_is_refused_as_such(self, client: Any, ann: Any) -> None:
        answer = await client.post(SCORE, json={"raw": "x" * (MAX_SIZE + 1)}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


class TestEngine:
    @pytest.fixture
    def system(self, system: System, engine: FakeEngine) -> System:
        return dataclasses.replace(system, spam=engine)

    async def test_its_verdict_is_told_and_advice_is_added(self, client: Any, ann: Any, engine: FakeEngine) -> None:
        found = await scored(client, ann, raw=BAD)
        assert (found["engine"], found["score"], found["threshold"], found["verdict"]) == ("rspamd", 7.5, 15.0, "spam")
        assert found["action"] == "add header"
        assert found["rules"] == [{"id": "BAD_IDEA", "score": 7.5, "description": "says so", "reason": "here"}]
        assert "Write the subject in lower case." in found["advice"]
        assert engine.asked == [BAD.encode()]

    @pytest.mark.parametrize(
        ("failure", "status", "code"),
        [
            (EngineUnreachable("rspamd cannot be reached."), 503, "engine_unreachable"),
            (EngineFailed("rspamd answered with status 500."), 502, "engine_failed"),
        ],
    )
    async def test_the_built_in_rules_never_stand_in_for_it(
        self, client: Any, ann: Any, engine: FakeEngine, failure: Exception, status: int, code: str
    ) -> None:
        engine.failure = failure
        answer = await client.post(SCORE, json={"raw": BAD}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "rspamd" in answer.json()["detail"]

    async def test_its_state_can_be_asked_for(self, system: System, engine: FakeEngine) -> None:
        assert (await describe(system)).spam == EngineState(name="rspamd", reachable=True, version="1")
        assert (await describe(system)).antivirus.name == "builtin"


class TestCredits:
    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        (tmp_path / "plans.toml").write_text(CATALOGUE)
        return structs.replace(settings, plans_file=str(tmp_path / "plans.toml"), default_plan="large")

    @pytest.fixture
    def system(self, system: System, engine: FakeEngine) -> System:
        return dataclasses.replace(system, spam=engine)

    async def test_a_verdict_costs_one_and_a_failure_nothing(self, client: Any, ann: Any, engine: FakeEngine) -> None:
        assert (await scored(client, ann, raw=BAD))["credits"] == 1
        engine.failure = EngineFailed("no")
        assert (await client.post(SCORE, json={"raw": BAD}, headers=ann)).status_code == 502
        await client.post(SCORE, json={}, headers=ann)
        assert await available(client, ann, "spam_check") == 49

    async def test_without_credit_nobody_is_asked(self, client: Any, ann: Any, engine: FakeEngine) -> None:
        await client.post("/api/v1/credits/consume", json={"type": "spam_check", "amount": 50}, headers=ann)
        answer = await client.post(SCORE, json={"raw": BAD}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")
        assert engine.asked == []

    async def test_the_last_credit_is_spent_once(self, client: Any, ann: Any) -> None:
        await client.post("/api/v1/credits/consume", json={"type": "spam_check", "amount": 47}, headers=ann)
        answers = await asyncio.gather(*(client.post(SCORE, json={"raw": BAD}, headers=ann) for _ in range(10)))
        assert sorted(one.status_code for one in answers) == [200] * 3 + [402] * 7
        assert await available(client, ann, "spam_check") == 0


async def test_a_viewer_may_not_spend_credits(client: Any, ann: Any) -> None:
    viewer = await join(client, ann, "vic@acme.test", "viewer")
    assert (await client.post(SCORE, json=PARTS, headers=viewer)).status_code == 403
