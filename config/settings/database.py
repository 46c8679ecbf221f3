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
        "OPTIONS": {
            "connect_timeout": 5,
            # How near a spelling must be to be found: "pnik kush" is, half a word is not. The rows that are searched lie
            # in memory or on an SSD, where the planner's default of 4 makes it read whole tables past their indexes.
            "options": "-c pg_trgm.word_similarity_threshold=0.45 -c random_page_cost=1.1",
        },
    }
}
# `manage.py pgpartition` plans by it, as the clock's task does.
PSQLEXTRA_PARTITIONING_MANAGER = "mlops.privacy.partitions.PARTITIONING_MANAGER"
