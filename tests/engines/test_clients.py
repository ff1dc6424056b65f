"""The clients against peers that are away, silent, broken or hostile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.assembly import create_system
from postmta_ctl.clients.clamd import ClamdClient, read_reply
from postmta_ctl.clients.rspamd import RspamdClient, read_answer
from postmta_ctl.clients.spamd import SpamdClient, read_table
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.peer_address import Peer, parse_peer
from postmta_ctl.errors import ConfigurationError, EngineFailed, EngineUnreachable
from postmta_ctl.settings import Settings
from tests.engines.daemons import free_port
from tests.engines.fakes import http, listening

MESSAGE = b"Subject: Hi\r\n\r\nHello\r\n"
ANSWER: dict[str, Any] = {"score": 7.5, "required_score": 15.0, "action": "reject", "symbols": {"A": {"score": 7.5}}}
ENGINES = ["clamd", "spamd", "rspamd"]


async def ask(engine: str, port: int, data: bytes = MESSAGE, timeout: float = 2.0) -> Any:
    peer = Peer(host="127.0.0.1", port=port)
    if engine == "clamd":
        return await ClamdClient(peer, timeout=timeout).scan(data)
    if engine == "spamd":
        return await SpamdClient(peer, timeout=timeout).check(data)
    client = RspamdClient(f"http://127.0.0.1:{port}", "secret", timeout=timeout)
    try:
        return await client.check(data)
    finally:
        await client.close()


@pytest.mark.parametrize("engine", ENGINES)
class TestAnyEngine:
    async def test_nobody_listens(self, engine: str) -> None:
        with pytest.raises(EngineUnreachable, match=engine):
            await ask(engine, free_port())

    async def test_it_is_silent(self, engine: str) -> None:
        async with listening(None) as peer:
            before = time.monotonic()
            with pytest.raises(EngineUnreachable, match=f"{engine} did not answer in time"):
                await ask(engine, peer.port, timeout=0.3)
            assert time.monotonic() - before < 2

    async def test_it_closes_without_a_word(self, engine: str) -> None:
        async with listening(b"") as peer:
            with pytest.raises(EngineFailed, match=engine):
                await ask(engine, peer.port)

    async def test_it_closes_while_it_is_sent_much(self, engine: str) -> None:
        async with listening(b"", reads=10) as peer:
            with pytest.raises(EngineFailed, match=engine):
                await ask(engine, peer.port, b"x" * 20_000_000)

    async def test_it_talks_without_end(self, engine: str) -> None:
        async with listening(http(b"x" * 8_000_000)) as peer:
            with pytest.raises(EngineFailed, match="more than"):
                await ask(engine, peer.port)

    @pytest.mark.parametrize("answer", [b"\xff\xfe\0\0", b"nonsense\r\n\r\n", http(b"nonsense"), http(b"\xff")])
    async def test_it_talks_nonsense(self, engine: str, answer: bytes) -> None:
        async with listening(answer) as peer:
            with pytest.raises(EngineFailed, match=engine):
                await ask(engine, peer.port)


class TestClamd:
    async def test_a_refusal_is_read_although_sending_fails(self) -> None:
        async with listening(b"INSTREAM size limit exceeded. ERROR\0", reads=70_000) as peer:
            found = await ask("clamd", peer.port, b"x" * 20_000_000)
        assert found.status == "not_scanned"

    @pytest.mark.parametrize(
        ("reply", "status", "signature"),
        [
            ("stream: OK", "clean", None),
            ("stream: Win.Test FOUND", "infected", "Win.Test"),
            ("stream: Odd name FOUND FOUND", "infected", "Odd name FOUND"),
            (
                "stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND",
                "suspicious",
                "Heuristics.Limits.Exceeded.MaxScanSize",
            ),
        ],
    )
    def test_replies(self, reply: str, status: str, signature: str | None) -> None:
        found = read_reply(reply)
        assert (found.status, found.signature) == (status, signature)

    @pytest.mark.parametrize("reply", ["stream: Can't allocate memory ERROR", "UNKNOWN COMMAND", "OK", "stream: "])
    def test_what_is_no_verdict(self, reply: str) -> None:
        with pytest.raises(EngineFailed, match="clamd answered"):
            read_reply(reply)


class TestSpamd:
    async def test_an_error_is_quoted(self) -> None:
        async with listening(b"SPAMD/1.0 76 Bad header line: x\r\n") as peer:
            with pytest.raises(EngineFailed, match="Bad header line"):
                await ask("spamd", peer.port)

    async def test_an_answer_without_a_verdict(self) -> None:
        async with listening(b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n") as peer:
            with pytest.raises(EngineFailed, match="no verdict"):
                await ask("spamd", peer.port)

    def test_descriptions_go_on_in_the_next_line(self) -> None:
        table = (
            " 1.5 LONG_RULE              BODY: begins here\n                            and goes on\n-0.1 OTHER good\n"
        )
        assert [(one.id, one.score, one.description) for one in read_table(table)] == [
            ("LONG_RULE", 1.5, "BODY: begins here and goes on"),
            ("OTHER", -0.1, "good"),
        ]


class TestRspamd:
    async def test_the_password_is_a_header_and_no_part_of_errors(self) -> None:
        async with listening(http(b"", "403 Forbidden")) as peer:
            with pytest.raises(EngineFailed) as caught:
                await ask("rspamd", peer.port)
        assert b"password: secret" in peer.got[0].lower()
        assert "secret" not in caught.value.detail

    async def test_a_redirect_is_not_followed(self) -> None:
        async with listening(http(b"{}")) as target:
            redirect = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{target.port}/\r\nContent-Length: 0\r\n\r\n"
            async with listening(redirect.encode()) as peer:
                with pytest.raises(EngineFailed, match="status 302"):
                    await ask("rspamd", peer.port)
            assert target.got == []

    @pytest.mark.parametrize(
        ("action", "verdict"),
        [("no action", "ham"), ("greylist", "borderline"), ("add header", "spam"), ("reject", "spam")],
    )
    def test_actions(self, action: str, verdict: str) -> None:
        assert read_answer(msgspec.json.encode(ANSWER | {"action": action})).verdict == verdict

    @pytest.mark.parametrize(
        "change", [{"is_skipped": True}, {"action": "unheard of"}, {"score": "x"}, {"symbols": []}]
    )
    def test_what_is_no_verdict(self, change: dict[str, Any]) -> None:
        with pytest.raises(EngineFailed):
            read_answer(msgspec.json.encode(ANSWER | change))

    @given(st.binary(max_size=200))
    def test_any_octets(self, body: bytes) -> None:
        with pytest.raises(EngineFailed):
            read_answer(body)


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "peer"),
        [
            ("127.0.0.1:783", Peer(host="127.0.0.1", port=783)),
            ("clamd.internal:3310", Peer(host="clamd.internal", port=3310)),
            ("[::1]:3310", Peer(host="::1", port=3310)),
            ("unix:/run/clamd.ctl", Peer(path="/run/clamd.ctl")),
        ],
    )
    def test_addresses(self, text: str, peer: Peer) -> None:
        assert parse_peer(text) == peer
        assert str(peer) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ":1",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "::1:1",
            "[host]:1",
            "unix:relative",
            "host:\uff11",
        ],
    )
    def test_what_is_no_address(self, text: str) -> None:
        with pytest.raises(InputError):
            parse_peer(text)

    @pytest.mark.parametrize(
        ("change", "spam", "antivirus"),
        [
            ({}, None, None),
            ({"spam_engine": "spamd"}, "spamd", None),
            ({"spam_engine": "rspamd", "antivirus_engine": "clamd"}, "rspamd", "clamd"),
        ],
    )
    async def test_engines_are_chosen(
        self, tmp_path: Path, change: dict[str, Any], spam: str | None, antivirus: str | None
    ) -> None:
        system = create_system(Settings(data_dir=tmp_path / "data", **change))
        assert (getattr(system.spam, "name", None), getattr(system.antivirus, "name", None)) == (spam, antivirus)
        for part in (system.spam, system.webhooks, system.kumod, system.db):
            if part is not None:
                await part.close()

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"spam_engine": "spamd", "spamd_address": "nowhere"}, "spamd_address"),
            ({"antivirus_engine": "clamd", "clamd_address": "unix:x"}, "clamd_address"),
            ({"spam_engine": "rspamd", "rspamd_url": "file:///etc/passwd"}, "rspamd_url"),
        ],
    )
    def test_what_cannot_be_an_address_stops_the_start(self, tmp_path: Path, change: dict[str, Any], name: str) -> None:
        with pytest.raises(ConfigurationError, match=name):
            create_system(Settings(data_dir=tmp_path / "data", **change))

    async def test_an_engine_that_is_away_says_so(self) -> None:
        port = free_port()
        rspamd = RspamdClient(f"http://127.0.0.1:{port}")
        peer = Peer(host="127.0.0.1", port=port)
        for state in (await rspamd.state(), await SpamdClient(peer).state(), await ClamdClient(peer).state()):
            assert not state.reachable
            assert "cannot be reached" in state.detail
        await rspamd.close()
