"""In which order queues are listed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

from postmta_ctl.errors import InvalidRequest, MalformedRequest
from postmta_ctl.features.queues.names import TenantQueue

Sort = Literal["id", "-id", "size", "-size"]
Key = tuple[int, str]


class Order(msgspec.Struct, frozen=True):
    """By name, or by how much waits. Sizes change between two pages: a queue may then be in both, or in none."""

    sort: Sort = "id"

    def after(self, queues: Iterable[TenantQueue], sizes: Mapping[str, int], cursor: str | None) -> list[TenantQueue]:
        """The queues in this order, those behind the cursor only.

        Raises:
            InvalidRequest: The cursor is none of a list in this order.
        """
        found = sorted(queues, key=lambda one: self._key(one, sizes), reverse=self._descends)
        if cursor is None:
            return found
        last = self._read(cursor)
        keys = ((one, self._key(one, sizes)) for one in found)
        return [one for one, key in keys if (key < last if self._descends else key > last)]

    def cursor(self, queue: TenantQueue, sizes: Mapping[str, int]) -> str:
        """What leads to the queues behind this one."""
        size, name = self._key(queue, sizes)
        return f"{size} {name}" if self._by_size else name

    @property
    def _by_size(self) -> bool:
        return self.sort.endswith("size")

    @property
    def _descends(self) -> bool:
        return self.sort.startswith("-")

    def _key(self, queue: TenantQueue, sizes: Mapping[str, int]) -> Key:
        return (sizes.get(queue.name, 0) if self._by_size else 0, queue.name)

    def _read(self, cursor: str) -> Key:
        if not self._by_size:
            return (0, cursor)
        size, blank, name = cursor.partition(" ")
        if not blank or not size.isascii() or not size.isdecimal() or len(size) > 18:
            raise InvalidRequest.of("cursor", "is not a cursor of this list in this order")
        return (int(size), name)


def read_order(sort: str) -> Order:
    """What the query string asks for.

    Raises:
        MalformedRequest: The list cannot be sorted so.
    """
    if sort not in get_args(Sort):
        raise MalformedRequest.of("sort", "is one of id, size; descending with - before it", code="sort_unknown")
    return Order(sort)  # type: ignore[arg-type]
