"""The logo of a domain: its record, what it leads to, and nobody else's address."""

from __future__ import annotations

from typing import Any

import pytest

from postmta_ctl.clients.webhooks import Reply, WebhookClient
from tests.unit.test_bimi import certificate, svg

LOGO, MARK = "https://cdn.example/logo.svg", "https://cdn.example/vmc.pem"


class Documents(WebhookClient):
    """A web of its own: documents by URL; what is not there is 404."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, Reply] = {}
        self.asked: list[str] = []

    async def get(self, url: str, *, limit: int) -> Reply:
        self.asked.append(url)
        reply = self.replies.get(url, Reply(status=404))
        return Reply(status=reply.status, body=reply.body[:limit], error=reply.error, detail=reply.detail)


@pytest.fixture
def web(system: Any) -> Documents:
    web = Documents()
    object.__setattr__(system, "webhooks", web)
    web.replies[LOGO] = Reply(status=200, body=svg())
    web.replies[MARK] = Reply(status=200, body=certificate())
    return web


async def put(client: Any, headers: Any, **body: Any) -> Any:
    (domain,) = (await client.get("/api/v1/domains", headers=headers)).json()["data"]
    return await client.put(f"/api/v1/domains/{domain['id']}/bimi", json=body, headers=headers)


def verdicts(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["verdict"] for one in answer.json()["bimi"]["checks"]}


async def test_a_logo_with_its_certificate(client: Any, acme: Any, web: Documents, resolver: Any) -> None:
    resolver.records["_dmarc.acme.test", "TXT"] = ("v=DMARC1; p=reject",)
    answer = await put(client, acme, logo_url=LOGO, certificate_url=MARK)
    assert verdicts(answer) == {
        "bimi_logo": "ok",
        "bimi_certificate": "ok",
        "bimi_dmarc": "ok",
        "bimi_match": "ok",
    }
    shown = answer.json()
    assert shown["bimi"]["record_name"] == "default._bimi.acme.test"
    assert shown["bimi"]["record_value"] == f"v=BIMI1; l={LOGO}; a={MARK}"
    (record,) = (one for one in shown["dns_records"] if one["purpose"] == "bimi")
    assert (record["type"], record["name"], record["required"], record["check"]) == (
        "TXT",
        "default._bimi.acme.test",
        False,
        None,
    )
    assert (await client.get(f"/api/v1/domains/{shown['id']}", headers=acme)).json() == shown
    resolver.records["default._bimi.acme.test", "TXT"] = (record["value"],)
    checked = (await client.post(f"/api/v1/domains/{shown['id']}/verify", headers=acme)).json()
    (record,) = (one for one in checked["dns_records"] if one["purpose"] == "bimi")
    assert record["check"]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "reason"),
    [
        ({"svg": svg("<script/>").decode()}, "bimi_logo", "wrong", "scripts"),
        ({"logo_url": "https://cdn.example/gone.svg"}, "bimi_logo", "wrong", "404"),
        ({"logo_url": "https://cdn.example/broken"}, "bimi_logo", "unknown", "503"),
        ({"logo_url": "https://cdn.example/away"}, "bimi_logo", "unknown", "timeout"),
        ({"logo_url": "https://cdn.example/huge"}, "bimi_logo", "wrong", "32768"),
        ({"certificate_url": None}, "bimi_certificate", "warning", "no mark certificate"),
        ({"certificate": certificate(names=("x.test",)).decode()}, "bimi_certificate", "wrong", "not for acme.test"),
        ({"certificate": certificate(logo=svg("<g/>")).decode()}, "bimi_match", "wrong", "another logo"),
    ],
)
async def test_what_is_wrong_is_said(
    client: Any, acme: Any, web: Documents, changes: Any, name: str, verdict: str, reason: str
) -> None:
    web.replies["https://cdn.example/broken"] = Reply(status=503)
    web.replies["https://cdn.example/away"] = Reply(error="timeout", detail="timeout")
    web.replies["https://cdn.example/huge"] = Reply(status=200, body=svg("x" * 100_000))
    answer = await put(client, acme, **{"logo_url": LOGO, "certificate_url": MARK} | changes)
    assert verdicts(answer)[name] == verdict
    assert reason in answer.text


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        ((), "missing"),
        (("v=DMARC1; p=none",), "wrong"),
        (("v=DMARC1; p=quarantine",), "ok"),
        (("v=DMARC1; p=reject; sp=none",), "wrong"),
        (("v=DMARC1; p=reject; t=y",), "wrong"),
    ],
)
async def test_the_policy_must_be_enforced(
    client: Any, acme: Any, web: Documents, resolver: Any, record: tuple[str, ...], verdict: str
) -> None:
    resolver.records["_dmarc.acme.test", "TXT"] = record
    assert verdicts(await put(client, acme, logo_url=LOGO))["bimi_dmarc"] == verdict
    resolver.broken.add("_dmarc.acme.test")
    assert verdicts(await put(client, acme, logo_url=LOGO))["bimi_dmarc"] == "unknown"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"logo_url": "http://cdn.example/logo.svg"}, "logo_url"),
        ({"logo_url": "https://127.0.0.1/logo.svg"}, "logo_url"),
        ({"logo_url": "https://[::ffff:10.0.0.1]/logo.svg"}, "logo_url"),
        ({"logo_url": "https://a@cdn.example/logo.svg"}, "logo_url"),
        ({"logo_url": "https://cdn.example/a;a=b"}, "logo_url"),
        ({"logo_url": "https://cdn.example/\r\na"}, "logo_url"),
        ({"logo_url": "file:///etc/passwd"}, "logo_url"),
        ({"logo_url": ""}, "logo_url"),
        ({"logo_url": "https://cdn.example/" + "a" * 3000}, "logo_url"),
        ({"logo_url": LOGO, "certificate_url": "https://169.254.169.254/"}, "certificate_url"),
        ({"logo_url": LOGO, "selector": "a.b"}, "selector"),
        ({"logo_url": LOGO, "selector": "default; p=none"}, "selector"),
        ({"logo_url": None, "certificate_url": MARK}, "logo_url"),
        ({"logo_url": LOGO, "svg": 5}, "svg"),
        ({}, "logo_url"),
    ],
)
async def test_a_bad_field_is_named(client: Any, acme: Any, web: Documents, body: Any, field: str) -> None:
    answer = await put(client, acme, **body)
    assert answer.status_code == 422, answer.text
    assert [one["field"] for one in answer.json()["errors"]] == [field]


async def test_a_logo_is_taken_away(client: Any, acme: Any, web: Documents) -> None:
    await put(client, acme, logo_url=LOGO)
    answer = await put(client, acme, logo_url=None)
    assert (answer.status_code, answer.json()["bimi"]) == (200, None)
    assert "bimi" not in {one["purpose"] for one in answer.json()["dns_records"]}


async def test_of_two_editors_the_second_learns_of_the_first(client: Any, acme: Any, web: Documents) -> None:
    (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    path = f"/api/v1/domains/{domain['id']}"
    tag = (await client.get(path, headers=acme)).headers["ETag"]
    known = acme | {"If-Match": tag}
    first = await client.put(path, json={"dkim_rotation_days": 180}, headers=known)
    assert (first.status_code, first.json()["dkim_rotation_days"]) == (200, 180)
    for answer in (
        await client.put(path, json={"dkim_rotation_days": None}, headers=known),
        await client.put(f"{path}/bimi", json={"logo_url": LOGO}, headers=known),
        await client.delete(path, headers=known),
    ):
        assert answer.status_code == 412, answer.text
    again = acme | {"If-Match": first.headers["ETag"]}
    assert (await client.put(f"{path}/bimi", json={"logo_url": LOGO}, headers=again)).status_code == 200
    assert (await client.get(path, headers=acme)).json()["dkim_rotation_days"] == 180


@pytest.mark.parametrize("days", [0, 29, -1, 4000, "soon", 1.5])
async def test_an_impossible_interval_is_refused(client: Any, acme: Any, days: Any) -> None:
    (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    answer = await client.put(f"/api/v1/domains/{domain['id']}", json={"dkim_rotation_days": days}, headers=acme)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "dkim_rotation_days")


async def test_nobody_elses_logo(client: Any, acme: Any, bob: Any, web: Documents) -> None:
    (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    path = f"/api/v1/domains/{domain['id']}"
    assert (await client.put(f"{path}/bimi", json={"logo_url": LOGO}, headers=bob)).status_code == 404
    assert (await client.put(path, json={}, headers=bob)).status_code == 404
    assert (await client.get(path, headers=acme)).json()["bimi"] is None
