"""Structured logs: one JSON object a line, each with the request it belongs to."""

from __future__ import annotations

import logging
import sys

import structlog

from postmta_ctl.settings import Settings


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
        shared.append(structlog.processors.dict_tracebacks)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[*shared, _drop_record, renderer]))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _drop_record(_logger: object, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
