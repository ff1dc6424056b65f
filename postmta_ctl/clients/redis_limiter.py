"""Token buckets in Redis, shared by all processes of an installation."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from postmta_ctl.clients.limiter import MemoryLimiter
from postmta_ctl.core import rate_limits
from postmta_ctl.core.rate_limits import Bucket, Standing

log = structlog.get_logger(__name__)

PREFIX = "postmta:limit:"

# The rule of core.rate_limits.take, done where no other process can come between reading and writing, and by the
# clock that all share. It answers with that clock and the buckets as they were.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local answer, after, refused = {string.format('%.6f', now)}, {}, false
for i, key in ipairs(KEYS) do
  local interval, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full_at = tonumber(redis.call('GET', key) or now)
  answer[i + 1] = string.format('%.6f', full_at)
  after[i] = math.max(full_at, now) + interval
  refused = refused or after[i] - now - window > 1e-6
end
if not refused then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.6f', after[i]), 'PX', math.ceil((after[i] - now) * 1000) + 1)
  end
end
return answer
"""

_GIVE_BACK = """
for i, key in ipairs(KEYS) do
  local full_at = redis.call('GET', key)
  if full_at then
    redis.call('SET', key, string.format('%.6f', tonumber(full_at) - tonumber(ARGV[i])), 'KEEPTTL')
  end
end
"""


class RedisLimiter:
    """Buckets in Redis. While it cannot be reached, each process counts for itself: requests go on, within limits.

    Args:
        url: ``redis://`` or ``rediss://`` as redis-py reads it.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)
        self._take = self._redis.register_script(_TAKE)
        self._give_back = self._redis.register_script(_GIVE_BACK)
        self._alone = MemoryLimiter()

    async def take(self, buckets: Sequence[Bucket]) -> list[Standing]:
        """Take a token from each bucket, or from none if one of them is empty."""
        if not buckets:
            return []
        arguments = [number for one in buckets for number in (one.limit.interval, one.limit.window)]
        try:
            answer = await self._take(keys=_keys(buckets), args=arguments)
        except RedisError as error:
            log.warning("redis cannot be reached; rate limits are kept by each process", error=str(error))
            return await self._alone.take(buckets)
        now, *before = (float(text) for text in answer)
        return [rate_limits.take(one.limit, full_at, now) for one, full_at in zip(buckets, before, strict=True)]

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """Undo one :meth:`take`."""
        if not buckets:
            return
        try:
            await self._give_back(keys=_keys(buckets), args=[one.limit.interval for one in buckets])
        except RedisError:
            await self._alone.give_back(buckets)

    async def trouble(self) -> str | None:
        """What went wrong when Redis was asked for its time; None when it answered."""
        try:
            await self._redis.time()
        except RedisError as error:
            return str(error)
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _keys(buckets: Sequence[Bucket]) -> list[str]:
    return [PREFIX + one.key for one in buckets]
