"""Structured logs: one event per line, without personal data and secrets."""

import logging
import re
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


# Messages of PostgreSQL quote values of rows, in DETAIL and CONTEXT and after a colon. A message
# ends where the next traceback of the chain begins, or with the text.
_DATABASE_ERROR = re.compile(
    r"^((?:psycopg|django\.db)[\w.]*: )([^\n]*)(.*?)"
    r"(?=\n\n(?:The above exception|During handling of)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_QUOTED_VALUE = re.compile(r': ".*')


def hide_row_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Remove the values of rows from the messages of database errors in a traceback."""
    if "exception" in event:
        event["exception"] = _DATABASE_ERROR.sub(
            lambda match: match[1] + _QUOTED_VALUE.sub(": [hidden]", match[2]),
            str(event["exception"]),
        )
    return event


class TaskErrorFilter(logging.Filter):
    """Leaves the type of an error in Celery's line about a failed task; the text may quote rows."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the error; accept every record."""
        if record.name == "celery.app.trace" and isinstance(record.args, dict):
            error = str(record.args.get("exc", ""))
            record.args = {**record.args, "exc": error.partition("(")[0]}
        return True


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
        hide_row_values,
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
        "filters": {"task_errors": {"()": TaskErrorFilter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["task_errors"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        # At DEBUG Pillow writes the metadata of images: where, when and by whom a photo was taken.
        "loggers": {"PIL": {"level": "INFO"}},
    }
