"""The client and the real application."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postmta_ctl.client import AsyncClient, BatchRequest, Retries, SendRequest
from postmta_ctl.client import errors as client_errors
from postmta_ctl.features.domains.schemas import DomainUpdate
from tests.conftest import Client as ApiClient

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HELLO = SendRequest(sender="Ann <ann@acme.test>", to=["bob@example.org"], subject="Hello", text="Hi")


def asynchronous(client: ApiClient, headers: dict[str, str]) -> AsyncClient:
    client.headers.update(headers)
    return AsyncClient(http=client, retries=Retries(first_wait=0.001))


async def test_sending_listing_and_changing(client: ApiClient, acme: dict[str, str]) -> None:
    postmta = asynchronous(client, acme)
    sent = [await postmta.messages.send(HELLO, idempotency_key="one") for _ in range(2)]
    assert sent[0] == sent[1]
    batch = await postmta.messages.send_batch(BatchRequest(messages=[HELLO] * 4 + [{"from": 1}]))
    assert (batch.accepted, batch.rejected) == (4, 1)
    assert len([one async for one in postmta.messages.list(limit=2)]) == 5
    page = await postmta.messages.list.page(limit=2, created_before=datetime.now(UTC) + timedelta(days=9000))
    assert len(page.data) == 2
    assert page.next_cursor
    domain, etag = await postmta.domains.get.tagged(next(iter((await postmta.domains.list.page()).data)).id)
    changed = await postmta.domains.update(domain.id, DomainUpdate(), if_match=etag)
    assert changed.domain == "acme.test"
    with pytest.raises(client_errors.PreconditionFailed):
        await postmta.domains.update(domain.id, DomainUpdate(), if_match='"another"')
    with pytest.raises(client_errors.Conflict) as used:
        await postmta.domains.delete(domain.id)
    assert used.value.code == "in_use"
    assert await postmta.suppressions.import_csv(b"ann@example.org,manual\n")
    assert "ann@example.org" in await postmta.suppressions.export_csv()


async def test_errors_say_what_the_api_said(client: ApiClient, acme: dict[str, str]) -> None:
    postmta = asynchronous(client, acme)
    with pytest.raises(client_errors.InvalidRequest) as caught:
        await postmta.messages.send(SendRequest(sender="ann@acme.test", to=["nobody"], text="Hi"))
    assert caught.value.errors[0].field == "to[0]"
    assert caught.value.request_id
    with pytest.raises(client_errors.NotFound) as missing:
        await postmta.messages.get("0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79")
    assert missing.value.code == "not_found"
