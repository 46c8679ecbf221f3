"""Structured logs: one event per line, without personal data and secrets."""

from collections.abc import MutableMapping
from typing import Any

import structlog

_PRIVATE_WORDS = (
    "password",
    "secret",
    "token",
    "authorization",
    "cookie",
    "email",
    "phone",
    "message_text",
    "key",
)


def hide_private(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Redact the value of every field whose name contains a private word."""
    for name in event:
        if name != "event" and any(word in name.lower() for word in _PRIVATE_WORDS):
            event[name] = "[hidden]"
    return event


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """Configure structlog; return the LOGGING setting that routes the standard library to it."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_private,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processor": renderer,
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        # At DEBUG Pillow writes the metadata of images: where, when and by whom a photo was taken.
        "loggers": {"PIL": {"level": "INFO"}},
    }
