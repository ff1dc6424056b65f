"""Structured logs: one JSON object a line, each with the request it belongs to."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import TextIO

import msgspec
import structlog

from postmta_ctl.settings import Settings


class _Lines:
    """Writes lines to a stream. One that cannot be written is lost: what it tells of must go on when the disk is full.

    What an event loop informs of in one of its turns is written together at the turn's end, since each writing hands
    the interpreter's lock to another thread. What is worse than information is written at once: it may be the last
    that the process says.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._asked: asyncio.AbstractEventLoop | None = None
        self._lock = Lock()

    def info(self, line: str) -> None:
        """Write it soon, or at once where there is no event loop."""
        self._waiting.append(line + "\n")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write()
            return
        # One that has ended since it was asked does nothing any more.
        if self._asked is not loop:
            self._asked = loop
            loop.call_soon(self._write)

    def error(self, line: str) -> None:
        """Write it now, after what waits."""
        self._waiting.append(line + "\n")
        self._write()

    debug = info
    warning = critical = error

    def _write(self) -> None:
        self._asked = None
        with self._lock, suppress(OSError):
            self._stream.write("".join(self._waiting.popleft() for _ in range(len(self._waiting))))
            self._stream.flush()


def configure_logging(settings: Settings) -> None:
    """Set structlog up for this process, and let the standard library's loggers speak through it."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.types.Processor = structlog.dev.ConsoleRenderer()
    if settings.log_format == "json":
        # Without the values of variables: they may be secrets, and are most of the text.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shared.append(structlog.processors.ExceptionRenderer(tracebacks))
        renderer = structlog.processors.JSONRenderer(serializer=_line)
    lines = _Lines(sys.stderr)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[*shared, _drop_record, renderer]))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _line(event: structlog.types.EventDict, **_of_json_dumps: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _drop_record(_logger: object, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
