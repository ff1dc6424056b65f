"""SpamAssassin's daemon, by its protocol SPAMC/1.5 (``spamd/PROTOCOL`` of SpamAssassin).

Nothing in the protocol keeps spamd from learning by itself: an installation that scores drafts through one that also
judges real mail should set ``bayes_auto_learn 0`` for the draft's, or run two.
"""

from __future__ import annotations

import re
from contextlib import suppress

from postmta_ctl.clients.engines import PING_SECONDS, EngineState
from postmta_ctl.clients.one_question import asking
from postmta_ctl.core.peer_address import Peer
from postmta_ctl.core.spam.verdicts import RuleHit, SpamVerdict, heaviest_first, judge
from postmta_ctl.errors import EngineFailed

NAME = "spamd"
_MAX_REPLY = 1024 * 1024
_STATUS = re.compile(r"SPAMD/[0-9.]+ (?P<code>[0-9]+) (?P<text>.*)")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_SPAM = re.compile(
    rf"^Spam:\s*(?P<spam>True|False|Yes|No)\s*;\s*(?P<score>{_NUMBER})\s*/\s*(?P<threshold>{_NUMBER})",
    re.IGNORECASE | re.MULTILINE,
)
_ROW = re.compile(r"^\s{0,3}(?P<score>-?[0-9]+(?:\.[0-9]+)?)\s+(?P<id>[A-Za-z_][A-Za-z0-9_]+)\s+(?P<text>\S.*)$")
"""A line of the table that SpamAssassin's report template ends with: points, rule name, description."""
_CONTINUED = re.compile(r"^\s{20,}(?P<text>\S.*)$")


class SpamdClient:
    """Asks one spamd, with a connection for each message.

    Args:
        peer: Where it listens.
        timeout: Seconds for one message.
    """

    name = NAME

    def __init__(self, peer: Peer, *, timeout: float = 60.0) -> None:
        self._peer = peer
        self._timeout = timeout

    async def close(self) -> None:
        """Nothing is held."""

    async def check(self, message: bytes) -> SpamVerdict:
        """``REPORT``, or ``SYMBOLS`` where the report has no table; see the protocol."""
        head, body = await self._ask("REPORT", message)
        rules = read_table(body)
        if not rules:
            head, body = await self._ask("SYMBOLS", message)
            rules = read_symbols(body)
        return read_verdict(head, rules)

    async def state(self) -> EngineState:
        """``PING``."""
        try:
            await self._ask("PING", b"", seconds=PING_SECONDS)
        except EngineFailed as error:
            return EngineState(name=NAME, reachable=False, detail=error.detail)
        return EngineState(name=NAME, reachable=True)

    async def _ask(self, command: str, message: bytes, *, seconds: float | None = None) -> tuple[str, str]:
        async with asking(NAME, self._peer, seconds or self._timeout) as question:
            length = f"Content-length: {len(message)}\r\n" if message else ""
            with suppress(ConnectionError):  # it may have refused the message, and says so before it closes
                await question.send(f"{command} SPAMC/1.5\r\n{length}\r\n".encode() + message)
                question.end()
            answer = (await question.answer(_MAX_REPLY)).decode("utf-8", "replace")
        head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
        status = _STATUS.match(head)
        if status is None or status["code"] != "0":
            raise EngineFailed(f"{NAME} answered: {status['text'][:200] if status else 'nothing that can be read'}")
        return head, body


def read_verdict(head: str, rules: list[RuleHit]) -> SpamVerdict:
    """Put the header of an answer and its rules together.

    Raises:
        EngineFailed: The header has no ``Spam`` field.
    """
    found = _SPAM.search(head)
    if found is None:
        raise EngineFailed(f"{NAME} gave no verdict.")
    score, threshold = float(found["score"]), float(found["threshold"])
    return SpamVerdict(
        engine=NAME,
        version=None,
        score=score,
        threshold=threshold,
        verdict=judge(score, threshold),
        action=None,
        rules=heaviest_first(rules),
    )


def read_table(body: str) -> list[RuleHit]:
    """The rules of a report, each with its points and description, which may go on in the next line."""
    rules: list[tuple[str, float, list[str]]] = []
    for line in body.splitlines():
        if row := _ROW.match(line):
            rules.append((row["id"], float(row["score"]), [row["text"]]))
        elif rules and (more := _CONTINUED.match(line)):
            rules[-1][2].append(more["text"])
    return [RuleHit(id=name, score=score, description=" ".join(text), reason="") for name, score, text in rules]


def read_symbols(body: str) -> list[RuleHit]:
    """The rules of an answer to ``SYMBOLS``, which are but names."""
    names = (name.strip() for name in body.strip().split(","))
    return [RuleHit(id=name, score=None, description="", reason="") for name in names if name]
