"""Who is served next: a slow or dead endpoint takes slots from itself, never from others. Pure."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

Key = tuple[str, str]
"""Organization and endpoint."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests are under way at once in this process."""

    total: int = 512
    per_organization: int = 64
    per_endpoint: int = 16
    per_troubled_endpoint: int = 1
    """An endpoint that fails or dawdles is only asked whether it is better."""
    troubled: int = 128
    """For all of those together, so that however many there are, the others have most of the slots."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint for which something is due."""

    key: Key
    is_troubled: bool = False


def share(due: Sequence[Due], busy: Mapping[Key, int], limits: Limits) -> dict[str, int]:
    """How many deliveries each endpoint (by its id) may begin now.

    Each slot goes to the organization that has the fewest, and there to the endpoint that has the fewest; so neither
    many endpoints nor many events get anybody more than a share while others wait.

    Args:
        due: In any order.
        busy: Requests under way by endpoint, those of endpoints with nothing due among them.
        limits: What must not be exceeded.
    """
    slots = _Slots(due, busy, limits)
    given: Counter[str] = Counter()
    while (one := slots.take()) is not None:
        given[one.key[1]] += 1
    return dict(given)


class _Slots:
    """The state of one sharing: two levels of queues, the least loaded first."""

    def __init__(self, due: Sequence[Due], busy: Mapping[Key, int], limits: Limits) -> None:
        self._limits = limits
        self._due = due
        self._free = limits.total - sum(busy.values())
        self._free_troubled = limits.troubled - sum(busy.get(one.key, 0) for one in due if one.is_troubled)
        self._endpoints: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, one in enumerate(due):
            self._endpoints[one.key[0]].append((busy.get(one.key, 0), index))
        load: Counter[str] = Counter()
        for (organization, _), count in busy.items():
            load[organization] += count
        self._organizations = [(load[name], name) for name in self._endpoints]
        heapq.heapify(self._organizations)
        for heap in self._endpoints.values():
            heapq.heapify(heap)

    def take(self) -> Due | None:
        """Give the next slot away; nothing when none is left or nobody may have one."""
        while self._organizations and self._free > 0:
            load, name = heapq.heappop(self._organizations)
            if load < self._limits.per_organization and (one := self._endpoint(name)):
                heapq.heappush(self._organizations, (load + 1, name))
                self._free -= 1
                self._free_troubled -= one.is_troubled
                return one
        return None

    def _endpoint(self, organization: str) -> Due | None:
        """The organization's least loaded endpoint that may have a slot; those that are full leave the queue."""
        heap = self._endpoints[organization]
        while heap:
            load, index = heapq.heappop(heap)
            one = self._due[index]
            most = self._limits.per_troubled_endpoint if one.is_troubled else self._limits.per_endpoint
            if load < most and (self._free_troubled > 0 or not one.is_troubled):
                heapq.heappush(heap, (load + 1, index))
                return one
        return None
