"""Requests in one transaction: each has its own fate, in the order in which they came."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from postmta_ctl.errors import Busy, Conflict, DomainNotVerified, InsufficientCredits, InvalidRequest
from postmta_ctl.features.auth.principal import ADMIN, Principal
from postmta_ctl.features.credits import account, postings
from postmta_ctl.features.messages import accepting, service
from postmta_ctl.features.messages.compose import NewMessage, new_message
from postmta_ctl.features.messages.idempotency import Answer, Idempotency, idempotency
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.store.tables import idempotency_keys, messages, outbox, recipients, rollup_types
from postmta_ctl.system import System
from tests.api.credits_support import organization_of

MAIL = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "Hello", "text": "Hello."}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a plan that is metered."""
    return msgspec.structs.replace(settings, default_plan="free")


@pytest.fixture
def here(system: System, db: Database) -> System:
    """The system of the test's own event loop."""
    return dataclasses.replace(system, db=db)


@pytest.fixture
async def principal(client: Any, acme: Any) -> Principal:
    organization_id = await organization_of(client, acme)
    return Principal(organization_id=organization_id, organization="acme", role="owner", scopes=ADMIN)


def asked(**changes: Any) -> SendRequest:
    return msgspec.convert(MAIL | changes, SendRequest)


def once(key: str, body: bytes = b"body") -> Idempotency | None:
    return idempotency(key, "messages/send", body)


async def together(here: System, principal: Principal, *sends: tuple[SendRequest, Idempotency | None]) -> list[Any]:
    """All are asked before the first one is worked on, so they make one group."""
    asking = (service.send(here, principal, request, key) for request, key in sends)
    return await asyncio.gather(*asking, return_exceptions=True)


async def count(here: System, table: Any) -> int:
    async with here.db.reading() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def test_a_group_of_many_fates(here: System, principal: Principal) -> None:
    answers = await together(
        here,
        principal,
        (asked(), None),
        (asked(**{"from": "ann@unverified.test"}), None),
        (asked(vmta="nowhere"), once("a")),
        (asked(to=["x@example.org", "y@example.org"]), once("b")),
        (asked(pool="nothing"), None),
    )
    assert [type(one) for one in answers] == [Answer, DomainNotVerified, InvalidRequest, Answer, InvalidRequest]
    stored = [await count(here, table) for table in (messages, recipients, outbox, idempotency_keys)]
    assert stored == [2, 3, 3, 1]
    async with here.db.reading() as connection:
        assert await connection.scalar(select(func.sum(rollup_types.c.count))) == 3


async def test_a_key_that_is_in_progress_is_not_for_another_request(here: System, principal: Principal) -> None:
    first, again, other, elsewhere = await together(
        here,
        principal,
        (asked(), once("k")),
        (asked(), once("k")),
        (asked(subject="Another"), once("k", b"another body")),
        (asked(), once("l")),
    )
    for one in (again, other):
        assert isinstance(one, Conflict)
        assert (one.code, one.retry_after) == ("idempotency_conflict", 1)
    assert not elsewhere.is_replay
    assert await count(here, messages) == 2
    assert await service.send(here, principal, asked(), once("k")) == Answer(first.body, is_replay=True)


async def test_a_key_is_kept_for_a_day(here: System, principal: Principal, clock: Any) -> None:
    first = await service.send(here, principal, asked(), once("k"))
    clock.advance(hours=24, seconds=-1)
    assert await service.send(here, principal, asked(), once("k")) == Answer(first.body, is_replay=True)
    clock.advance(seconds=1)
    assert not (await service.send(here, principal, asked(), once("k", b"another body"))).is_replay
    assert await count(here, idempotency_keys) == 1
    assert await count(here, messages) == 2


async def test_who_hangs_up_keeps_its_key_until_its_message_is_settled(here: System, principal: Principal) -> None:
    gone = asyncio.create_task(service.send(here, principal, asked(), once("k")))
    while not here.keys_in_progress:
        await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(Conflict):
        await service.send(here, principal, asked(), once("k"))
    await here.accepting.drain()
    assert (await service.send(here, principal, asked(), once("k"))).is_replay
    assert await count(here, messages) == 1


async def test_credits_go_to_who_came_first_and_no_further(here: System, principal: Principal) -> None:
    async with here.db.transaction() as connection:
        await account.require(here, connection, principal.organization_id, "email", 0)
        left = (await account.queries.balances(connection, principal.organization_id))["email"].available
        drop = account.Wish(organization_id=principal.organization_id, recipients=left, reference="all")
        assert await account.reserve(here, connection, [drop], cause="test") == [1]
        await postings.grant(connection, principal.organization_id, "email", 3, cause="test", now=here.now())
    two, one = asked(to=["x@example.org", "y@example.org"]), asked()
    answers = await together(here, principal, (two, None), (two, once("r")), (one, None), (one, once("s")))
    assert [type(each) for each in answers] == [Answer, InsufficientCredits, Answer, InsufficientCredits]
    assert await count(here, messages) == 2
    assert await count(here, idempotency_keys) == 0


async def test_what_the_database_refuses_fails_alone(here: System, principal: Principal) -> None:
    """Two messages of one id: no check of ours can let that happen, so it stands for any bug."""
    taken = new_message(asked(), here.now())
    good = [new_message(asked(to=[f"{n}@example.org"]), here.now()) for n in range(3)]

    async def accept(message: NewMessage) -> Answer:
        return await accepting.accept(here, service.single(principal, message))

    answers = await asyncio.gather(*(accept(one) for one in (good[0], taken, taken, *good[1:])), return_exceptions=True)
    assert [type(one) for one in answers] == [Answer, Answer, IntegrityError, Answer, Answer]
    assert await count(here, messages) == 4
    assert await count(here, outbox) == 4


async def test_who_hangs_up_takes_nothing_from_the_others(here: System, principal: Principal) -> None:
    tasks = [asyncio.create_task(service.send(here, principal, asked(), None)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in answers].count(Answer) == 4
    await here.accepting.drain()
    assert await count(here, messages) in (4, 5)  # whether it had been handed over when the caller went


async def test_more_than_a_group_holds(here: System, principal: Principal) -> None:
    answers = await together(here, principal, *((asked(), None) for _ in range(150)))
    assert {type(one) for one in answers} == {Answer}
    assert await count(here, messages) == 150


async def test_a_full_outbox_takes_no_more_until_some_have_gone(here: System, principal: Principal) -> None:
    small = msgspec.structs.replace(here.settings, outbox_limit=3)
    here = dataclasses.replace(here, settings=small)
    first = await service.send(here, principal, asked(to=["x@example.org", "y@example.org"]), once("k"))
    here.outbox_length.clear()
    assert isinstance(await service.send(here, principal, asked(), None), Answer)
    here.outbox_length.clear()
    refused, again = await together(here, principal, (asked(), None), (asked(), once("k")))
    assert isinstance(refused, Busy)
    assert (refused.code, refused.retry_after) == ("outbox_full", 10)
    assert again == Answer(first.body, is_replay=True)
    async with here.db.transaction() as connection:
        await connection.execute(outbox.delete())
    here.outbox_length.clear()
    assert isinstance(await service.send(here, principal, asked(), None), Answer)


async def test_only_so_many_requests_wait(here: System, principal: Principal) -> None:
    small = msgspec.structs.replace(here.settings, waiting_requests=2)
    here = dataclasses.replace(here, settings=small)
    answers = await together(here, principal, *((asked(), once(str(number))) for number in range(5)))
    assert [type(one) for one in answers] == [Answer, Answer, Busy, Busy, Busy]
    assert answers[4].retry_after == 1
    assert await count(here, messages) == 2
    assert isinstance(await service.send(here, principal, asked(), once("4")), Answer), "its key is free"


async def test_a_database_that_cannot_be_written_to(here: System, client: Any, acme: Any, principal: Principal) -> None:
    async with here.db.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE message_contents RENAME TO elsewhere")
    for _ in range(2):
        answer = await client.post("/api/v1/messages/send", json=MAIL, headers=acme | {"Idempotency-Key": "k"})
        assert answer.status_code in (500, 503), "the key is free again, whatever went wrong"
    async with here.db.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO message_contents")
    answer = await client.post("/api/v1/messages/send", json=MAIL, headers=acme | {"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text
    assert await count(here, messages) == 1
