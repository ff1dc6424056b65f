"""One POST to an endpoint: whatever it does, there is a reply, soon, and of bounded size."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postmta_ctl.clients.dns import Answer
from postmta_ctl.clients.webhooks import MAX_BODY, WebhookClient
from postmta_ctl.core.ssrf import EndpointPolicy, parse_networks
from tests.receivers import OK, answer, receiving

LAB = EndpointPolicy(allow_http=True, allowed_networks=parse_networks("127.0.0.0/8"))


class Here:
    """Every name leads to loopback, but for those that do not exist."""

    async def lookup(self, name: str, kind: str) -> Answer:
        if kind == "A" and not name.startswith("gone."):
            return Answer(status="found", values=("127.0.0.1",))
        return Answer(status="missing")


@pytest.fixture
async def client() -> AsyncIterator[WebhookClient]:
    made = WebhookClient(LAB, resolver=Here(), timeout=0.5)
    yield made
    await made.close()


async def test_what_is_sent_and_what_comes_back(client: WebhookClient) -> None:
    with receiving(lambda request: answer(201, b"thanks", "Retry-After: 7")) as receiver:
        reply = await client.post(receiver.url, b'{"a":1}', {"webhook-id": "x", "Content-Type": "application/json"})
    assert (reply.status, reply.body, reply.retry_after, reply.error) == (201, b"thanks", "7", None)
    [request] = receiver.requests
    assert request.body == b'{"a":1}'
    assert request.headers["webhook-id"] == "x"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


async def test_a_document_is_read_as_far_as_it_may_be_long(client: WebhookClient) -> None:
    with receiving(lambda request: answer(200, b"x" * 100_000)) as receiver:
        reply = await client.get(receiver.url, limit=20_000)
        whole = await client.get(receiver.url, limit=200_000)
    assert (reply.status, len(reply.body), len(whole.body)) == (200, 20_000, 100_000)
    with receiving(lambda request: answer(302, b"", "Location: http://127.0.0.1:1/")) as receiver:
        assert (await client.get(receiver.url, limit=10)).status == 302
    assert (await client.get("http://10.0.0.1/", limit=10)).error == "refused"


async def test_a_hanging_endpoint_is_left(client: WebhookClient) -> None:
    with receiving(lambda request: None) as receiver:
        reply = await client.post(receiver.url, b"", {})
    assert (reply.status, reply.error) == (None, "timeout")
    assert reply.milliseconds >= 400


async def test_the_status_counts_though_the_body_never_ends(client: WebhookClient) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning"
    with receiving(lambda request: head) as receiver:
        reply = await client.post(receiver.url, b"", {})
    assert (reply.status, reply.body, reply.error) == (200, b"beginning", None)


async def test_only_the_beginning_of_a_body_is_read(client: WebhookClient) -> None:
    with receiving(lambda request: answer(500, b"x" * 5_000_000)) as receiver:
        reply = await client.post(receiver.url, b"", {})
    assert (reply.status, reply.body) == (500, b"x" * MAX_BODY)


async def test_a_packed_body_is_not_unpacked(client: WebhookClient) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    with receiving(lambda request: answer(200, bomb, "Content-Encoding: gzip")) as receiver:
        reply = await client.post(receiver.url, b"", {})
    assert reply.body == bomb[:MAX_BODY]


async def test_nobody_gets_a_cookie(client: WebhookClient) -> None:
    with receiving(lambda request: answer(200, b"", "Set-Cookie: session=1; Path=/")) as receiver:
        for _ in range(2):
            await client.post(receiver.url.replace("127.0.0.1", "hook.example.com"), b"", {})
    assert ["cookie" in request.headers for request in receiver.requests] == [False, False]


@pytest.mark.parametrize(
    ("answered", "error"),
    [(b"garbage\r\n\r\n", "protocol"), (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "protocol")],
)
async def test_what_is_no_http_is_an_error(client: WebhookClient, answered: bytes, error: str) -> None:
    with receiving(lambda request: answered) as receiver:
        reply = await client.post(receiver.url, b"", {})
    assert (reply.status, reply.error) == (None, error)
    assert reply.detail is not None
    assert len(reply.detail) <= 500


async def test_nobody_there(client: WebhookClient) -> None:
    assert (await client.post("http://127.0.0.1:1024/", b"", {})).error == "connect"
    gone = await client.post("http://gone.example.com/", b"", {})
    assert (gone.error, gone.detail) == ("dns", "gone.example.com has no address")


async def test_many_hanging_requests_do_not_hold_up_one_that_is_answered() -> None:
    client = WebhookClient(LAB, timeout=60)
    with receiving(lambda request: None) as hanging, receiving() as fast:
        waiting = [asyncio.create_task(client.post(hanging.url, b"", {})) for _ in range(200)]
        await asyncio.sleep(0.05)
        reply = await client.post(fast.url, b"", {})
        assert (reply.status, sum(task.done() for task in waiting)) == (200, 0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await client.close()


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hook.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(pem)
    return path


async def test_tls_goes_by_the_name_though_the_connection_goes_by_the_address(
    client: WebhookClient, tmp_path: Path
) -> None:
    path, seen = certificate(tmp_path), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.sni_callback = lambda connection, name, _context: seen.append(name)

    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1])
        writer.write(OK)
        await writer.drain()
        writer.close()

    trusting = WebhookClient(LAB, resolver=Here(), tls=ssl.create_default_context(cafile=path))
    async with await asyncio.start_server(come, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://hook.example.com:{server.sockets[0].getsockname()[1]}/"
        assert (await client.post(url, b"", {})).error == "tls"
        assert (await trusting.post(url, b"", {})).status == 200
        assert (await trusting.post(url.replace("hook.", "other."), b"", {})).error == "tls"
    await trusting.close()
    assert seen[:2] == ["hook.example.com", "hook.example.com"]
    assert seen[2].startswith("Host: hook.example.com:")
