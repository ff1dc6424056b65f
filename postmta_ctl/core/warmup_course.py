"""How a day's mail is spread over established and warming addresses. Pure; forecasts and simulations share it.

KumoMTA's round robin gives every source its turn, and passes over one that has used what it may send. So each takes an
equal part, and what is too much for one is taken by the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from postmta_ctl.core.warmup import Progress

Mail = dict[str, int]
"""Messages by provider."""


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """An address that mail may leave from."""

    name: str
    progress: Progress | None = None
    """Where its warm-up stands; None: it is established."""
    capacity: int | None = None
    """Messages a day that an established one can send; None: any number."""

    def limit(self) -> int | None:
        """Messages of a day, to whatever provider."""
        return self.capacity if self.progress is None else self.progress.allowance

    def limit_at(self, provider: str) -> int | None:
        """The same to one provider."""
        if self.progress is None or provider not in self.progress.limited:
            return None
        return self.progress.limit_at(provider)


def spread(mail: Mapping[str, int], senders: Sequence[Sender]) -> tuple[dict[str, Mail], Mail]:
    """What leaves from each sender (by name), and what nobody could take."""
    left = {sender.name: sender.limit() for sender in senders}
    taken: dict[str, Mail] = {sender.name: {} for sender in senders}
    delayed: Mail = {}
    # The largest first: it is the one whose limits matter.
    for provider, count in sorted(mail.items(), key=lambda item: (-item[1], item[0])):
        room = {sender.name: _least(left[sender.name], sender.limit_at(provider)) for sender in senders}
        parts, rest = even_parts(count, room)
        for name, part in parts.items():
            known = left[name]
            left[name] = None if known is None else known - part
            if part:
                taken[name][provider] = part
        if rest:
            delayed[provider] = rest
    return taken, delayed


def even_parts(count: int, room: Mapping[str, int | None]) -> tuple[dict[str, int], int]:
    """Cut a number into parts as equal as the room of each allows (None: any), and what is left over."""
    parts = dict.fromkeys(room, 0)
    rest, able = count, [name for name in room if room[name] != 0]
    while rest and able:
        share, more = divmod(rest, len(able))
        for index, name in enumerate(able):
            wanted = share + (index < more)
            known = room[name]
            part = wanted if known is None else min(wanted, known - parts[name])
            parts[name] += part
            rest -= part
        able = [name for name in able if (known := room[name]) is None or known > parts[name]]
    return parts, rest


def by_provider(count: int, mix: Mapping[str, float], other: str) -> Mail:
    """Divide messages by a mix of shares; what is left of 1 goes to ``other``, and nothing is lost to rounding."""
    found = {provider: int(count * share) for provider, share in mix.items()}
    found[other] = found.get(other, 0) + count - sum(found.values())
    return {provider: number for provider, number in found.items() if number}


def _least(*limits: int | None) -> int | None:
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None
