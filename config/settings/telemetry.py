"""Metrics."""

from config.env import ENV

METRICS_TOKEN = ENV.metrics_token
METRICS_PORT = ENV.metrics_port
METRICS_SECONDS = 15
"""How long a process answers with the same gauges, however often it is asked."""
