"""Structured logs."""

from config.env import ENV
from config.observability.logging import logging_config

LOGGING = logging_config(level=ENV.log_level, style=ENV.log_format)
# Requests that leave no line in the log, unless they fail unexpectedly: one with the face of an
# unknown person leaves nothing anywhere.
UNLOGGED_PATHS = frozenset({"/api/v1/biometrics/identifications"})
