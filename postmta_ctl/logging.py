"""Structured logs: one JSON object a line, each with the request it belongs to."""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import TextIO, cast

import msgspec
import structlog

from postmta_ctl.settings import Settings


class _Output:
    """A stream to which a line that cannot be written is lost: what it tells of must go on when the disk is full.

    What an event loop tells in one of its turns is written together at the turn's end, since each writing hands the
    interpreter's lock to another thread.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._asked: asyncio.AbstractEventLoop | None = None
        self._lock = Lock()
        atexit.register(self._write_waiting)

    def write(self, text: str) -> int:
        self._waiting.append(text)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_waiting()
        else:
            # One that has ended since it was asked does nothing any more.
            if self._asked is not loop:
                self._asked = loop
                loop.call_soon(self._write_waiting)
        return len(text)

    def flush(self) -> None:
        """Nothing: lines are written whole, at once or at the turn's end."""

    def _write_waiting(self) -> None:
        self._asked = None
        with self._lock, suppress(OSError):
            lines = "".join(self._waiting.popleft() for _ in range(len(self._waiting)))
            self._stream.write(lines)
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
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Output(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[*shared, _drop_record, renderer]))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _line(event: structlog.types.EventDict, **_of_json_dumps: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _drop_record(_logger: object, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
