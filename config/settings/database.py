"""PostgreSQL, where the truth is."""

from urllib.parse import unquote, urlsplit

from config.env import ENV

_url = urlsplit(ENV.database_url)
DATABASES = {
    "default": {
        "ENGINE": "psqlextra.backend",
        "NAME": _url.path.lstrip("/"),
        "USER": unquote(_url.username or ""),
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _url.hostname or "",
        "PORT": str(_url.port or 5432),
        "CONN_MAX_AGE": 60,
        # A connection that died with its server is noticed before the next request uses it.
        "CONN_HEALTH_CHECKS": True,
        # How near a spelling must be to be found: "pnik kush" is, half a word is not.
        "OPTIONS": {"connect_timeout": 5, "options": "-c pg_trgm.word_similarity_threshold=0.45"},
    }
}
# `manage.py pgpartition` plans by it, as the clock's task does.
PSQLEXTRA_PARTITIONING_MANAGER = "customers.services.CHAT_PARTITIONS"
