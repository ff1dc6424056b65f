from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from postmta_ctl.core.chance import Chance


def test_digits_are_as_many_as_asked_for_whatever_is_left_of_what_was_drawn() -> None:
    chance = Chance()

    drawn = [chance.digits(number) for number in (16, 0, 1, 8191, 32, 20_000)]

    assert [len(one) for one in drawn] == [16, 0, 1, 8191, 32, 20_000]
    assert set("".join(drawn)) <= set("0123456789abcdef")


def test_nothing_is_given_out_twice() -> None:
    chance = Chance()

    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: chance.digits(16), range(20_000)))

    assert len(set(drawn)) == len(drawn)


def test_a_process_made_by_fork_does_not_go_on_with_what_its_parent_has_drawn() -> None:
    chance = Chance()
    chance.digits(16)
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        os.write(writing, chance.digits(16).encode())
        os._exit(0)

    os.waitpid(child, 0)
    assert os.read(reading, 16).decode() != chance.digits(16)
