"""Forecasts through the API, in each form."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from postmta_ctl.core.providers import PROVIDERS

PLAN = {
    "daily_volume": [1000],
    "days": 6,
    "provider_mix": {"gmail": 0.5},
    "new_vmtas": [{"name": "new", "daily_allowances": [100, 200, 400]}],
    "established": 1,
}
MX1 = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}


async def ask(client: Any, headers: Any, *, format: str = "json", **changes: Any) -> Any:  # noqa: A002
    return await client.post(f"/api/v1/warmup/forecast?format={format}", json=PLAN | changes, headers=headers)


async def test_day_by_day_as_json(client: Any, ann: Any) -> None:
    answer = await ask(client, ann)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [(day["day"], day["through_new"], day["through_established"]) for day in found["days"]][:4] == [
        ("2026-11-22", 100, 900),
        ("2026-11-23", 200, 800),
        ("2026-11-24", 400, 600),
        ("2026-11-25", 0, 1000),
    ]
    assert found["warm_on"] == "2026-11-25"
    assert found["vmtas"][1] == {"name": "new", "is_new": True, "warm_on": "2026-11-25"}


async def test_with_what_the_organization_has(client: Any, ann: Any, bob: Any) -> None:
    await client.post("/api/v1/vmtas", json=MX1 | {"warmup": {"daily_allowances": [10, 20]}}, headers=ann)
    found = (await ask(client, ann, new_vmtas=[], established=0, days=3)).json()
    assert [(day["through_new"], day["delayed"]) for day in found["days"]] == [(10, 990), (20, 1970), (0, 0)]
    assert found["days"][2]["through_established"] == 2970
    answer = await ask(client, bob, new_vmtas=[], established=0)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_as_csv(client: Any, ann: Any) -> None:
    answer = await ask(client, ann, format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[1] == {
        "day": "2026-11-23",
        "planned": "1000",
        "waiting": "0",
        "through_new": "200",
        "through_established": "800",
        "delayed": "0",
        "established-1": "800",
        "new": "200",
    }


async def test_as_a_plot(client: Any, ann: Any) -> None:
    answer = await ask(client, ann, format="svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    titles = [element.text for element in ElementTree.fromstring(answer.text).iter() if element.tag.endswith("title")]
    assert "23 Nov: 200 new" in titles


async def test_as_a_page_that_needs_nothing_else(client: Any, ann: Any) -> None:
    answer = await ask(client, ann, format="html")
    assert answer.headers["content-type"].startswith("text/html")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "<td>2026-11-25</td>" in answer.text
    assert "src=" not in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"daily_volume": []}, "daily_volume"),
        ({"daily_volume": [-1]}, "daily_volume[0]"),
        ({"days": 367}, "days"),
        ({"provider_mix": {"gmial": 0.5}}, "provider_mix"),
        ({"provider_mix": {"gmail": 0.6, "yahoo": 0.6}}, "provider_mix"),
        ({"new_vmtas": [{"name": "a", "schedule": "hasty"}]}, "new_vmtas[0].schedule"),
        ({"new_vmtas": [{"name": "a", "schedule": "standard"}] * 2}, "new_vmtas[1].name"),
        ({"new_vmtas": [{"name": "<b>", "schedule": "standard"}]}, "new_vmtas[0].name"),
        ({"new_vmtas": [], "established": 0}, "new_vmtas"),
    ],
)
async def test_what_is_no_plan_is_refused(client: Any, ann: Any, change: Any, field: str) -> None:
    answer = await ask(client, ann, **change)
    assert answer.status_code == 422, answer.text
    assert [one["field"] for one in answer.json()["errors"]] == [field]


async def test_a_large_plan_takes_no_time_worth_naming(client: Any, ann: Any) -> None:
    new = [{"name": f"n{number}", "schedule": "conservative"} for number in range(50)]
    mix = dict.fromkeys(sorted(PROVIDERS)[:25], 0.03)
    answer = await ask(client, ann, days=366, daily_volume=[10**9], new_vmtas=new, provider_mix=mix, established=50)
    assert len(answer.json()["days"]) == 366
    assert answer.elapsed < timedelta(seconds=30)


async def test_the_last_day_of_the_calendar_is_far_enough(client: Any, ann: Any) -> None:
    answer = await ask(client, ann, first_day="9999-12-30")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "first_day")
