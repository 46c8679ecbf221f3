"""Metrics, traces, error reports."""

from config.env import ENV

SENTRY_DSN = ENV.sentry_dsn
SENTRY_ENVIRONMENT = ENV.sentry_environment
OTLP_ENDPOINT = ENV.otlp_endpoint
TRACES_SHARE = ENV.traces_share
METRICS_TOKEN = ENV.metrics_token
METRICS_PORT = ENV.metrics_port
METRICS_SECONDS = 15
"""How long a process answers with the same gauges, however often it is asked."""
