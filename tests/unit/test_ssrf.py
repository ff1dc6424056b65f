"""No URL that a customer can think of makes us connect to ourselves or our neighbours."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.clients.dns import Answer
from postmta_ctl.clients.webhooks import WebhookClient
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ssrf import EndpointPolicy, parse_endpoint, parse_networks, refusal

OPEN = EndpointPolicy(allow_http=True)
"""HTTP is allowed in most cases here, so that it is never the scheme that saves us."""

URLS = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.2:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0X7F.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0.0.01:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.00.00.01:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://00000000:{port}/",
    "http://4294967296:{port}/",
    "http://256.256.256.256:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://\uff11\uff12\uff17.0.0.1:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://foo.localhost:{port}/",
    "http://localhost.localdomain:{port}/",
    "http://ip6-localhost:{port}/",
    "http://printer.local:{port}/",
    "http://metadata.google.internal:{port}/computeMetadata/v1/",
    "http://router.lan:{port}/",
    "http://nas.home.arpa:{port}/",
    "http://abc.onion:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[fe80::1%lo]:{port}/",
    "http://[fc00::1]:{port}/",
    "http://[fd00:ec2::254]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[100::1]:{port}/",
    "http://[5f00::1]:{port}/",
    "http://[2001:db8::1]:{port}/",
    "http://[3fff::1]:{port}/",
    "http://[::1:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://172.31.255.255:{port}/",
    "http://192.168.1.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "http://192.0.0.192:{port}/",
    "http://192.0.2.1:{port}/",
    "http://192.88.99.1:{port}/",
    "http://198.18.0.1:{port}/",
    "http://198.51.100.1:{port}/",
    "http://203.0.113.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://user:password@example.com:{port}/",
    "http://@example.com:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://example.com#@127.0.0.1:{port}/",
    "http://example.com:80#@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#.example.com/",
    "http://127.0.0.1:{port}?.example.com/",
    "http:\\\\127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\r\nX-Injected: 1",
    "http://127.0.0.1\t:{port}/",
    "http://exam\tple.com:{port}/",
    "http://127.0.0.1:{port}:80/",
    "http://example.com:0{port}0/",
    "http://example.com:+{port}/",
    "http://example.com:/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:443/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:6667/",
    "http://:{port}/",
    "http://-example.com:{port}/",
    "http://exa mple.com:{port}/",
    "http://example..com:{port}/",
    "http://ex*mple.com:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "ws://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "data:text/plain,x",
    "",
    "127.0.0.1:{port}",
    "http://" + "a" * 2100 + ".com/",
]
ADDRESSES = [
    ("127.0.0.1",),
    ("0.0.0.0",),
    ("10.1.2.3",),
    ("100.100.100.200",),
    ("169.254.169.254",),
    ("192.168.0.1",),
    ("::1",),
    ("::",),
    ("::ffff:127.0.0.1",),
    ("64:ff9b::7f00:1",),
    ("2002:7f00:1::1",),
    ("fe80::1",),
    ("fe80::1%lo",),
    ("fd12:3456::1",),
    ("8.8.8.8", "127.0.0.1"),
    ("2606:4700::1111", "::1"),
    ("8.8.8.8", "::1"),
    ("not an address",),
]
"""What the name of an endpoint may lead to."""


@dataclass
class Names:
    """A DNS that gives the next of its answers each time, and the last for ever."""

    answers: list[tuple[str, ...]]
    asked: list[str] = field(default_factory=list)

    async def lookup(self, name: str, kind: str) -> Answer:
        self.asked.append(kind)
        addresses = self.answers[0]
        if kind == "AAAA" and len(self.answers) > 1:
            self.answers.pop(0)
        values = tuple(one for one in addresses if (":" in one) == (kind == "AAAA"))
        return Answer(status="found", values=values) if values else Answer(status="missing")


@dataclass
class Sentinel:
    """Listens on every local address, and counts whoever comes."""

    port: int
    called_as: list[str] = field(default_factory=list)
    """The local address of each connection."""

    @property
    def hits(self) -> int:
        return len(self.called_as)


@pytest.fixture
async def sentinel() -> AsyncIterator[Sentinel]:
    made = Sentinel(0)

    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.called_as.append(writer.get_extra_info("sockname")[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nin")
        await writer.drain()
        writer.close()

    listener = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    made.port = listener.getsockname()[1]
    server = await asyncio.start_server(come, sock=listener)
    async with server:
        yield made


async def post(client: WebhookClient, url: str) -> tuple[int | None, str | None]:
    try:
        reply = await client.post(url, b"{}", {"Content-Type": "application/json"})
        return reply.status, reply.error
    finally:
        await client.close()


@pytest.mark.parametrize("url", URLS)
async def test_no_url_reaches_us(url: str, sentinel: Sentinel) -> None:
    names = Names([("127.0.0.1", "::1")])
    client = WebhookClient(OPEN, resolver=names, timeout=2)
    assert await post(client, url.replace("{port}", str(sentinel.port))) == (None, "refused")
    assert sentinel.hits == 0


@pytest.mark.parametrize("addresses", ADDRESSES)
async def test_no_name_reaches_us(addresses: tuple[str, ...], sentinel: Sentinel) -> None:
    client = WebhookClient(OPEN, resolver=Names([addresses]), timeout=2)
    assert await post(client, f"http://hook.example.com:{sentinel.port}/") == (None, "refused")
    assert sentinel.hits == 0


async def test_the_sentinel_would_have_seen_them(sentinel: Sentinel) -> None:
    policy = EndpointPolicy(allow_http=True, allowed_networks=parse_networks("127.0.0.0/8, ::1/128"))
    names = Names([("127.0.0.1",)])
    for host in ("127.0.0.1", "[::1]", "hook.example.com", "localhost"):
        client = WebhookClient(policy, resolver=names, timeout=2)
        assert await post(client, f"http://{host}:{sentinel.port}/") == (200, None)
    assert sentinel.hits == 4


async def test_a_name_cannot_be_rebound(sentinel: Sentinel) -> None:
    """The name leads where it may the first time it is looked up, and elsewhere every later time."""
    policy = EndpointPolicy(allow_http=True, allowed_networks=parse_networks("127.0.0.1/32"))
    names = Names([("127.0.0.1",), ("127.0.0.2",)])
    client = WebhookClient(policy, resolver=names, timeout=2)
    url = f"http://hook.example.com:{sentinel.port}/"
    first = await client.post(url, b"", {})
    assert (first.status, names.asked) == (200, ["A", "AAAA"])
    second = await client.post(url, b"", {})
    await client.close()
    assert second.error == "refused"
    assert second.detail == "hook.example.com leads to 127.0.0.2, which is loopback"
    assert sentinel.called_as == ["::ffff:127.0.0.1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int, sentinel: Sentinel) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Go\r\nLocation: http://127.0.0.2:{sentinel.port}/\r\n".encode())
        writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        policy = EndpointPolicy(allow_http=True, allowed_networks=parse_networks("127.0.0.0/8"))
        port = server.sockets[0].getsockname()[1]
        assert await post(WebhookClient(policy, timeout=2), f"http://127.0.0.1:{port}/") == (status, None)
    assert sentinel.hits == 0


async def test_no_proxy_of_the_environment_is_used(sentinel: Sentinel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{sentinel.port}")
    policy = EndpointPolicy(allow_http=True, allowed_networks=parse_networks("127.0.0.1/32"))
    client = WebhookClient(policy, resolver=Names([("127.0.0.1",)]), timeout=2)
    assert await post(client, "http://hook.example.com:1024/") == (None, "connect")
    assert sentinel.hits == 0


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://example.com", "example.com", 443),
        ("https://Example.COM/hooks/a%20b?x=1&y=@2", "example.com", 443),
        ("https://example.com.:8443/", "example.com", 8443),
        ("https://a_b.example.com/", "a_b.example.com", 443),
        ("https://xn--bcher-kva.example.com/", "xn--bcher-kva.example.com", 443),
        ("https://8.8.8.8/", "8.8.8.8", 443),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443),
        ("https://1.example.com/", "1.example.com", 443),
        ("HTTPS://example.com/", "example.com", 443),
    ],
)
def test_public_endpoints_are_taken(url: str, host: str, port: int) -> None:
    endpoint = parse_endpoint(url, EndpointPolicy())
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("https", host, port)


def test_http_is_refused_unless_allowed() -> None:
    with pytest.raises(InputError, match="https") as caught:
        parse_endpoint("http://example.com/", EndpointPolicy())
    assert caught.value.code == "url_scheme"
    assert parse_endpoint("http://example.com/", OPEN).port == 80


@given(st.ip_addresses())
def test_what_python_calls_private_is_refused(address: object) -> None:
    if not address.is_global:  # type: ignore[attr-defined]
        assert refusal(str(address)) is not None


@given(st.ip_addresses(v=4))
def test_no_spelling_in_ipv6_gets_an_ipv4_address_through(address: object) -> None:
    for prefix in ("::", "::ffff:", "64:ff9b::", "64:ff9b:1::"):
        assert refusal(f"{prefix}{address}") is not None


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "x", "10.0.0.0/8;::1"])
def test_networks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_networks(text)
    assert caught.value.code == "network_syntax"


def cases() -> Iterator[object]:
    yield from URLS
    yield from ADDRESSES


def test_there_are_enough_cases() -> None:
    assert len(set(cases())) >= 80
