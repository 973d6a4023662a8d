"""Logs: one event a line on stderr, with names and counts, never with content, titles, URIs or people."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(level: str, format: str) -> None:  # noqa: A002 (named as the option is)
    """Set up structlog once. `auto` writes for people on a terminal and JSON elsewhere."""
    console = format == "console" or (format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the stream of the moment, not of now
        cache_logger_on_first_use=False,
    )
