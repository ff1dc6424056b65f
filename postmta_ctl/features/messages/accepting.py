"""Accepting messages: requests that arrive together share one transaction, and each has a fate of its own.

What a request may do is decided in memory, in the order in which they came, from what was looked up for all of them;
then the rows of those that are accepted are written together. So the cost of a durable commit, and of most
statements, is divided by the size of the group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import Busy, Conflict, InvalidRequest, PostMTAError
from postmta_ctl.features.credits import account
from postmta_ctl.features.messages import queries
from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.features.messages.happenings import record
from postmta_ctl.features.messages.idempotency import LIFETIME, Answer, Idempotency
from postmta_ctl.features.messages.places import Places, known_places, place
from postmta_ctl.features.messages.queries import KeptAnswer, Stored
from postmta_ctl.features.messages.queued import queued_events
from postmta_ctl.features.suppressions.service import suppressed
from postmta_ctl.features.webhooks.outbox import announce_mail, listeners
from postmta_ctl.system import System

Judged = NewMessage | PostMTAError
Key = tuple[str, str, str]
"""Organization, route, Idempotency-Key."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request to accept messages."""

    organization_id: str
    messages: Sequence[Judged]
    """Composed, or what is wrong with each."""
    answer: Callable[[Sequence[Judged]], msgspec.Struct]
    """What to answer about the messages as they were judged in the end."""
    once: Idempotency | None = None
    batch_id: str | None = None
    all_or_none: bool = False
    """Whether an error of one of the messages is the error of the request."""

    @property
    def key(self) -> Key | None:
        """What tells it from requests that are not its repetition."""
        return None if self.once is None else (self.organization_id, self.once.route, self.once.key)


class Accepted(msgspec.Struct, frozen=True):
    """A request that is not refused."""

    ask: Ask
    messages: Sequence[Judged]
    charge: int
    """Credits for each recipient."""

    @property
    def rows(self) -> list[Stored]:
        """What is stored of it."""
        return [Stored(self.ask.organization_id, one, self.ask.batch_id, self.charge) for one in _good(self.messages)]


async def accept(system: System, ask: Ask) -> Answer:
    """Accept what can be accepted: when this returns, it is on durable storage together with its place in the outbox.

    Raises:
        Conflict: A request of the same key is being worked on.
        Busy: Too much is waiting for the database or for the nodes.
        PostMTAError: What else stands in the way of this request.
    """
    if ask.key in system.keys_in_progress:
        raise _in_progress()
    if len(system.accepting) >= system.settings.waiting_requests:
        raise Busy("Too many requests are waiting for the database.", retry_after=1)
    if ask.key is not None:
        system.keys_in_progress.add(ask.key)
    answer: Answer = await system.accepting.do(ask, lambda group: _work(system, group))
    return answer


async def _work(system: System, group: list[Ask]) -> Sequence[Answer | Exception]:
    try:
        results = await _committed(system, group)
        system.reach("after-accept")
        return results
    finally:
        # Here and not where the request waits: it may have gone, and its messages are accepted all the same.
        system.keys_in_progress.difference_update(one.key for one in group)


def _in_progress() -> Conflict:
    return Conflict("A request with this Idempotency-Key is in progress.", code="idempotency_conflict", retry_after=1)


async def _committed(system: System, group: list[Ask]) -> Sequence[Answer | Exception]:
    try:
        return await system.db.at_once(lambda connection: accept_all(system, connection, group))
    except (OperationalError, InterfaceError):
        raise  # Locked, full or away: nobody's fault, and not to be asked again for each of them.
    except Exception as error:
        if len(group) > 1:
            return [result for one in group for result in await _committed(system, [one])]
        return [_conflict(group[0], error)]


def _conflict(ask: Ask, error: Exception) -> Exception:
    """Another process took the same key, or the same rows, in the meantime."""
    if ask.once is None or not isinstance(error, IntegrityError):
        return error
    return _in_progress()


async def accept_all(system: System, connection: AsyncConnection, group: Sequence[Ask]) -> list[Answer | PostMTAError]:
    """Accept the requests in the caller's transaction: an answer or an error for each, in their order.

    No two of them may have the same key.
    """
    kept = await _kept(connection, group, system.now() - LIFETIME)
    fresh = [ask for ask in group if ask.key not in kept]
    full = fresh and await _is_full(system, connection)
    accepted = iter([_full()] * len(fresh) if full else await _accept(system, connection, fresh))
    return [_replayed(ask, kept[ask.key]) if ask.key in kept else next(accepted) for ask in group]


async def _is_full(system: System, connection: AsyncConnection) -> bool:
    limit = system.settings.outbox_limit
    if not limit:
        return False
    length = system.outbox_length.get()
    if length is None:
        length = await queries.outbox_length(connection, limit)
        system.outbox_length.set(length)
    return length >= limit


def _full() -> Busy:
    return Busy("So much mail is waiting for the nodes that no more is taken.", code="outbox_full", retry_after=10)


async def _kept(connection: AsyncConnection, asks: Iterable[Ask], since: datetime) -> dict[Key | None, KeptAnswer]:
    """The answers that were given to their keys since then; older ones are dropped, and their keys are free."""
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for ask in asks:
        if ask.once is not None:
            keys[ask.organization_id, ask.once.route].add(ask.once.key)
    found: dict[Key | None, KeptAnswer] = {}
    for (organization_id, route), named in keys.items():
        rows = await queries.kept_answers(connection, organization_id, route, named)
        if old := [row.key for row in rows if row.created_at <= since]:
            await queries.forget_keys(connection, organization_id, route, old)
        found |= {(organization_id, route, row.key): row for row in rows if row.created_at > since}
    return found


def _replayed(ask: Ask, kept: KeptAnswer) -> Answer | PostMTAError:
    if ask.once is None or kept.fingerprint != ask.once.fingerprint:
        return InvalidRequest.of("Idempotency-Key", "was used for another request", code="idempotency_key_reused")
    return Answer(kept.answer, is_replay=True)


async def _accept(system: System, connection: AsyncConnection, asks: Sequence[Ask]) -> list[Answer | PostMTAError]:
    """Accept requests that are not repeated."""
    judged = await _judged(system, connection, asks)
    charges = await _charges(system, connection, asks, judged)
    accepted = [
        Accepted(ask, messages, charge)
        for ask, messages, charge in zip(asks, judged, charges, strict=True)
        if not isinstance(charge, PostMTAError)
    ]
    await _store(system, connection, [row for one in accepted for row in one.rows])
    answers = {id(one.ask): msgspec.json.encode(one.ask.answer(one.messages)) for one in accepted}
    kept = [
        (one.ask.organization_id, one.ask.once, answers[id(one.ask)]) for one in accepted if one.ask.once is not None
    ]
    await queries.keep_answers(connection, kept, system.now())
    return [
        charge if isinstance(charge, PostMTAError) else Answer(answers[id(ask)])
        for ask, charge in zip(asks, charges, strict=True)
    ]


async def _judged(system: System, connection: AsyncConnection, asks: Sequence[Ask]) -> list[list[Judged]]:
    """The messages of each request as they would be stored, or what is wrong with them."""
    whose: defaultdict[str, list[NewMessage]] = defaultdict(list)
    for ask in asks:
        whose[ask.organization_id] += _good(ask.messages)
    known: dict[str, tuple[Places, Collection[str]]] = {}
    for organization_id, messages in whose.items():
        addresses = {recipient.key for one in messages for recipient in one.recipients}
        known[organization_id] = (
            await known_places(system, connection, organization_id, messages),
            await suppressed(connection, organization_id, addresses),
        )
    return [[_placed(one, *known[ask.organization_id]) for one in ask.messages] for ask in asks]


def _placed(message: Judged, places: Places, held_back: Collection[str]) -> Judged:
    if isinstance(message, PostMTAError):
        return message
    try:
        placed = place(message, places)
    except PostMTAError as error:
        return error
    return placed.without(held_back) if held_back else placed


async def _charges(
    system: System, connection: AsyncConnection, asks: Sequence[Ask], judged: Sequence[Sequence[Judged]]
) -> list[int | PostMTAError]:
    """What each request is charged for a recipient, or why it is refused."""
    charges: list[int | PostMTAError] = [_refusal(ask, each) or 0 for ask, each in zip(asks, judged, strict=True)]
    wishes = {
        number: account.Wish(
            organization_id=ask.organization_id,
            recipients=sum(len(one.waiting) for one in good),
            reference=ask.batch_id or good[0].id,
        )
        for number, ask in enumerate(asks)
        if charges[number] == 0 and (good := _good(judged[number]))
    }
    wishes = {number: wish for number, wish in wishes.items() if wish.recipients}
    if wishes:
        reserved = await account.reserve(system, connection, list(wishes.values()), cause="send")
        for number, result in zip(wishes, reserved, strict=True):
            charges[number] = result
    return charges


def _refusal(ask: Ask, judged: Iterable[Judged]) -> PostMTAError | None:
    if not ask.all_or_none:
        return None
    return next((one for one in judged if isinstance(one, PostMTAError)), None)


def _good(judged: Iterable[Judged]) -> list[NewMessage]:
    return [one for one in judged if isinstance(one, NewMessage)]


async def _store(system: System, connection: AsyncConnection, rows: Sequence[Stored]) -> None:
    """Write the messages, and tell of them."""
    if not rows:
        return
    now = system.now()
    await queries.insert_messages(connection, rows)
    listening = await listeners(system, connection, {one.organization_id for one in rows})
    told = [event for one in rows if one.organization_id in listening for event in queued_events(one)]
    await announce_mail(connection, told, now)
    ended = [one.id for row in rows for one in row.message.recipients if one.status == "suppressed"]
    await record(connection, ended, "message.suppressed", now)
    system.metrics.accepted.inc(sum(len(row.message.recipients) for row in rows))
