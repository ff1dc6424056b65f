"""The client: no operation of the document is missing or differs, and nothing is done twice that should not be."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from datetime import timedelta
from types import NoneType
from typing import Any, get_args, get_origin

import httpx
import msgspec
import pytest
from litestar import Litestar
from standardwebhooks import Webhook

from postmta_ctl.client import ApiError, AsyncClient, Client, NoAnswer, NotGenuine, Retries, SendRequest
from postmta_ctl.client import errors as client_errors
from postmta_ctl.client.calls import Call, listing, operation
from postmta_ctl.client.groups.everything import Everything
from postmta_ctl.client.retries import is_repeatable
from postmta_ctl.client.webhooks import verify
from postmta_ctl.core.webhooks import make_secret, sign
from postmta_ctl.features.docs.document import describe
from postmta_ctl.features.docs.problems import COMMON
from tests.conftest import FakeClock

QUICK = Retries(first_wait=0.001)
HELLO = SendRequest(sender="Ann <ann@acme.test>", to=["bob@example.org"], subject="Hello", text="Hi")


def calls_of(client: Client) -> dict[str, tuple[Any, Call[Any]]]:
    """Every operation of a client with arguments for all of its parameters, by its name."""
    found = {}
    for group_name in Everything.__annotations__:
        group = getattr(client, group_name)
        for name, one in vars(type(group)).items():
            if isinstance(one, operation | listing):
                parameters = list(inspect.signature(one.describe).parameters.values())[1:]
                given = {each.name: b"" if each.name == "body" else "x" for each in parameters}
                found[f"{group_name}.{name}"] = (one, one.describe(group, **given))
    return found


NOT_OURS = {("POST", "/v3/mail/send"): "for SendGrid's own libraries; this client has messages.send"}


def result_name(call: Call[Any]) -> str:
    """As the document names the schema of an answer."""
    kind = call.result
    if get_origin(kind) is not None and issubclass(get_origin(kind), msgspec.Struct):
        return f"PageOf{get_args(kind)[0].__name__}"
    return "" if kind in (str, bytes, NoneType) or get_origin(kind) else kind.__name__


def schema_name(operation: dict[str, Any]) -> str:
    answer = next(one for status, one in operation["responses"].items() if status[0] in "23")
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def test_no_operation_is_missing_and_none_differs(application: Litestar) -> None:
    calls = calls_of(Client(http=httpx.Client()))
    document = describe(application)["paths"]
    promised = {
        (method.upper(), path): described for path, item in document.items() for method, described in item.items()
    }
    made: dict[tuple[str, str], list[Call[Any]]] = {}
    for _, call in calls.values():
        made.setdefault((call.method, call.path), []).append(call)
    assert made.keys() == promised.keys() - NOT_OURS.keys()
    for shape, same in made.items():
        described = promised[shape]
        given = {
            where: {one["name"] for one in described.get("parameters", ()) if one["in"] == where}
            for where in ("path", "query", "header")
        }
        # What can be answered in two formats has two methods.
        headers = {name for call in same for name in call.headers} - {"Content-Type"}
        assert {name for call in same for name in call.parts} == given["path"], shape
        assert {name for call in same for name in call.query} | (given["query"] & {"format"}) == given["query"], shape
        assert headers == given["header"], shape
        assert ("requestBody" not in described) or all(call.body is not None for call in same), shape
        names = {result_name(call) for call in same} - {""}
        assert not names or any(schema_name(described).endswith(name) for name in names), (shape, names)


def test_a_part_that_is_none_has_no_attribute() -> None:
    assert not hasattr(Client(http=httpx.Client()), "unicorns")


def test_what_may_be_repeated() -> None:
    calls = {name: call for name, (_, call) in calls_of(Client(http=httpx.Client())).items()}
    assert is_repeatable(calls["messages.send"].once("k"))
    assert is_repeatable(calls["messages.list"])
    assert not is_repeatable(calls["domains.create"])
    assert not is_repeatable(calls["domains.delete"])
    assert not is_repeatable(calls["domains.update"])  # of a version that is known


def test_every_declared_error_is_one_that_can_be_caught() -> None:
    for status, kind in COMMON.items():
        problem = client_errors.Problem(status=int(status), code=kind.code)
        assert type(client_errors.error_of(problem)) is not ApiError


class Receiver:
    """An API that answers as it is told to, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.requests = list(answers), []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> Client:
        http = httpx.Client(transport=httpx.MockTransport(self), base_url="http://api.test")
        return Client(http=http, retries=QUICK)


ACCEPTED = httpx.Response(
    202,
    json={"id": "1", "status": "queued", "recipients": [], "created_at": "2026-11-22T12:00:00Z", "scheduled_at": None},
)
BUSY = {"title": "Busy", "status": 503, "detail": "Later.", "code": "busy", "request_id": "r1"}


def test_sending_is_repeated_under_one_key_whatever_happens() -> None:
    lost = httpx.ReadTimeout("no answer")
    proxy = httpx.Response(503, text="<h1>Bad day</h1>")
    api = Receiver(lost, proxy, httpx.Response(429, headers={"Retry-After": "0"}, json=BUSY), ACCEPTED)
    assert api.client().messages.send(HELLO).id == "1"
    keys = {request.headers["Idempotency-Key"] for request in api.requests}
    assert len(api.requests) == 4
    assert len(keys) == 1
    assert msgspec.json.decode(api.requests[0].content)["from"] == "Ann <ann@acme.test>"


@pytest.mark.parametrize(
    ("answer", "error", "requests"),
    [
        (httpx.ReadTimeout("no answer"), NoAnswer, 1),  # it may have been carried out
        (httpx.ConnectError("refused"), NoAnswer, 5),
        (httpx.Response(503, json=BUSY), client_errors.ServerFailed, 5),
        (httpx.Response(503, text="of a proxy"), client_errors.ServerFailed, 1),
        (
            httpx.Response(429, headers={"Retry-After": "7200"}, json=BUSY | {"status": 429}),
            client_errors.RateLimited,
            1,
        ),
        (httpx.Response(500, text="oops"), client_errors.UnreadableAnswer, 1),
        (httpx.Response(502, text="of a proxy"), client_errors.ServerFailed, 1),
        (httpx.Response(301, headers={"Location": "https://api.test/"}), client_errors.UnreadableAnswer, 1),
        (httpx.Response(200, text="<html>"), client_errors.UnreadableAnswer, 1),
    ],
)
def test_what_is_not_safe_to_repeat_is_made_once(answer: Any, error: type[Exception], requests: int) -> None:
    api = Receiver(*[answer] * 5)
    with pytest.raises(error):
        api.client().vmtas.pause("an-id")
    assert len(api.requests) == requests


def test_what_is_safe_is_repeated_also_for_proxies_and_told_apart_from_what_the_api_says() -> None:
    nothing = httpx.Response(200, json={"data": [], "next_cursor": None})
    api = Receiver(httpx.Response(502, text="<h1>"), httpx.Response(504), httpx.ReadError("gone"), nothing)
    assert list(api.client().domains.list()) == []
    told = Receiver(httpx.Response(502, json=BUSY | {"status": 502, "code": "node_failed"}))
    with pytest.raises(client_errors.ServerFailed, match="node_failed"):
        list(told.client().domains.list())
    # A DELETE that a proxy sent elsewhere was not done.
    with pytest.raises(client_errors.UnreadableAnswer, match=r"redirected to https://api\.test/") as moved:
        Receiver(httpx.Response(308, headers={"Location": "https://api.test/"})).client().domains.delete("an-id")
    assert moved.value.status == 308


def test_patience_may_differ_over_the_same_connections() -> None:
    api = Receiver(httpx.ConnectError("refused"), httpx.Response(200, json={"data": [], "next_cursor": None}))
    with api.client() as client:
        hasty = client.with_options(timeout=1.5, retries=Retries(attempts=1))
        with pytest.raises(NoAnswer):
            list(hasty.domains.list())
        hasty.close()
        assert list(client.domains.list()) == []  # whose connections they are
    assert [set(one.extensions["timeout"].values()) for one in api.requests] == [{1.5}, {5.0}]


def test_what_cannot_work_is_said_at_once() -> None:
    for wrong in ({"base_url": "mail.example.com"}, {"api_key": "k", "access_token": "t"}):
        for kind in (Client, AsyncClient):
            with pytest.raises(ValueError, match=r"must begin|give either"):
                kind(**wrong)


def test_errors_survive_the_way_between_processes() -> None:
    problem = client_errors.Problem(status=429, code="rate_limited", detail="Slower.", request_id="r1")
    again = pickle.loads(pickle.dumps(client_errors.error_of(problem, 3.0)))
    assert (type(again), again.code, again.retry_after) == (client_errors.RateLimited, "rate_limited", 3.0)
    assert "Slower. (request r1)" in str(again)


def test_waits_grow_and_obey_the_api() -> None:
    call = Call("GET", "/", str)
    retries = Retries(first_wait=1, longest_wait=30)
    waits = [retries.wait(call, httpx.ConnectError(""), attempt=number, chance=1.0) for number in range(1, 6)]
    assert waits == [1, 2, 4, 8, None]
    asked = httpx.Response(429, headers={"Retry-After": "9"})
    assert retries.wait(call, asked, attempt=1, chance=1.0) == 9


def test_values_in_paths_are_quoted() -> None:
    api = Receiver(httpx.Response(404, json=BUSY | {"status": 404, "code": "not_found"}))
    with pytest.raises(client_errors.NotFound):
        api.client().queues.act("spring:acme@example.org/../x", "flush")
    assert api.requests[0].url.raw_path == b"/api/v1/queues/spring%3Aacme%40example.org%2F..%2Fx/flush"


def test_webhooks_are_verified(clock: FakeClock) -> None:
    old, new = make_secret(b"o" * 32), make_secret(b"n" * 32)
    body = b'{"type":"message.delivered","timestamp":"2026-11-22T12:00:00Z","data":{"recipient":"a@b.test"}}'
    headers = sign([new, old], message_id="m1", at=clock(), body=body)
    shouted = {name.title(): value for name, value in headers.items()}
    event = verify(body, shouted, old, now=clock())
    assert (event.id, event.type, event.data["recipient"]) == ("m1", "message.delivered", "a@b.test")
    theirs = Webhook(new).sign("m1", clock(), body.decode())
    assert verify(body, headers | {"webhook-signature": theirs}, [old, new], now=clock()) == event
    wrong: list[tuple[bytes, dict[str, str], str, timedelta]] = [
        (body + b" ", headers, new, timedelta()),
        (body, headers, make_secret(b"x" * 32), timedelta()),
        (body, headers, new, timedelta(minutes=6)),
        (body, headers, new, -timedelta(minutes=6)),
        (body, headers | {"webhook-id": "m2"}, new, timedelta()),
        (body, headers | {"webhook-timestamp": "9" * 40}, new, timedelta()),
        (body, headers | {"webhook-signature": "v1,é"}, new, timedelta()),
        (body, {}, new, timedelta()),
    ]
    for octets, given, secret, later in wrong:
        with pytest.raises(NotGenuine):
            verify(octets, given, secret, now=clock() + later)


def test_threads_may_share_a_client() -> None:
    api = Receiver(*[httpx.Response(200, json={"data": [], "next_cursor": None})] * 20)
    postmta = api.client()

    async def ask() -> None:
        await asyncio.gather(*(asyncio.to_thread(list, postmta.domains.list()) for _ in range(20)))

    asyncio.run(ask())
    assert len(api.requests) == 20
