"""Cancelling by id: the admin's rebind request names messages, and only those go."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def vm(fleet: Any) -> Any:
    return fleet.runtime().start()


@pytest.mark.parametrize(("ids", "gone"), [("r-1", True), ("r-0,r-1,r-2", True), ("r-10,xr-1", False), ("", False)])
def test_a_named_message_is_discarded(vm: Any, fleet: Any, ids: str, gone: bool) -> None:
    message = fleet.message()
    message.meta.update({"tenant": "acme", "x_rid": "r-1"})
    vm.fire("rebind_message", message, {"cancel_ids": ids})
    assert message.queue_name == ("null" if gone else "acme@example.org")


def test_another_rebind_changes_nothing(vm: Any, fleet: Any) -> None:
    message = fleet.message()
    message.meta["x_rid"] = "r-1"
    vm.fire("rebind_message", message, {"reason": "flush"})
    assert "queue" not in message.meta


def test_mail_without_an_id_stays(vm: Any, fleet: Any) -> None:
    message = fleet.message()
    vm.fire("rebind_message", message, {"cancel_ids": "r-1"})
    assert "queue" not in message.meta


def test_the_log_records_of_a_named_message_stay(vm: Any, fleet: Any) -> None:
    record = fleet.message()
    record.meta.update({"x_rid": "r-1", "queue": "postmta.log_hook"})
    vm.fire("rebind_message", record, {"cancel_ids": "r-1"})
    assert record.queue_name == "postmta.log_hook"
