"""Structured logs."""

from config.env import ENV
from config.observability.logging import logging_config

LOGGING = logging_config(level=ENV.log_level, style=ENV.log_format)
