"""Octets that are lent out: never more than there are, but for what is larger than all of them."""

from __future__ import annotations

import asyncio

from postmta_ctl.octets import Octets


async def test_whoever_comes_first_has_them_first() -> None:
    octets, held, most, order = Octets(10), 0, 0, []

    async def work(name: int, count: int) -> None:
        nonlocal held, most
        async with octets.lent(count):
            held += count
            most = max(most, held)
            order.append(name)
            await asyncio.sleep(0)
            held -= count

    sizes = [6, 5, 4, 1, 30, 2, 10]
    await asyncio.gather(*(work(number, size) for number, size in enumerate(sizes)))
    assert order == list(range(len(sizes)))
    assert most == 30, "the one that is larger than all, alone"
    assert octets.take(10)
    assert not octets.take(1)


async def test_who_gives_up_waiting_takes_none_along() -> None:
    octets = Octets(10)
    assert octets.take(10)
    waiting = asyncio.create_task(octets.lent(5).__aenter__())
    next_one = asyncio.create_task(octets.lent(10).__aenter__())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    octets.give_back(10)
    await asyncio.wait_for(next_one, 1)
    octets.give_back(10)
    assert octets.take(10)
