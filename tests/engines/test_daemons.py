"""The clients against the real daemons."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.clients.clamd import ClamdClient
from postmta_ctl.clients.rspamd import RspamdClient
from postmta_ctl.clients.spamd import SpamdClient
from postmta_ctl.core.files.inspection import EICAR
from postmta_ctl.core.peer_address import parse_peer
from postmta_ctl.errors import EngineFailed
from postmta_ctl.system import System
from tests.engines import daemons

SPAM = b"From: a@b.test\r\nSubject: this is SPAM\r\n\r\nHello\r\n"
HAM = b"From: a@b.test\r\nSubject: Hello\r\n\r\nHello\r\n"


class TestClamd:
    @pytest.fixture(params=["tcp", "socket"])
    def client(self, request: pytest.FixtureRequest, clamd: tuple[str, str]) -> ClamdClient:
        return ClamdClient(parse_peer(clamd[request.param == "socket"]), timeout=20)

    async def test_eicar_is_found(self, client: ClamdClient) -> None:
        found = await client.scan(EICAR)
        assert (found.status, found.signature) == ("infected", "Eicar-Test.UNOFFICIAL")

    async def test_it_looks_into_archives(self, client: ClamdClient) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.com", EICAR)
        assert (await client.scan(packed.getvalue())).status == "infected"

    @pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 3000])
    async def test_the_rest_is_clean(self, client: ClamdClient, data: bytes) -> None:
        assert (await client.scan(data)).status == "clean"

    async def test_what_is_too_large_was_not_scanned(self, client: ClamdClient) -> None:
        found = await client.scan(b"x" * 8_000_000)
        assert found.status == "not_scanned"
        assert "StreamMaxLength" in found.detail

    async def test_many_at_once(self, client: ClamdClient) -> None:
        files = [EICAR if index % 2 else b"clean" for index in range(20)]
        found = await asyncio.gather(*(client.scan(one) for one in files))
        assert [one.status for one in found] == ["infected" if index % 2 else "clean" for index in range(20)]

    async def test_its_version(self, client: ClamdClient) -> None:
        state = await client.state()
        assert state.reachable
        assert (state.version or "").startswith("ClamAV")


class TestThroughTheApi:
    @pytest.fixture
    def system(self, system: System, clamd: tuple[str, str], spamd: str) -> System:
        engines = {"antivirus": ClamdClient(parse_peer(clamd[0])), "spam": SpamdClient(parse_peer(spamd))}
        return dataclasses.replace(system, **engines)

    async def test_files(self, client: Any, ann: Any) -> None:
        files = [{"content": base64.b64encode(one).decode()} for one in (EICAR, b"hello")]
        found = (await client.post("/api/v1/security/av-scan", json={"files": files}, headers=ann)).json()
        assert [one["verdict"] for one in found["files"]] == ["infected", "clean"]
        assert (found["engine"], found["notice"], found["verdict"]) == ("clamd", None, "infected")
        assert found["files"][0]["signature"] == "Eicar-Test.UNOFFICIAL"

    async def test_a_message(self, client: Any, ann: Any) -> None:
        body = {"raw": SPAM.decode()}
        found = (await client.post("/api/v1/security/spam-score", json=body, headers=ann)).json()
        assert (found["engine"], found["score"], found["verdict"]) == ("spamd", 7.0, "spam")
        assert "Set Date." in found["advice"]


class TestSpamd:
    @pytest.fixture
    def client(self, spamd: str) -> SpamdClient:
        return SpamdClient(parse_peer(spamd), timeout=30)

    async def test_spam_with_its_rules(self, client: SpamdClient) -> None:
        found = await client.check(SPAM)
        assert (found.engine, found.score, found.threshold, found.verdict) == ("spamd", 7.0, 5.0, "spam")
        assert [(one.id, one.score, one.description) for one in found.rules] == [
            ("SUBJECT_IS_SPAM", 7.5, "The subject says that it is spam"),
            ("HAS_SUBJECT", -0.5, "There is a subject"),
        ]

    async def test_ham(self, client: SpamdClient) -> None:
        found = await client.check(HAM)
        assert (found.score, found.verdict, [one.id for one in found.rules]) == (-0.5, "ham", ["HAS_SUBJECT"])

    async def test_octets_of_any_kind(self, client: SpamdClient) -> None:
        assert (await client.check(b"\0\xff\r\n" * 1000)).verdict == "ham"

    async def test_it_answers(self, client: SpamdClient) -> None:
        assert (await client.state()).reachable

    async def test_reports_without_a_table(self, spamd_folder: Path) -> None:
        folder = spamd_folder / "bare"
        folder.mkdir()
        with daemons.spamd(folder, report=False) as address:
            found = await SpamdClient(parse_peer(address)).check(SPAM)
        assert [(one.id, one.score) for one in found.rules] == [("HAS_SUBJECT", None), ("SUBJECT_IS_SPAM", None)]
        assert found.score == 7.0


class TestRspamd:
    @pytest.fixture
    async def client(self, rspamd: tuple[str, str]) -> AsyncIterator[RspamdClient]:
        client = RspamdClient(rspamd[0], timeout=20)
        yield client
        await client.close()

    async def test_spam_with_its_rules(self, client: RspamdClient) -> None:
        found = await client.check(SPAM)
        assert (found.score, found.threshold, found.action, found.verdict) == (7.6, 15.0, "add header", "spam")
        first = found.rules[0]
        assert (first.id, first.score, first.description, first.reason) == (
            "SUBJECT_IS_SPAM",
            7.5,
            "of the tests",
            "this is SPAM",
        )

    async def test_it_is_asked_not_to_learn(self, client: RspamdClient) -> None:
        found = {one.id: one for one in (await client.check(HAM)).rules}
        assert set(found["FLAGS"].reason.split(", ")) == {"no_log", "no_stat"}
        assert "GREYLIST_CHECK" not in found

    async def test_ham(self, client: RspamdClient) -> None:
        found = await client.check(HAM)
        assert (found.verdict, found.action) == ("ham", "no action")

    async def test_octets_of_any_kind(self, client: RspamdClient) -> None:
        assert (await client.check(b"\0\xff\r\n" * 1000)).verdict == "ham"

    async def test_its_version(self, client: RspamdClient) -> None:
        state = await client.state()
        assert state.reachable
        assert (state.version or "").startswith("rspamd/")

    @pytest.mark.parametrize(("password", "works"), [("secret", True), ("wrong", False)])
    async def test_the_controllers_password(self, rspamd: tuple[str, str], password: str, works: bool) -> None:
        client = RspamdClient(rspamd[1], password, timeout=20)
        if works:
            assert (await client.check(SPAM)).verdict == "spam"
        else:
            with pytest.raises(EngineFailed, match="status 40"):
                await client.check(SPAM)
        await client.close()
