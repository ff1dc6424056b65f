"""What is found out once for many."""

from __future__ import annotations

import asyncio

import pytest

from postmta_ctl.recent import Shared


class Lookup:
    """Finds what it is told to, once it may."""

    def __init__(self) -> None:
        self.may, self.times = asyncio.Event(), 0

    async def __call__(self) -> int:
        self.times += 1
        await self.may.wait()
        if self.times > 1:
            raise LookupError("gone")
        return self.times


async def test_who_asks_at_the_same_time_shares_the_answer_and_who_asks_later_does_not() -> None:
    shared, lookup = Shared[int](), Lookup()
    asking = [asyncio.create_task(shared.find("a", lookup)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    lookup.may.set()
    assert await asyncio.gather(*asking[1:]) == [1] * 4
    assert asking[0].cancelled()
    failed = await asyncio.gather(*(shared.find("a", lookup) for _ in range(3)), return_exceptions=True)
    assert (lookup.times, [type(one) for one in failed]) == (2, [LookupError] * 3)
    with pytest.raises(LookupError):
        await shared.find("b", lookup)
    assert lookup.times == 3
