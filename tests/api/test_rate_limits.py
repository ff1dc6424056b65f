"""How many requests a key, a user, an organization and an address may make."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

ME = "/api/v1/auth/me"


@pytest.fixture
def limited(system: Any) -> Any:
    """Sets the limits of the running system."""

    def limit(**limits: int) -> None:
        object.__setattr__(system, "settings", msgspec.structs.replace(system.settings, **limits))

    return limit


async def test_every_answer_says_how_the_limits_stand(client: Any, ann: Any, limited: Any) -> None:
    limited(rate_limit_user=60, rate_limit_organization=600)
    answer = await client.get(ME, headers=ann)
    assert answer.headers["ratelimit-policy"] == '"user";q=60;w=60, "organization";q=600;w=60'
    assert answer.headers["ratelimit"] == '"user";r=59;t=1, "organization";r=599;t=1'


async def test_one_request_too_many_is_told_when_to_come_again(client: Any, ann: Any, limited: Any, clock: Any) -> None:
    limited(rate_limit_user=6)
    answers = [await client.get(ME, headers=ann) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    refused = answers[-1]
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("rate_limited", "10")
    assert refused.headers["content-type"] == "application/problem+json"
    assert '"user";r=0;t=60' in refused.headers["ratelimit"]
    clock.advance(seconds=10)
    assert [(await client.get(ME, headers=ann)).status_code for _ in range(2)] == [200, 429]


async def test_keys_have_limits_of_their_own_within_that_of_their_organization(
    client: Any, ann: Any, bob: Any, limited: Any
) -> None:
    body = {"name": "k", "scopes": ["account:read"]}
    made = [(await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"] for _ in range(2)]
    limited(rate_limit_key=2, rate_limit_organization=4)

    async def count(headers: dict[str, str]) -> int:
        return [(await client.get(ME, headers=headers)).status_code for _ in range(4)].count(200)

    assert [await count({"X-API-Key": secret}) for secret in made] == [2, 1]
    assert await count(bob) == 4


async def test_what_needs_no_credential_is_limited_by_address(client: Any, limited: Any) -> None:
    limited(rate_limit_address=3)
    body = {"refresh_token": "x"}
    answers = [await client.post("/api/v1/auth/refresh", json=body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert (await client.get("/health")).status_code == 200


async def test_zero_is_no_limit(client: Any, ann: Any, limited: Any) -> None:
    limited(rate_limit_user=0, rate_limit_organization=0)
    answer = await client.get(ME, headers=ann)
    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


CATALOGUE = """
currency = "EUR"

[[plans]]
id = "small"
name = "Small"
requests_per_minute = { key = 3, user = 60, organization = 600 }

[[plans]]
id = "large"
name = "Large"
requests_per_minute = { key = 120 }
"""


@pytest.fixture
def plans(limited: Any, system: Any, tmp_path: Any) -> None:
    """Everybody begins with the plan ``small``."""
    (tmp_path / "plans.toml").write_text(CATALOGUE)
    chosen = {"plans_file": str(tmp_path / "plans.toml"), "default_plan": "small"}
    object.__setattr__(system, "settings", msgspec.structs.replace(system.settings, **chosen))
    limited(rate_limit_key=7_000, rate_limit_user=8_000, rate_limit_organization=9_000)


@pytest.mark.usefixtures("plans")
async def test_the_plan_says_how_many_requests_there_are(client: Any, ann: Any, clock: Any) -> None:
    body = {"name": "k", "scopes": ["account:read"]}
    key = {"X-API-Key": (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]}
    before = await client.get(ME, headers=ann)
    assert before.headers["ratelimit-policy"] == '"user";q=60;w=60, "organization";q=600;w=60'
    assert [(await client.get(ME, headers=key)).status_code for _ in range(4)] == [200, 200, 200, 429]
    shown = (await client.get("/api/v1/billing/plan", headers=ann)).json()["plan"]
    assert shown["requests_per_minute"] == {"key": 3, "user": 60, "organization": 600}
    assert (await client.post("/api/v1/billing/upgrade", json={"plan": "large"}, headers=ann)).status_code == 200
    after = await client.get(ME, headers=ann)
    assert after.headers["ratelimit-policy"] == '"user";q=8000;w=60, "organization";q=9000;w=60'
    clock.advance(minutes=1)
    assert (await client.get(ME, headers=key)).headers["ratelimit-policy"].startswith('"key";q=120;w=60,')
