"""Giving leased recipients to the nodes: packed, side by side, and to another node when one does not take them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.core.inject import InjectCall, InjectItem, packed
from postmta_ctl.core.inject_answer import DECLINED, Outcome, Result, read_answer, unanswered
from postmta_ctl.core.tracking import Tracker
from postmta_ctl.errors import NodeFailed, NodeUnreachable
from postmta_ctl.features.messages.lease_queries import Leased, move
from postmta_ctl.features.messages.node_choice import Choice
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.octets import Octets
from postmta_ctl.system import System

PART_OCTETS = 1_000_000
"""Of messages whose requests are made together, before the next ones are: about a request's worth."""
_HEADERS = 500
"""Octets of a recipient, roughly, beside its bodies."""
CALLS_PER_NODE = 8
"""Requests in flight to one node at a time. It works one off after the other; more would only wait there."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A request and what was learnt of each recipient in it."""

    node: str | None
    outcomes: list[Outcome]
    was_judged: bool = True
    """The node looked at each recipient; if not, nothing is learnt of what an earlier request may have brought."""
    was_declined: bool = False
    """The node did not want the request, whatever was in it: another one may."""


async def inject(system: System, choice: Choice, held: Sequence[Leased]) -> list[Attempt]:
    """Send what is held, each to its node, which it must have; one attempt for each request."""
    by_node: dict[str, list[Leased]] = {}
    for one in held:
        if one.node is not None:
            by_node.setdefault(one.node, []).append(one)
    turn = _Turn(system, choice, held)
    tasks = [task for name, some in by_node.items() for task in turn.tasks(name, some)]
    return [attempt for several in await asyncio.gather(*tasks) for attempt in several]


class _Turn:
    """What the requests of one turn share."""

    def __init__(self, system: System, choice: Choice, held: Iterable[Leased]) -> None:
        self._system, self._choice = system, choice
        self._held = {one.recipient_id: one for one in held}
        self._sender, self._links = f"b@{system.settings.bounces}", tracker(system)
        self._octets = Octets(system.settings.relay_octets)
        self._limits: Mapping[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(CALLS_PER_NODE))

    def tasks(self, name: str, held: Sequence[Leased]) -> Iterator[asyncio.Task[list[Attempt]]]:
        """A task for each part of what may share requests, and one for each message with attachments."""
        together: dict[frozenset[str] | None, list[Leased]] = {}
        for one in held:
            if not one.alone and not one.content.attachments:
                # What another node could not take either does not keep the rest from going there.
                together.setdefault(self._choice.allowed(one.tenant), []).append(one)
        for some in together.values():
            for part, octets in parts(some):
                yield asyncio.create_task(self._give_all(name, part, octets))
        apart: dict[str, list[Leased]] = {}
        for one in held:
            if one.alone or one.content.attachments:
                apart.setdefault(one.recipient_id if one.alone else one.message_id, []).append(one)
        for some in apart.values():
            yield asyncio.create_task(self._give_all(name, some, sum(octets_of(some))))

    def _item(self, one: Leased) -> InjectItem:
        return relay_item(one, self._sender, self._links)

    async def _give_all(self, name: str, held: Sequence[Leased], octets: int) -> list[Attempt]:
        async with self._limits[name], self._octets.lent(octets):
            # Made only now, and one after another.
            return [await self._give(name, call) for call in packed(map(self._item, held))]

    async def _give(self, name: str, call: InjectCall) -> Attempt:
        """To the node, and as long as nodes decline, to others."""
        attempt = await self._send(self._choice.by_name[name], call)
        tried = {name}
        while attempt.was_declined and (other := self._other(call, tried)):
            async with self._system.db.transaction() as connection:
                await move(connection, list(call.recipients.values()), other)
            attempt = await self._send(self._choice.by_name[other], call)
            tried.add(other)
        return self._explained(attempt) if attempt.was_declined else attempt

    def _explained(self, attempt: Attempt) -> Attempt:
        """With why no other node was asked, where the mail could leave from no other."""
        outcomes = [self._choice.explained(one, self._held[one.rid].tenant) for one in attempt.outcomes]
        return msgspec.structs.replace(attempt, outcomes=outcomes)

    def _other(self, call: InjectCall, tried: set[str]) -> str | None:
        asked = [self._held[rid] for rid in call.recipients.values()]
        return None if any(map(may_be_there, asked)) else self._choice.instead(tried, asked[0].tenant)

    async def _send(self, node: NodeAddress, call: InjectCall) -> Attempt:
        troubles = self._system.node_troubles
        try:
            status, body = await self._system.kumod.inject(node, call.body)
        except NodeUnreachable as error:
            troubles.note(node.name)
            outcomes = unanswered(call, Result.TRY_AGAIN, error.detail)
            return Attempt(node=node.name, outcomes=outcomes, was_judged=False, was_declined=True)
        except NodeFailed as error:
            troubles.note(node.name)
            return Attempt(node=node.name, outcomes=unanswered(call, Result.UNKNOWN, error.detail), was_judged=False)
        was_declined = status in DECLINED
        (troubles.note if was_declined else troubles.forget)(node.name)
        outcomes = read_answer(call, status, body)
        return Attempt(node=node.name, outcomes=outcomes, was_judged=status == 200, was_declined=was_declined)


def parts(held: Sequence[Leased]) -> Iterator[tuple[list[Leased], int]]:
    """In their order, and its octets: each part is no larger than ``PART_OCTETS``, or of a single recipient."""
    found: list[Leased] = []
    size = 0
    for one, octets in zip(held, octets_of(held), strict=True):
        if found and size + octets > PART_OCTETS:
            yield found, size
            found, size = [], 0
        found.append(one)
        size += octets
    if found:
        yield found, size


def octets_of(held: Iterable[Leased]) -> Iterator[int]:
    """What each takes of memory: its message, if it is the first of it, and whatever is made for the recipient."""
    known: set[str] = set()
    for one in held:
        content = one.content
        octets = 0 if _goes_as_kept(one) else len(content.values)
        if one.message_id not in known:
            known.add(one.message_id)
            octets += len(content.values)
            if content.attachments:
                octets += sum(len(file.data) for file in content.attachments)
        yield octets + _HEADERS


def may_be_there(one: Leased) -> bool:
    """Whether a request before this one may have brought it to its node: a relay died, or no answer came."""
    return one.generation < one.attempts


def relay_item(one: Leased, envelope_sender: str, links: Tracker) -> InjectItem:
    """One recipient as it is given to a node, with links of its own."""
    item = InjectItem(
        rid=one.recipient_id,
        address=one.address,
        message_id=one.message_id,
        envelope_sender=envelope_sender,
        metadata={"tenant": one.tenant, "campaign": one.campaign or "", "attempt": one.generation},
        kept=one.content if _goes_as_kept(one) else None,
    )
    return item if item.kept is not None else _opened(item, one, links)


def _goes_as_kept(one: Leased) -> bool:
    """Whether nothing of the message is the recipient's own."""
    content = one.content
    is_tracked = content.has_html and (one.track_opens or one.track_clicks)
    return not (is_tracked or one.unsubscribe or content.attachments)


def _opened(item: InjectItem, one: Leased, links: Tracker) -> InjectItem:
    """The item with what is the recipient's own."""
    content = one.content.opened()
    html = content.html
    if html is not None:
        tracked = links.at(one.tracking_host)
        html = tracked.instrument(html, one.recipient_id, opens=one.track_opens, clicks=one.track_clicks)
    return msgspec.structs.replace(
        item,
        headers=content.headers | (_unsubscription(links, one.recipient_id) if one.unsubscribe else {}),
        text=content.text,
        html=html,
        attachments=content.attachments,
    )


def _unsubscription(links: Tracker, recipient_id: str) -> dict[str, str]:
    """The two fields of RFC 8058; the policy has both in its DKIM signatures, as section 4 asks."""
    return {
        "List-Unsubscribe": f"<{links.unsubscribe_url(recipient_id)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
