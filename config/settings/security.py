"""Security headers, cookies, request size, addresses that may be fetched from."""

from config.env import ENV

SESSION_ENGINE = "config.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Two hours without a request end a session, as does the end of the browser.
SESSION_COOKIE_AGE = 7200
# Twelve hours after the login a session ends, however busy it is.
SESSION_ABSOLUTE_SECONDS = 43_200
SESSION_SAVE_EVERY_REQUEST = True
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
SOURCE_PORTS = ENV.source_ports
ALLOW_LOOPBACK_SOURCES = ENV.allow_loopback_sources
CORS_ALLOWED_ORIGINS = ENV.cors_allowed_origins
TRUSTED_PROXIES = ENV.trusted_proxies
REUSES_RECENT_KEYS = True
FAILED_AUTHENTICATION_RATE = "60/min"
"""Refused requests without a valid API key, by address."""
BREACHED_PASSWORDS_URL = ENV.breached_passwords_url
CLAMAV_ADDRESS = ENV.clamav_address
SECURITY_CONTACT = ENV.security_contact
FAILED_LOGINS_BY_NAME = 10
FAILED_LOGINS_BY_ADDRESS = 50
FAILED_LOGINS_SECONDS = 900
"""Period in which that many failed logins of the console block a name or an address."""
# Uploaded files and raw records are for the account of the processes alone.
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
