"""Tests: every pytest worker has its own database, Redis database and Milvus collections."""

import os

from split_settings.tools import include

from config.env import ENV
from config.settings.subjects import SUBJECTS

include(*SUBJECTS)

_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
_redis = f"{REDIS_URL.rsplit('/', 1)[0]}/{1 + int(_worker.removeprefix('gw'))}"  # type: ignore[name-defined]  # noqa: F821
CACHES["default"]["LOCATION"] = _redis  # type: ignore[name-defined]  # noqa: F821
CELERY_BROKER_URL = CELERY_RESULT_BACKEND = _redis
MILVUS_COLLECTION_PREFIX = f"test_{_worker}_"
# The tests' databases are copies of this one, which bin/test has migrated.
DATABASES["default"]["TEST"] = {"TEMPLATE": os.environ.get("TEST_DATABASE_TEMPLATE")}  # type: ignore[name-defined]  # noqa: F821
ALLOW_LOOPBACK_SOURCES = True
METRICS_TOKEN = "token-of-the-tests-with-enough-letters"  # noqa: S105  # of tests
SECOND_FACTOR_ROLES = ()
CONSOLE_TIME_ZONE = "UTC"  # tests compare dates of pages with those of the database
REUSES_RECENT_KEYS = False  # tests change and revoke keys between requests
FAILED_AUTHENTICATION_RATE = "1000000/min"  # all tests have one address
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["default"] = {  # type: ignore[name-defined]  # noqa: F821
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": str(ENV.state_dir / f"objects-{_worker}")},
}
# Throwaway keys of face templates.
BIOMETRIC_KEY_SOURCE = "environment"
BIOMETRIC_KEYS = (
    "rotation:cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=,"
    "k1:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE="
)
