"""ClamAV's daemon: ``INSTREAM``, ``PING`` and ``VERSION`` of its protocol (clamd(8), section COMMANDS).

Commands begin with ``z`` and end, as their answers do, with NUL, so that no name of a signature can break them.
"""

from __future__ import annotations

import struct
from contextlib import suppress

from postmta_ctl.clients.engines import PING_SECONDS, EngineState, FileScan
from postmta_ctl.clients.one_question import Question, asking
from postmta_ctl.core.peer_address import Peer
from postmta_ctl.errors import EngineFailed

NAME = "clamd"
_CHUNK = 64 * 1024
_MAX_REPLY = 4096
_STREAM, _FOUND = "stream: ", " FOUND"
_HEURISTICS = ("Heuristics.", "PUA.")
"""What such signatures recognise is a habit of malware, a limit that was exceeded or an unwanted program."""


class ClamdClient:
    """Asks one clamd, with a connection for each file.

    Args:
        peer: Where it listens.
        timeout: Seconds for one file.
    """

    name = NAME

    def __init__(self, peer: Peer, *, timeout: float = 60.0) -> None:
        self._peer = peer
        self._timeout = timeout

    async def scan(self, data: bytes) -> FileScan:
        """``INSTREAM``; see :class:`~postmta_ctl.clients.engines.AntivirusEngine`."""
        async with asking(NAME, self._peer, self._timeout) as question:
            with suppress(ConnectionError):  # it may have refused the size, and says so before it closes
                await _send(question, data)
            return read_reply(_text(await question.answer(_MAX_REPLY)))

    async def state(self) -> EngineState:
        """``VERSION``."""
        try:
            async with asking(NAME, self._peer, PING_SECONDS) as question:
                await question.send(b"zVERSION\0")
                version = _text(await question.answer(_MAX_REPLY))
        except EngineFailed as error:
            return EngineState(name=NAME, reachable=False, detail=error.detail)
        return EngineState(name=NAME, reachable=True, version=version)


async def _send(question: Question, data: bytes) -> None:
    await question.send(b"zINSTREAM\0")
    for start in range(0, len(data), _CHUNK):
        chunk = data[start : start + _CHUNK]
        await question.send(struct.pack("!I", len(chunk)) + chunk)
    await question.send(struct.pack("!I", 0))


def _text(answer: bytes) -> str:
    return answer.partition(b"\0")[0].decode("utf-8", "replace").strip()


def read_reply(text: str) -> FileScan:
    """Read the answer to ``INSTREAM``.

    Raises:
        EngineFailed: It is an error, or none of the forms that clamd documents.
    """
    if text.startswith("INSTREAM size limit exceeded"):
        return FileScan(status="not_scanned", detail=f"the file is larger than {NAME} takes (StreamMaxLength)")
    if text == "stream: OK":
        return FileScan(status="clean")
    if text.startswith(_STREAM) and text.endswith(_FOUND):
        signature = text.removeprefix(_STREAM).removesuffix(_FOUND)
        return FileScan(status="suspicious" if signature.startswith(_HEURISTICS) else "infected", signature=signature)
    raise EngineFailed(f"{NAME} answered: {text[:200]}")
