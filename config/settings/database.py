"""PostgreSQL, the primary data store."""

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
        # Replaces a connection that died with its server before the next request uses it.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            # Similarity at which a misspelled word matches: "pnik kush" does, half a word does not.
            # random_page_cost: the data lies in memory or on an SSD; with the default of 4 the
            # planner reads whole tables instead of indexes.
            "options": "-c pg_trgm.word_similarity_threshold=0.45 -c random_page_cost=1.1",
        },
    }
}
WEB_DATABASE_PASSWORD = ENV.web_database_password
WORKER_DATABASE_PASSWORD = ENV.worker_database_password
# Used by `manage.py pgpartition` and by the scheduled task that creates partitions.
PSQLEXTRA_PARTITIONING_MANAGER = "mlops.privacy.partitions.PARTITIONING_MANAGER"
