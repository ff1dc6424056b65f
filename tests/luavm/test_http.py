"""HTTP from a policy, over an injected transport and over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from postmta_ctl.luavm import HttpFailure, HttpRequest, HttpResponse, HttpxTransport, PolicyError, no_network

BODY = """
local client = kumo.http.build_client { timeout = '5s', user_agent = 'test' }
local request = client:post('http://127.0.0.1:1/x'):header('X-A', 'b'):bearer_auth('t')
request:body('größe')
local response = request:send()
return { response:status_code(), response:status_is_success(), response:text(), response:headers()['x-one'] or '' }
"""


def test_a_request_as_the_policy_built_it(run: Callable[..., Any]) -> None:
    seen: list[HttpRequest] = []

    def transport(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse(status=503, body=b"later", headers={"X-One": "1"})

    assert run(BODY, http=transport) == [503, False, "later", "1"]
    assert seen == [
        HttpRequest(
            method="POST",
            url="http://127.0.0.1:1/x",
            headers={"user-agent": "test", "x-a": "b", "authorization": "Bearer t"},
            body="größe".encode(),
            timeout=5.0,
        )
    ]


def test_no_answer_is_an_error_that_pcall_catches(run: Callable[..., Any], refusal: Callable[..., PolicyError]) -> None:
    assert refusal(BODY, http=no_network).code == "http_failure"
    caught = "local ok, err = pcall(function()\n" + BODY + "end)\nreturn { ok, tostring(err):match('no network') }"
    assert run(caught, http=no_network) == [False, "no network"]


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("bad_value", "client:get('ftp://x')"),
        ("bad_value", "client:get('http://x'):header('a', 'b\\r\\nc')"),
        ("bad_value", "client:post('http://x'):body('\\xff')"),
        ("closed", "client:close() client:get('http://x')"),
        ("lenient_unknown_option", "kumo.http.build_client { time_out = '1s' }"),
        ("wrong_argument_count", "kumo.http.build_client()"),
        ("unknown_method", "client:delete('http://x')"),
    ],
)
def test_refusals(refusal: Callable[..., PolicyError], code: str, body: str) -> None:
    assert refusal(f"local client = kumo.http.build_client {{}}\n{body}").code == code


class Echo(BaseHTTPRequestHandler):
    """Answers with what it got."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(self.headers["Authorization"].encode() + b" " + body)

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/x"
        http.shutdown()
        thread.join()


def test_the_default_transport_is_the_network(server: str) -> None:
    transport = HttpxTransport()
    answer = transport(HttpRequest(method="POST", url=server, headers={"authorization": "Bearer t"}, body=b"x"))
    assert (answer.status, answer.body) == (201, b"Bearer t x")
    with pytest.raises(HttpFailure):
        transport(HttpRequest(method="GET", url="http://127.0.0.1:1/"))
    transport.close()
