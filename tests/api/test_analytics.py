"""What the analytics routes answer."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postmta_ctl.core.rates import FIELDS
from postmta_ctl.features.tracking.noting import keep_fetches
from postmta_ctl.features.tracking.service import tracker
from tests.api.test_ingest import add_messages, add_node, hook_lines, injected, post
from tests.conftest import work

BASE = "/api/v1/analytics"
PATHS = ["summary", "timeseries", "breakdown?by=tag", "isp", "trend", "bounce-reasons", "report", "export"]
ACME, BOLT = (894, 673, 221, 220), (444, 342, 102, 99)
"""Accepted, delivered, bounced and deferred in the real stream."""
STREAM_HOUR = {"from": "2026-11-22T12:00:00Z", "to": "2026-11-22T13:00:00Z"}


@pytest.fixture
async def get(client: Any, ann: Any) -> Any:
    async def call(path: str, headers: Any = ann, **params: Any) -> Any:
        answer = await client.get(f"{BASE}/{path}", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return call


@pytest.fixture
async def refusal(client: Any, ann: Any) -> Any:
    async def call(path: str, **params: Any) -> list[str]:
        answer = await client.get(f"{BASE}/{path}", params=params, headers=ann)
        assert answer.status_code == 422, answer.text
        return [error["field"] for error in answer.json()["errors"]]

    return call


def record(kind: str, at: datetime, **fields: Any) -> bytes:
    """A log record of acme's mail that we did not send ourselves."""
    code = {"Delivery": 250, "Reception": 250, "TransientFailure": 451, "Bounce": 550, "Feedback": 250}[kind]
    campaign = fields.pop("campaign", None)
    reply = fields.pop("reply", "no such user")
    return json.dumps(
        {
            "type": kind,
            "id": f"{abs(hash((kind, at, str(fields)))):032x}"[:32],
            "nodeid": "n",
            "sender": "news@acme.test",
            "recipient": "bob@example.org",
            "event_time": at.isoformat().replace("+00:00", "Z"),
            "egress_source": "acme.mx1.r1",
            "response": {"code": code, "content": reply},
            "meta": {"tenant": "acme", "campaign": campaign},
        }
        | fields
    ).encode()


async def test_the_real_stream(client: Any, db: Any, bob: Any, get: Any) -> None:
    await add_node(db)
    people = [one for one in injected() if one["tenant"] == "cove"]
    await add_messages(db, people)
    await post(client, hook_lines())
    summary = await get("summary", **STREAM_HOUR)
    counts = summary["counts"]
    assert (counts["accepted"], counts["delivered"], counts["bounced"], counts["deferred"]) == ACME
    assert summary["rates"]["delivery_rate"] == round(ACME[1] / (ACME[1] + ACME[2]), 6)
    bolt = (await get("summary", bob, **STREAM_HOUR))["counts"]
    assert (bolt["accepted"], bolt["delivered"], bolt["bounced"], bolt["deferred"]) == BOLT

    by_provider = {
        one["value"]: one["counts"] for one in (await get("breakdown", by="provider", **STREAM_HOUR))["data"]
    }
    assert set(by_provider) == {"gmail", "outlook", "yahoo", "other"}
    assert sum(one["delivered"] for one in by_provider.values()) == ACME[1]

    providers = {one["provider"]: one for one in (await get("isp", **STREAM_HOUR))["data"]}
    assert providers["gmail"]["vmtas"] == [
        {"vmta": "acme-1.r1", "taken": 251, "deferred": 86, "refused": 88},
        {"vmta": "acme-2.r1", "taken": 10, "deferred": 2, "refused": 2},
    ]
    reasons = await get("bounce-reasons", **STREAM_HOUR)
    assert (reasons["bounced"], reasons["deferred"]) == (ACME[2], ACME[3])
    assert sum(one["bounced"] for one in reasons["data"]) == ACME[2]
    first = reasons["data"][0]
    assert 1 <= len(first["examples"]) <= 3
    assert all(example["reply"] for example in first["examples"])
    assert len({example["reply"] for example in first["examples"]}) == len(first["examples"])


async def test_queued_and_opened_are_counted(client: Any, acme: Any, system: Any, get: Any) -> None:
    mail = {
        "from": "ann@acme.test",
        "to": ["a@gmail.com", "b@web.de"],
        "subject": "x",
        "html": "<p>x</p>",
        "tags": ["t"],
    }
    sent = (await client.post("/api/v1/messages/send", json=mail, headers=acme)).json()
    first, second = (tracker(system).open_url(one["id"]) for one in sent["recipients"])
    for url in (first, first, second, first):
        await client.get(url.removeprefix(system.settings.url), headers={"User-Agent": "Thunderbird"})
    await work(client, keep_fetches)
    counts = (await get("summary"))["counts"]
    assert (counts["queued"], counts["opened"], counts["unique_opened"]) == (2, 4, 2)
    (tag,) = (await get("breakdown", by="tag"))["data"]
    assert (tag["value"], tag["counts"]) == ("t", counts)
    providers = {one["value"]: one["counts"]["opened"] for one in (await get("breakdown", by="provider"))["data"]}
    assert providers == {"gmail": 3, "web.de": 1}


async def test_a_program_that_opens_mail_is_nobody_who_opened(client: Any, acme: Any, system: Any, get: Any) -> None:
    mail = {"from": "ann@acme.test", "to": ["a@gmail.com"], "subject": "x", "html": "<p>x</p>"}
    sent = (await client.post("/api/v1/messages/send", json=mail, headers=acme)).json()
    path = tracker(system).open_url(sent["recipients"][0]["id"]).removeprefix(system.settings.url)
    await client.get(path, headers={"User-Agent": "Mimecast"})
    await work(client, keep_fetches)
    counts = (await get("summary"))["counts"]
    assert (counts["opened"], counts["unique_opened"]) == (1, 0)
    await client.get(path, headers={"User-Agent": "Thunderbird"})
    await work(client, keep_fetches)
    counts = (await get("summary"))["counts"]
    assert (counts["opened"], counts["unique_opened"]) == (2, 1)


async def test_a_period_without_mail(get: Any, client: Any, ann: Any) -> None:
    summary = await get("summary", period="24h")
    assert set(summary["counts"].values()) == {0}
    assert set(summary["rates"].values()) == {None}
    assert (summary["from"], summary["to"]) == ("2026-11-21T13:00:00Z", "2026-11-22T13:00:00Z")
    series = await get("timeseries", period="24h", interval="hour")
    assert len(series["points"]) == 24
    assert (await get("breakdown", by="vmta"))["data"] == []
    assert (await get("isp"))["data"] == []
    assert (await get("bounce-reasons"))["data"] == []
    trend = await get("trend")
    assert trend["counts"]["delivered"] == {"current": 0, "previous": 0, "difference": 0, "relative": None}
    page = await client.get(f"{BASE}/report?format=html", headers=ann)
    assert "No mail was delivered, bounced or deferred" in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("path", PATHS)
async def test_another_organization_sees_none_of_it(client: Any, db: Any, bob: Any, path: str) -> None:
    await add_node(db)
    secret = "only-of-acme"
    lines = [record(kind, NOW, campaign=secret, reply=secret) for kind in ("Delivery", "Bounce", "TransientFailure")]
    await post(client, lines)
    answer = await client.get(f"{BASE}/{path}", headers=bob)
    assert answer.status_code == 200
    assert secret not in answer.text
    assert '"delivered":1' not in answer.text


NOW = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", 23),
        ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 25),
    ],
)
async def test_days_of_a_clock_change(client: Any, db: Any, get: Any, start: str, end: str, hours: int) -> None:
    await add_node(db)
    first = datetime.fromisoformat(start).astimezone(UTC)
    last = datetime.fromisoformat(end).astimezone(UTC)
    moments = [first - timedelta(microseconds=1), first, last - timedelta(microseconds=1), last]
    await post(client, [record("Delivery", moment) for moment in moments])
    period = {"from": start, "to": end, "tz": "Europe/Berlin"}
    (day,) = (await get("timeseries", interval="day", **period))["points"]
    assert (day["counts"]["delivered"], day["is_whole"]) == (2, True)
    assert (day["start"], day["end"]) == (start, end)
    points = (await get("timeseries", interval="hour", **period))["points"]
    assert len(points) == hours
    assert [point["counts"]["delivered"] for point in points] == [1, *[0] * (hours - 2), 1]


async def test_days_of_a_zone_that_is_half_an_hour_off(client: Any, db: Any, get: Any) -> None:
    await add_node(db)
    midnight = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
    moments = [midnight - timedelta(seconds=1), midnight, midnight + timedelta(seconds=1)]
    await post(client, [record("Delivery", moment) for moment in moments])
    points = (await get("timeseries", period="7d", tz="Asia/Kolkata"))["points"]
    found = {point["start"][:10]: point["counts"]["delivered"] for point in points if point["counts"]["delivered"]}
    assert found == {"2026-11-20": 1, "2026-11-21": 2}


async def test_trend_is_against_the_hours_before(client: Any, db: Any, get: Any) -> None:
    await add_node(db)
    lines = [record("Delivery", NOW - timedelta(minutes=n)) for n in range(6)]
    lines += [record("Delivery", NOW - timedelta(days=1, minutes=n)) for n in range(4)]
    await post(client, [*lines, record("Bounce", NOW - timedelta(days=1))])
    trend = await get("trend", period="24h")
    assert trend["counts"]["delivered"] == {"current": 6, "previous": 4, "difference": 2, "relative": 0.5}
    assert trend["rates"]["delivery_rate"] == {"current": 1.0, "previous": 0.8, "difference": 0.2}
    assert trend["previous_to"] == trend["from"]
    assert trend["rates"]["complaint_rate"]["current"] == 0


async def test_a_complaint_is_laid_to_the_vmta_that_sent_the_mail(client: Any, db: Any, acme: Any, get: Any) -> None:
    await add_node(db)
    mail = {"from": "ann@acme.test", "to": ["a@gmail.com"], "subject": "x", "text": "x"}
    sent = (await client.post("/api/v1/messages/send", json=mail, headers=acme)).json()
    extra = {"rid": sent["recipients"][0]["id"], "tenant": "acme"}
    delivered = record("Delivery", NOW, meta={"extra": extra}, recipient="a@gmail.com")
    report = {"feedback_type": "abuse", "original_mail_from": f"b+{extra['rid']}@bounce.postmta.test"}
    complaint = record("Feedback", NOW, meta={}, egress_source=None, feedback_report=report, recipient="fbl@acme.test")
    await post(client, [delivered])
    await post(client, [complaint])
    (vmta,) = (await get("breakdown", by="vmta"))["data"]
    assert (vmta["value"], vmta["counts"]["delivered"], vmta["counts"]["complained"]) == ("mx1", 1, 1)
    (provider,) = (await get("isp"))["data"]
    assert (provider["provider"], provider["counts"]["complained"]) == ("gmail", 1)
    assert provider["rates"]["complaint_rate"] == 1


async def test_bounds_are_widened_to_whole_hours_and_half_open(client: Any, db: Any, get: Any) -> None:
    await add_node(db)
    await post(client, [record("Delivery", NOW), record("Delivery", datetime(2026, 11, 22, 12, tzinfo=UTC))])
    summary = await get("summary", **{"from": "2026-11-22T12:20:00+01:00", "to": "2026-11-22T12:59:59+01:00"})
    assert (summary["from"], summary["to"]) == ("2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z")
    assert summary["counts"]["delivered"] == 1


async def test_a_plus_sign_that_came_as_a_space_is_read(client: Any, ann: Any) -> None:
    answer = await client.get(f"{BASE}/summary?from=2026-11-22T12:00:00+01:00", headers=ann)
    assert answer.json()["from"] == "2026-11-22T11:00:00Z"


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("summary", {"period": "8d"}, "period"),
        ("summary", {"period": "7d", "from": "2026-11-22T00:00:00Z"}, "period"),
        ("summary", {"to": "2026-11-22T00:00:00Z"}, "from"),
        ("summary", {"from": "2026-11-22"}, "from"),
        ("summary", {"from": "2026-11-22T00:00:00"}, "from"),
        ("summary", {"from": "yesterday"}, "from"),
        ("summary", {"from": "2026-11-22T00:00:00Z", "to": "x"}, "to"),
        ("summary", {"from": "2026-11-22T00:00:00Z", "to": "2026-11-22T00:00:00Z"}, "from"),
        ("summary", {"from": "2027-11-22T00:00:00Z"}, "from"),
        ("summary", {"from": "2024-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ("summary", {"from": "0001-01-01T00:00:00Z"}, "from"),
        ("summary", {"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ("summary", {"from": "2026-11-22T00:00:00Z", "to": "9999-12-31T23:59:59-12:00"}, "to"),
        ("timeseries", {"tz": "Berlin"}, "tz"),
        ("timeseries", {"tz": "../../etc/passwd"}, "tz"),
        ("timeseries", {"interval": "minute"}, "interval"),
        ("timeseries", {"interval": "hour", "period": "90d"}, "interval"),
        ("breakdown", {}, "by"),
        ("breakdown", {"by": "subject"}, "by"),
        ("breakdown", {"by": "tag", "limit": "0"}, "limit"),
        ("isp", {"limit": "501"}, "limit"),
        ("report", {"format": "pdf"}, "format"),
        ("export", {"by": "tag", "tz": "Asia/Kolkata"}, "tz"),
        ("export", {"interval": "hour", "period": "90d"}, "interval"),
    ],
)
async def test_errors_name_the_parameter(refusal: Any, path: str, params: dict[str, str], field: str) -> None:
    assert await refusal(path, **params) == [field]


async def test_the_scope_is_needed(client: Any, ann: Any) -> None:
    key = (await client.post("/api/v1/api-keys", json={"name": "k", "scopes": ["messages:read"]}, headers=ann)).json()
    for path in PATHS:
        assert (await client.get(f"{BASE}/{path}", headers={"X-API-Key": key["secret"]})).status_code == 403
        assert (await client.get(f"{BASE}/{path}")).status_code == 401


NASTY = ['=HYPERLINK("http://evil.test","x")', "+1", "-1", "@SUM(1)", "<script>alert(1)</script>", 'a"b,c\r\nd']


async def export(client: Any, headers: Any, **params: Any) -> list[dict[str, str]]:
    answer = await client.get(f"{BASE}/export", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="analytics-acme-')
    assert "\n" not in answer.text.replace("\r\n", "")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def send_tagged(client: Any, headers: Any, tags: list[str]) -> None:
    for tag in tags:
        mail = {"from": "ann@acme.test", "to": ["a@gmail.com"], "subject": tag.replace("\r\n", ""), "text": "x"}
        answer = await client.post("/api/v1/messages/send", json=mail | {"tags": [tag]}, headers=headers)
        assert answer.status_code == 202, answer.text


async def test_the_export_is_filled_with_zeros_and_adds_up(client: Any, acme: Any) -> None:
    await send_tagged(client, acme, ["a", "b", "b"])
    rows = await export(client, acme, period="24h", interval="hour")
    assert list(rows[0]) == ["start", "end", *FIELDS]
    assert [row["queued"] for row in rows] == [*["0"] * 23, "3"]
    assert rows[-1]["start"] == "2026-11-22T12:00:00+00:00"
    rows = await export(client, acme, period="7d", tz="Europe/Berlin", by="tag")
    assert [(row["start"], row["tag"], row["queued"]) for row in rows] == [
        ("2026-11-22T00:00:00+01:00", "a", "1"),
        ("2026-11-22T00:00:00+01:00", "b", "2"),
    ]


async def test_no_cell_of_the_export_is_a_formula(client: Any, acme: Any) -> None:
    await send_tagged(client, acme, NASTY)
    rows = await export(client, acme, by="tag")
    assert {row["tag"] for row in rows} == {"'" + tag if tag[0] in "=+-@" else tag for tag in NASTY}


async def test_nothing_in_the_report_is_markup(client: Any, acme: Any, db: Any) -> None:
    await add_node(db)
    await send_tagged(client, acme, NASTY)
    evil = "<img src=x onerror=alert(1)>\"'&"
    fields = {"campaign": evil, "reply": evil, "egress_source": evil, "provider_name": evil}
    await post(client, [record("Bounce", NOW, **fields, sender=f"x@{evil}", recipient=f"x@{evil}")])
    page = await client.get(f"{BASE}/report", params={"format": "html", "period": "24h"}, headers=acme)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for markup in ("<script", "<img", "onerror=alert(1)>"):
        assert markup not in page.text
    assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;" in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


async def test_the_report_as_json_says_what_the_others_say(client: Any, db: Any, get: Any) -> None:
    await add_node(db)
    await post(client, [record("Delivery", NOW), record("Bounce", NOW, reply="mailbox full")])
    report = await get("report", period="24h", tz="Europe/Berlin")
    period = {"period": "24h"}
    assert report["summary"] == await get("summary", **period)
    assert report["trend"] == await get("trend", **period)
    assert report["providers"] == await get("isp", limit=10, **period)
    assert report["bounce_reasons"] == await get("bounce-reasons", **period)
    assert report["timeseries"] == await get("timeseries", interval="hour", tz="Europe/Berlin", **period)
    assert [one["by"] for one in report["breakdowns"]] == ["sending_domain", "vmta", "tag"]
    assert (report["organization"], len(report["timeseries"]["points"])) == ("acme", 24)
