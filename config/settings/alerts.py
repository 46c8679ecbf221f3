"""Recipients of alerts, and the mail server."""

from urllib.parse import unquote, urlsplit

from config.env import ENV

ALERT_EMAILS = ENV.alert_emails
ALERT_WEBHOOK_URL = ENV.alert_webhook_url
_url = urlsplit(ENV.email_url)
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if _url.hostname
    else "django.core.mail.backends.dummy.EmailBackend"
)
EMAIL_HOST = _url.hostname or ""
EMAIL_PORT = _url.port or 587
EMAIL_HOST_USER = unquote(_url.username or "")
EMAIL_HOST_PASSWORD = unquote(_url.password or "")
EMAIL_USE_SSL = _url.scheme == "smtps"
EMAIL_USE_TLS = _url.scheme == "smtp" and bool(_url.username)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENV.email_from
