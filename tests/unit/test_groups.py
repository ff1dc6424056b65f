"""What arrives together is done together, and what becomes of one is not what becomes of another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from postmta_ctl.groups import Groups
from postmta_ctl.store import blocking


class Work:
    """Doubles numbers, slowly; refuses negative ones. Remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def __call__(self, group: list[int]) -> Sequence[int | Exception]:
        self.groups.append(group)
        await asyncio.sleep(0.01)
        if 666 in group:
            raise ConnectionError("gone")
        return [ValueError(number) if number < 0 else number * 2 for number in group]


async def test_what_gathers_during_one_group_is_the_next_one() -> None:
    groups, work = Groups[int, int](limit=3), Work()
    first = asyncio.create_task(groups.do(0, work))
    await asyncio.sleep(0.005)
    rest = await asyncio.gather(*(groups.do(number, work) for number in range(1, 6)))
    assert (await first, rest) == (0, [2, 4, 6, 8, 10])
    assert work.groups == [[0], [1, 2, 3], [4, 5]]


async def test_each_has_a_fate_of_its_own() -> None:
    groups, work = Groups[int, int](limit=10), Work()
    one, bad, two = await asyncio.gather(*(groups.do(n, work) for n in (1, -1, 2)), return_exceptions=True)
    assert (one, two) == (2, 4)
    assert isinstance(bad, ValueError)


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    groups, work = Groups[int, int](limit=10), Work()
    tasks = [asyncio.create_task(groups.do(number, work)) for number in range(3)]
    await asyncio.sleep(0.005)
    tasks[0].cancel()
    assert await asyncio.gather(*tasks[1:]) == [2, 4]
    assert tasks[0].cancelled()
    assert work.groups == [[0, 1, 2]]


async def test_work_that_fails_whole_is_told_to_all_and_does_not_end_the_work() -> None:
    groups, work = Groups[int, int](limit=10), Work()
    failed = await asyncio.gather(*(groups.do(n, work) for n in (1, 666)), return_exceptions=True)
    assert [type(one) for one in failed] == [ConnectionError, ConnectionError]
    assert await groups.do(4, work) == 8


async def test_draining_waits_for_all_of_them() -> None:
    groups, work = Groups[int, int](limit=1), Work()
    tasks = [asyncio.create_task(groups.do(number, work)) for number in range(3)]
    await asyncio.sleep(0)
    await groups.drain()
    await asyncio.sleep(0)
    assert all(task.done() for task in tasks)


async def test_blocking_work_waits_for_nothing_else() -> None:
    with pytest.raises(RuntimeError, match="waited"):
        blocking.run(asyncio.sleep(0.01))


async def _immediate() -> int:
    return 5


def test_blocking_work_returns_what_it_returns() -> None:
    assert blocking.run(_immediate()) == 5


async def test_who_comes_again_at_once_is_done_in_two_groups_by_turns() -> None:
    groups, work = Groups[int, int](limit=64), Work()

    async def again_and_again(number: int) -> None:
        await asyncio.sleep(number / 10_000)
        for _ in range(10):
            await groups.do(number, work)

    await asyncio.gather(*(again_and_again(number) for number in range(16)))
    assert sum(map(len, work.groups)) == 160
    assert {len(group) for group in work.groups[6:-6]} == {8}


async def test_several_groups_at_once_share_what_waits() -> None:
    groups, work = Groups[int, int](limit=10, at_once=2), Work()
    first = asyncio.gather(*(groups.do(number, work) for number in range(4)))
    await asyncio.sleep(0.005)
    assert work.groups == [[0, 1], [2, 3]]
    later = asyncio.create_task(groups.do(4, work))
    await asyncio.sleep(0)
    assert len(groups) == 1
    assert await first == [0, 2, 4, 6]
    await groups.drain()
    assert await later == 8
    assert len(groups) == 0
