"""Log records on their way to the control plane: none may be lost, whatever the endpoint answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

from postmta_ctl.features.policy.rehearsal_acts import RECIPIENT, Act
from postmta_ctl.luavm import Message, Rejected, Vm

HOOK, QUEUE, CONSTRUCTOR = "postmta", "postmta.log_hook", "make.postmta.log_hook"
GENERATOR = "generator.kumomta.internal"
_MAIL_LIMITS = ("max_message_rate", "max_connection_rate", "source_selection_rate")
_MAPS = ("additional_message_rate_throttles", "additional_source_selection_rates", "additional_connection_limits")


def acts(vm: Vm) -> Iterator[Act]:
    """The node's control plane must be one that answers 503."""
    yield Act("log hook", lambda: _goes_to_its_queue(vm))
    yield Act("log hook", lambda: _own_deliveries(vm), "log-loop")
    yield Act("log hook", lambda: _endpoint_down(vm), "records-lost")
    yield Act("log hook", lambda: _shaped(vm, QUEUE), "shaped-hook")
    yield Act("generator queue", lambda: _shaped(vm, GENERATOR), "shaped-hook")


def _record(protocol: str) -> Message:
    record = {"type": "Delivery", "reception_protocol": protocol}
    return Message("rehearsal", "", [RECIPIENT], json.dumps(record).encode(), {"log_record": record, "tenant": "x"})


def _goes_to_its_queue(vm: Vm) -> str | None:
    message = _record("HTTP")
    if not vm.log_record(message, HOOK) or message.queue_name != QUEUE:
        return f"a log record must go to {QUEUE}, and went to {message.queue_name}"
    return None


def _own_deliveries(vm: Vm) -> str | None:
    """A record of the delivery of a record would have one of its own, and so on."""
    return "takes records of its own deliveries" if vm.log_record(_record("LogRecord"), HOOK) else None


def _endpoint_down(vm: Vm) -> str | None:
    batch = vm.queue_config_of(QUEUE).protocol.get("custom_lua", {}).get("batch_size") or 1
    connection = vm.connection(CONSTRUCTOR, QUEUE)
    answer = connection.send(_record("HTTP")) if batch == 1 else connection.send_batch([_record("HTTP")])
    if isinstance(answer, Rejected) and 400 <= answer.code <= 499:
        return None
    return f"while the control plane answers 503, records must wait (4xx), and this says {answer}"


def _shaped(vm: Vm, queue: str) -> str | None:
    """Limits that are meant for receivers would starve what is no mail."""
    path = vm.egress_path(queue, "unspecified", queue)
    for option in (*_MAIL_LIMITS, *_MAPS):
        if path.values.get(option):
            return f"its path has {option}, a limit of mail"
    return None
