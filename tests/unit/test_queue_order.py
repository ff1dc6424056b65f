"""In which order queues are listed, page by page."""

from __future__ import annotations

from itertools import product

import pytest

from postmta_ctl.errors import InvalidRequest, MalformedRequest
from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.queues.order import Order, Sort, read_order

SIZES = {"acme@b.test": 3, "acme@a.test": 3, "acme@d.test": 11, "acme@c.test": 2}
QUEUES = [queue for name in [*SIZES, "acme@held.test"] if (queue := tenant_queue(name))]
BY_NAME = sorted(one.name for one in QUEUES)
BY_SIZE = ["acme@held.test", "acme@c.test", "acme@a.test", "acme@b.test", "acme@d.test"]


@pytest.mark.parametrize(
    ("sort", "limit"),
    list(product(("id", "-id", "size", "-size"), (1, 2, 5))),
)
def test_pages_in_any_order_hold_every_queue_once(sort: Sort, limit: int) -> None:
    order, found, cursor = Order(sort), [], None
    while page := order.after(QUEUES, SIZES, cursor)[:limit]:
        found += [one.name for one in page]
        cursor = order.cursor(page[-1], SIZES)
    expected = BY_SIZE if sort.endswith("size") else BY_NAME
    assert found == (expected[::-1] if sort.startswith("-") else expected)


@pytest.mark.parametrize(
    "cursor", ["", "acme@a.test", "x acme@a.test", "-1 acme@a.test", "٣ acme@a.test", "9" * 30 + " x"]
)
def test_a_cursor_of_another_order_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        Order("size").after(QUEUES, SIZES, cursor)


def test_an_unknown_order_is_refused_with_those_there_are() -> None:
    with pytest.raises(MalformedRequest, match="id, size") as error:
        read_order("name")
    assert error.value.status == 400
