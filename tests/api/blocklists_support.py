"""Two blocklists on a DNS server of our own, and who asks them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import structs

from postmta_ctl.settings import DnsblSettings, Settings
from tests.dns_server import DnsServer, running

BAD = "9.9.9.9"
CATALOGUE = """
[[lists]]
id = "alpha"
name = "Alpha"
zone = "alpha.test"
ipv6 = true
enabled = true
source = "https://alpha.test/"
codes = { "127.0.0.2" = "spam", "127.0.0.10" = "dial-up" }

[[lists]]
id = "beta"
name = "Beta"
zone = "secret-key.beta.test"
secret_zone = true
enabled = true
source = "https://beta.test/"
"""


@contextmanager
def two_lists() -> Iterator[DnsServer]:
    """A server of both zones, in which nothing is listed but their test points."""
    with running() as server:
        for suffix in ("alpha.test", "secret-key.beta.test"):
            server.records[f"2.0.0.127.{suffix}", "A"] = ["127.0.0.2"]
        server.records[f"2.0.0.0.0.0.f.7.f.f.f.f.{'0.' * 20}alpha.test", "A"] = ["127.0.0.2"]
        yield server


def asking_two_lists(settings: Settings, folder: Path) -> Settings:
    """Settings by which these two are asked, and vMTAs are watched."""
    path = folder / "lists.toml"
    path.write_text(CATALOGUE)
    own = DnsblSettings(lists=("alpha", "beta"), catalogue=str(path), timeout_seconds=3.0, monitor_hours=24)
    return structs.replace(settings, dnsbl=own)


async def add_vmta(client: Any, auth: Any, name: str, address: str, **more: Any) -> str:
    body = {"name": name, "ip_address": address, "ehlo_domain": f"{name}.acme.test"} | more
    answer = await client.post("/api/v1/vmtas", json=body, headers=auth)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
