"""Traffic shaping automation: rules of operators, and what daemons say they decided."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.model import TsaDaemons
from postmta_ctl.settings import Settings
from tests.conftest import Client
from tests.console import Browser
from tests.fake_tsa import FakeTsa

TSA = "/api/v1/policy/tsa"
RULES = f"{TSA}/rules"
RULE = {"kind": "provider", "target": "gmail", "regex": r"\b4\.7\.28\b", "action": "suspend", "duration": 600}
HOSTILE = "<img src=x onerror=alert>\"'"
END = "2030-01-01T00:00:00Z"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LIMITS = """\
["isp.test"]
mx_rollup = true

["isp.test".sources]

["isp.test".sources."acme.mx1.r2"]
# reason: automation rule: too "fast", = [it's]
# expires: 2030-01-01T00:00:00+00:00
max_message_rate = "10/minute"
"""


@pytest.fixture
def daemon() -> Iterator[FakeTsa]:
    with FakeTsa() as daemon:
        yield daemon


async def add(client: Any, auth: Any, **body: Any) -> Any:
    answer = await client.post(RULES, json=RULE | body, headers=auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def plan(client: Any, auth: Any) -> Any:
    return (await client.get("/api/v1/policy/plan", headers=auth)).json()


class TestWithoutDaemons:
    async def test_it_says_what_to_set_and_rules_change_no_policy(self, client: Any, ann: Any) -> None:
        state = (await client.get(TSA, headers=ann)).json()
        assert (state["configured"], state["daemons"]) == (False, [])
        assert "[policy.tsa]" in state["detail"]
        await client.post("/api/v1/policy/publish", json={}, headers=ann)
        await add(client, ann)
        planned = await plan(client, ann)
        assert (planned["change_class"]["kind"], planned["diff"]) == ("nothing", "")

    async def test_it_is_for_operators(self, client: Any, ann: Any, bob: Any) -> None:
        made = await add(client, ann)
        for method, path in (("GET", TSA), ("GET", RULES), ("POST", RULES), ("DELETE", f"{RULES}/{made['id']}")):
            assert (await client.request(method, path, headers=bob)).status_code == 403
        known = (await client.get(f"{TSA}/maintained", headers=ann)).json()
        assert {"gmail", "outlook", "yahoo"} <= {one["provider"] for one in known if one["source"]}

    async def test_what_makes_no_sense_is_refused_by_its_field(self, client: Any, ann: Any) -> None:
        slow = {"action": "limit", "limits": {"max_message_rate": "10/min"}}
        for body, field, code in (
            ({"regex": "("}, "regex", "bad_regex"),
            ({"regex": "a\nb"}, "regex", "bad_regex"),
            ({"regex": r"(?P=x)"}, "regex", "bad_regex"),
            ({"regex": ".*"}, "regex", "bad_regex"),
            ({"target": "gmial"}, "target", "bad_target"),
            ({"target": "freenet"}, None, None),
            ({"kind": "domain", "target": "no domain'"}, "target", None),
            ({"kind": "domain", "target": "default"}, "target", None),
            ({"kind": "any"}, "target", "bad_target"),
            ({"limits": {"connection_limit": 1}}, "limits", "bad_limits"),
            ({"action": "limit"}, "limits", "bad_limits"),
            ({"action": "limit", "limits": {}}, "limits", "empty"),
            (slow | {"limits": {"max_message_rate": "many"}}, "limits", "bad_rate"),
            ({"duration": 1}, "duration", None),
            ({"threshold": 1}, "threshold", None),
            ({"action": "explode"}, "action", None),
        ):
            answer = await client.post(RULES, json=RULE | body, headers=ann)
            if field is None:
                assert answer.status_code == 201, answer.text
                continue
            assert answer.status_code in (400, 422), answer.text
            assert field in answer.text
            if code is not None:
                assert [(one["field"], one["code"]) for one in answer.json()["errors"]][:1] == [(field, code)]


class TestWithDaemons:
    @pytest.fixture
    def settings(self, settings: Settings, daemon: FakeTsa) -> Settings:
        tsa = TsaDaemons(urls=(daemon.url,))
        return msgspec.structs.replace(settings, policy=msgspec.structs.replace(settings.policy, tsa=tsa))

    async def test_a_rule_is_in_the_next_release_and_its_changes_are(self, client: Any, ann: Any) -> None:
        quotes = 'say "no", it\'s \\\\ {1}'.replace("{1}", r"\{1\}")
        made = await add(client, ann, regex=quotes, note="theirs")
        await add(client, ann, kind="domain", target="Big.Example", action="limit", limits={"connection_limit": 1})
        await add(client, ann, kind="any", target="", action="suspend_tenant", threshold=5)
        planned = await plan(client, ann)
        summaries = [one["summary"] for one in planned["changes"]]
        assert (planned["is_publishable"], "automation of provider gmail created: suspend" in summaries) == (True, True)
        assert '"Threshold": "5/600s"' in planned["diff"]
        assert '"big.example": {' in planned["diff"]
        published = await client.post("/api/v1/policy/publish", json={}, headers=ann)
        assert published.status_code == 200, published.text

        one = await client.get(f"{RULES}/{made['id']}", headers=ann)
        assert one.json()["regex"] == quotes
        stale = {"If-Match": '"stale"'}
        changed = {"duration": 1200}
        assert (await client.put(f"{RULES}/{made['id']}", json=changed, headers=ann | stale)).status_code == 412
        fresh = {"If-Match": one.headers["ETag"]}
        answer = await client.put(f"{RULES}/{made['id']}", json=changed, headers=ann | fresh)
        assert (answer.status_code, answer.json()["duration"], answer.json()["note"]) == (200, 1200, "theirs")
        wrong = await client.put(f"{RULES}/{made['id']}", json={"regex": "["}, headers=ann)
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "regex")
        planned = await plan(client, ann)
        assert (planned["change_class"]["kind"], len(planned["changes"])) == ("live", 1)
        assert (await client.delete(f"{RULES}/{made['id']}", headers=ann)).status_code == 204
        assert (await client.get(f"{RULES}/{made['id']}", headers=ann)).status_code == 404
        actions = [entry["action"] for entry in (await client.get("/api/v1/audit", headers=ann)).json()["data"]]
        assert {"automation.created", "automation.updated", "automation.deleted"} <= set(actions)

    async def test_what_a_daemon_decided_is_shown(self, client: Any, ann: Any, daemon: FakeTsa) -> None:
        rule = await add(client, ann, regex='too "fast", = [it\'s]'.replace("[", "\\[").replace("]", "\\]"))
        own = await add(client, ann, regex="blocked")
        ends = {"expires": END, "rule_hash": "x"}
        name = "acme.mx1.r2->(mx1|mx2).isp.test@smtp_client"
        daemon.ready = [{"site_name": name, "source": "acme.mx1.r2", "reason": "automation rule: blocked"} | ends]
        mail = {"tenant": "acme", "domain": "isp.test"} | ends
        daemon.scheduled = [mail | {"reason": "automation rule: a domain=b tenant=acme domain=isp.test"}]
        daemon.bounced = [
            mail
            | {"campaign": "news", "reason": r"automation rule: \[TSS04\] domain=isp.test tenant=acme campaign=news"}
        ]
        daemon.limits = LIMITS
        state = (await client.get(TSA, headers=ann)).json()
        (shown,) = state["daemons"]
        assert (state["configured"], shown["ok"], shown["url"]) == (True, True, daemon.url)
        (suspended,) = shown["suspended"]
        assert (suspended["vmta"], suspended["site"]) == ("acme.mx1", "(mx1|mx2).isp.test")
        assert suspended["cause"] == {"regex": "blocked", "rule_id": own["id"], "is_maintained": False}
        assert suspended["expires_at"].startswith("2030-01-01T00:00:00")
        (held,) = shown["held"]
        assert (held["tenant"], held["campaign"], held["cause"]["regex"]) == ("acme", None, "a domain=b")
        (bounced,) = shown["bounced"]
        assert bounced["cause"] == {"regex": r"\[TSS04\]", "rule_id": None, "is_maintained": True}
        (limit,) = shown["overrides"]
        assert (limit["vmta"], limit["option"], limit["value"]) == ("acme.mx1", "max_message_rate", "10/minute")
        assert limit["cause"]["regex"] == 'too "fast", = [it\'s]'
        assert rule["id"]

    async def test_the_console_shows_it(self, client: Client, acme: dict[str, str], bob: Any, daemon: FakeTsa) -> None:
        await add(client, acme, regex=f"{HOSTILE} \\(now\\)", note=HOSTILE)
        name = "acme.mx1.r2->mx.isp.test@smtp_client"
        reason = {"reason": f"automation rule: {HOSTILE}", "expires": END}
        daemon.ready = [{"site_name": name, "source": "acme.mx1.r2"} | reason]
        browser = await Browser.logged_in(client)
        page = (await browser.get("/console/policy/tsa")).text
        assert [text in page for text in ("acme.mx1", "mx.isp.test", "img src=x", daemon.url)] == [True] * 4
        assert "<img src=x" not in page
        daemon.body = b"nonsense"
        assert "makes no sense" in (await browser.get("/console/policy/tsa")).text
        other = await Browser.logged_in(client, "bob@bolt.test")
        assert (await other.get("/console/policy/tsa")).status_code == 403

    async def test_a_daemon_that_is_of_no_use_is_shown_with_what_is_wrong(
        self, client: Any, ann: Any, daemon: FakeTsa
    ) -> None:
        for body in (b"", b"\xff\x00", b"[" * 100_000, b'{"ready_q": 1}', b"null", b"x" * 5_000_000):
            daemon.body = body
            (shown,) = (await client.get(TSA, headers=ann)).json()["daemons"]
            assert (shown["ok"], shown["suspended"]) == (False, [])
            assert shown["error"], body[:20]
        daemon.hangs = True
        before = time.monotonic()
        state = (await client.get(TSA, headers=ann)).json()
        assert time.monotonic() - before < 8
        assert state["daemons"][0]["error"] == "no answer within 5 seconds"
        assert state["detail"] == "1 of 1 daemons cannot be asked."
