"""Security headers, cookies, request size, addresses that may be fetched from."""

from config.env import ENV

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
SOURCE_PORTS = ENV.source_ports
ALLOW_LOOPBACK_SOURCES = ENV.allow_loopback_sources
CORS_ALLOWED_ORIGINS = ENV.cors_allowed_origins
TRUSTED_PROXIES = ENV.trusted_proxies
FAILED_AUTHENTICATION_RATE = "60/min"
"""Refused requests without a valid API key, by address."""
SECURITY_CONTACT = ENV.security_contact
