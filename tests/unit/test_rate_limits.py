"""Token buckets: the rule, and who keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.clients.limiter import Limiter, MemoryLimiter
from postmta_ctl.clients.redis_limiter import RedisLimiter
from postmta_ctl.core.rate_limits import Bucket, Limit, headers, retry_after, take
from tests import redis

LIMIT = Limit(name="key", quota=10, window=60)


@given(st.integers(1, 1000), st.integers(1, 3600))
def test_a_full_bucket_has_its_quota_and_no_more(quota: int, window: int) -> None:
    limit, full_at, taken = Limit(name="x", quota=quota, window=window), 0.0, 0
    while not (standing := take(limit, full_at, 1000.0)).retry_after:
        full_at, taken = standing.full_at, taken + 1
        assert standing.remaining == quota - taken
    assert taken == quota


@given(st.lists(st.floats(0, 20), max_size=200))
def test_no_window_sees_more_than_the_quota_and_what_refills_in_it(gaps: list[float]) -> None:
    now, full_at, passed = 0.0, 0.0, []
    for gap in gaps:
        now += gap
        standing = take(LIMIT, full_at, now)
        if not standing.retry_after:
            full_at = standing.full_at
            passed.append(now)
    for start in passed:
        assert sum(start <= moment < start + 60 for moment in passed) <= 2 * LIMIT.quota


def test_who_waits_as_told_is_let_through() -> None:
    full_at = 0.0
    while not (standing := take(LIMIT, full_at, 0.0)).retry_after:
        full_at = standing.full_at
    assert standing.retry_after == pytest.approx(6.0)
    assert take(LIMIT, full_at, 5.9).retry_after
    assert not take(LIMIT, full_at, standing.retry_after).retry_after


def test_the_headers_have_a_member_for_each_limit() -> None:
    standings = [take(LIMIT, 0.0, 0.0), take(Limit(name="organization", quota=100), 0.0, 0.0)]
    assert headers(standings) == {
        "RateLimit-Policy": '"key";q=10;w=60, "organization";q=100;w=60',
        "RateLimit": '"key";r=9;t=6, "organization";r=99;t=1',
    }
    assert headers([]) == {}


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    if reason := redis.missing():
        pytest.skip(reason)
    with redis.running_server() as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def limiter(request: pytest.FixtureRequest) -> Limiter:
    return MemoryLimiter() if request.param == "memory" else RedisLimiter(request.getfixturevalue("redis_url"))


def bucket(who: str, quota: int = 10) -> Bucket:
    return Bucket(key=who, limit=Limit(name="key", quota=quota, window=3600))


async def test_of_many_at_once_as_many_pass_as_there_are_tokens(limiter: Limiter) -> None:
    answers = await asyncio.gather(*(limiter.take([bucket("a")]) for _ in range(30)))
    waits = [retry_after(standings) for standings in answers]
    assert (waits.count(0), len(waits)) == (10, 30)
    assert all(300 < wait <= 360 for wait in waits if wait)
    await limiter.close()


async def test_a_request_that_one_limit_refuses_costs_nothing_at_the_other(limiter: Limiter) -> None:
    small, large = bucket("b", 1), bucket("c", 5)
    for _ in range(4):
        await limiter.take([small, large])
    (standing,) = await limiter.take([large])
    assert standing.remaining == 3
    await limiter.close()


async def test_what_is_given_back_can_be_taken_again(limiter: Limiter) -> None:
    one = bucket("d", 2)
    for _ in range(10):
        assert not retry_after(await limiter.take([one]))
        await limiter.give_back([one])
    await limiter.give_back([bucket("nobody")])
    assert await limiter.take([]) == []
    await limiter.close()


async def test_two_processes_share_what_is_in_redis(redis_url: str) -> None:
    one, other = RedisLimiter(redis_url), RedisLimiter(redis_url)
    await one.take([bucket("shared")])
    (standing,) = await other.take([bucket("shared")])
    assert standing.remaining == 8
    await one.close()
    await other.close()


async def test_without_redis_each_process_counts_for_itself() -> None:
    limiter = RedisLimiter("redis://127.0.0.1:1/0")
    answers = [retry_after(await limiter.take([bucket("e", 2)])) for _ in range(3)]
    assert answers[:2] == [0, 0]
    assert answers[2] > 0
    await limiter.give_back([bucket("e", 2)])
    assert not retry_after(await limiter.take([bucket("e", 2)]))
    await limiter.close()


async def test_full_buckets_are_forgotten() -> None:
    now = 0.0
    limiter = MemoryLimiter(lambda: now)
    for number in range(10_000):
        await limiter.take([Bucket(key=str(number), limit=LIMIT)])
        now += 1.0
    assert len(limiter._full_at) < 100
