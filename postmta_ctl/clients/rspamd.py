"""Rspamd's worker over HTTP: ``POST /checkv2`` and ``GET /ping`` (Rspamd documentation, Rspamd protocol).

A check must not teach it anything: the message is a draft, sent by nobody. So it is asked to leave statistics alone
(``no_stat``: no Bayes classifier, neither read nor learned), not to log it into its history (``no_log``), and to skip
the modules that remember senders.
"""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from postmta_ctl.clients.engines import CONNECT_SECONDS, PING_SECONDS, EngineState
from postmta_ctl.core.spam.verdicts import RuleHit, SpamVerdict, Verdict, heaviest_first
from postmta_ctl.errors import EngineFailed, EngineUnreachable

NAME = "rspamd"
MAX_RULES = 300
_MAX_REPLY = 4 * 1024 * 1024
_SETTINGS = msgspec.json.encode(
    {
        "flags": ["no_stat", "no_log"],
        "symbols_disabled": [
            "GREYLIST_CHECK",
            "GREYLIST_SAVE",
            "RATELIMIT_CHECK",
            "RATELIMIT_UPDATE",
            "REPLIES_SET",
            "NEURAL_LEARN",
            *(f"{kind}_REPUTATION_IDEMPOTENT" for kind in ("IP", "SPF", "DKIM", "URL", "SENDER", "GENERIC")),
        ],
    }
).decode()
_VERDICTS: dict[str, Verdict] = {
    "no action": "ham",
    "greylist": "borderline",
    "soft reject": "borderline",
    "add header": "spam",
    "rewrite subject": "spam",
    "quarantine": "spam",
    "discard": "spam",
    "reject": "spam",
}


class _Symbol(msgspec.Struct):
    score: float = 0.0
    description: str | None = None
    options: list[Any] | None = None


class _Answer(msgspec.Struct):
    score: float
    required_score: float
    action: str
    symbols: dict[str, _Symbol] = {}
    is_skipped: bool = False


class RspamdClient:
    """Asks one rspamd.

    Args:
        url: Of its normal worker, or of the controller.
        password: Of the controller; empty: none is asked for.
        timeout: Seconds for one message.
    """

    name = NAME

    def __init__(self, url: str, password: str = "", *, timeout: float = 60.0) -> None:
        self._headers = {"Password": password} if password else {}
        # No proxy of the environment, and no redirect: the message goes where the settings say, or nowhere.
        self._http = httpx.AsyncClient(
            base_url=url, timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS), trust_env=False
        )

    async def close(self) -> None:
        """Close the pool."""
        await self._http.aclose()

    async def check(self, message: bytes) -> SpamVerdict:
        """``POST /checkv2``; see :class:`~postmta_ctl.clients.engines.SpamEngine`."""
        headers = self._headers | {"Flags": "no_log", "Settings": _SETTINGS}
        response, body = await self._exchange("POST", "/checkv2", content=message, headers=headers)
        return read_answer(body, response.headers.get("Server"))

    async def state(self) -> EngineState:
        """``GET /ping``."""
        try:
            response, _ = await self._exchange("GET", "/ping", headers=self._headers, timeout=PING_SECONDS)
        except EngineFailed as error:
            return EngineState(name=NAME, reachable=False, detail=error.detail)
        return EngineState(name=NAME, reachable=True, version=response.headers.get("Server"))

    async def _exchange(self, method: str, path: str, **request: Any) -> tuple[httpx.Response, bytes]:
        try:
            async with self._http.stream(method, path, **request) as response:
                body = await _limited(response)
        except httpx.TimeoutException:
            raise EngineUnreachable(f"{NAME} did not answer in time.") from None
        except httpx.HTTPError as error:
            raise EngineUnreachable(f"{NAME} cannot be reached ({type(error).__name__}).") from error
        if response.status_code != 200:
            raise EngineFailed(f"{NAME} answered with status {response.status_code}.")
        return response, body


async def _limited(response: httpx.Response) -> bytes:
    found = b""
    async for chunk in response.aiter_bytes():
        found += chunk
        if len(found) > _MAX_REPLY:
            raise EngineFailed(f"{NAME} answered with more than {_MAX_REPLY} octets.")
    return found


def read_answer(body: bytes, version: str | None = None) -> SpamVerdict:
    """Read the answer to a check.

    Raises:
        EngineFailed: It is none, or rspamd skipped the message.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise EngineFailed(f"{NAME} gave an answer that cannot be read.") from None
    if answer.is_skipped or answer.action not in _VERDICTS:
        raise EngineFailed(f"{NAME} gave no verdict (action: {answer.action[:40]}).")
    rules = heaviest_first(_hit(name, symbol) for name, symbol in answer.symbols.items())
    return SpamVerdict(
        engine=NAME,
        version=version,
        score=round(answer.score, 2),
        threshold=answer.required_score,
        verdict=_VERDICTS[answer.action],
        action=answer.action,
        rules=rules[:MAX_RULES],
    )


def _hit(name: str, symbol: _Symbol) -> RuleHit:
    reason = ", ".join(str(option) for option in symbol.options or ())
    return RuleHit(id=name, score=round(symbol.score, 2), description=symbol.description or "", reason=reason[:500])
