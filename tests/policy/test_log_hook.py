"""Log records on their way to the control plane: nothing that the endpoint answers may lose one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from postmta_ctl.luavm import Message, Rejected
from postmta_ctl.luavm.http import HttpFailure, HttpRequest, HttpResponse


class Ingestion:
    """The control plane's endpoint: keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.requests: list[HttpRequest] = []

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        if self.status is None:
            raise HttpFailure("connection refused")
        return HttpResponse(status=self.status, body=b'{"detail": "as told"}')


@pytest.fixture
def ingestion() -> Ingestion:
    return Ingestion()


@pytest.fixture
def vm(fleet: Any, ingestion: Ingestion) -> Any:
    return fleet.runtime(http=ingestion).start()


def record(number: int = 1, *, newline: str = "\n", **fields: Any) -> Message:
    """A log record as KumoMTA hands it to the policy: the meta of its message, and the JSON as its data."""
    log = {"type": "Delivery", "id": f"m{number}", "reception_protocol": "HTTP"} | fields
    meta = {"log_record": log, "tenant": "acme", "x_rid": f"r-{number}", "reception_protocol": "LogRecord"}
    return Message(
        f"log{number}", "b+r@bounce.example", ["bob@example.org"], (json.dumps(log) + newline).encode(), meta
    )


def test_a_record_goes_to_the_queue_of_the_hook(vm: Any) -> None:
    message = record()
    assert vm.log_record(message, "postmta") is True
    assert message.queue_name == "postmta.log_hook"


def test_records_of_log_deliveries_are_left_alone(vm: Any) -> None:
    message = record(reception_protocol="LogRecord")
    assert vm.log_record(message, "postmta") is False
    assert "queue" not in message.meta


def test_records_of_other_hooks_are_left_to_them(vm: Any) -> None:
    assert vm.log_record(record(), "somebody-else") is False


def test_the_queue_keeps_records_for_a_month_and_batches_them(vm: Any) -> None:
    queue = vm.queue_config("postmta.log_hook")
    custom = queue.protocol["custom_lua"]
    assert (custom["constructor"], custom["batch_size"]) == ("make.postmta.log_hook", 500)
    assert queue.max_age == 30 * 86400
    assert queue.seconds("max_retry_interval") == 60


def connect(vm: Any) -> Any:
    return vm.connection("make.postmta.log_hook", "postmta.log_hook")


def test_a_batch_is_one_request_of_json_lines(vm: Any, ingestion: Ingestion) -> None:
    assert connect(vm).send_batch([record(1), record(2, newline="")]) == "ingestion answered 200"
    (request,) = ingestion.requests
    assert (request.method, request.url) == ("POST", "http://control/in")
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["authorization"] == "Bearer ingest-token"
    assert headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["id"] for line in request.body.decode().splitlines()] == ["m1", "m2"]
    assert request.body.endswith(b"}\n")


def test_a_batch_of_one_is_sent_as_well(vm: Any, ingestion: Ingestion) -> None:
    assert connect(vm).send(record()) == "ingestion answered 200"
    assert len(ingestion.requests) == 1


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_success_is_a_delivery(vm: Any, ingestion: Ingestion, status: int) -> None:
    ingestion.status = status
    assert connect(vm).send_batch([record()]) == f"ingestion answered {status}"


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 429, 500, 503])
def test_anything_else_is_tried_again(vm: Any, ingestion: Ingestion, status: int) -> None:
    ingestion.status = status
    answer = connect(vm).send_batch([record()])
    assert isinstance(answer, Rejected)
    assert str(answer) == f"451 4.3.0 ingestion answered {status}"


def test_no_answer_is_tried_again(vm: Any, ingestion: Ingestion) -> None:
    connection = connect(vm)
    ingestion.status = None
    answer = connection.send_batch([record()])
    assert isinstance(answer, Rejected)
    assert (answer.code, answer.is_permanent) == (451, False)
    assert "connection refused" in answer.text
    ingestion.status = 200
    assert connection.send_batch([record()]) == "ingestion answered 200"
    connection.close()


@pytest.mark.parametrize("content", [None, "{}", "not json"])
def test_records_wait_while_the_node_does_not_know_where_to(fleet: Any, vm: Any, content: str | None) -> None:
    path = fleet.folder / "node.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    answer = connect(vm).send_batch([record()])
    assert isinstance(answer, Rejected)
    assert answer.code == 451


def test_a_new_token_is_used_from_the_next_epoch_on(fleet: Any, vm: Any, ingestion: Ingestion) -> None:
    connection = connect(vm)
    connection.send_batch([record()])
    node = json.loads((fleet.folder / "node.json").read_text())
    (fleet.folder / "node.json").write_text(json.dumps(node | {"ingest_token": "another"}))
    vm.node.bump_epoch()
    connection.send_batch([record()])
    tokens = [request.headers["authorization"] for request in ingestion.requests]
    assert tokens == ["Bearer ingest-token", "Bearer another"]
