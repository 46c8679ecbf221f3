"""Files of settings that every environment includes."""

SUBJECTS = (
    "base.py",
    "database.py",
    "cache.py",
    "celery.py",
    "crawl.py",
    "schedule.py",
    "milvus.py",
    "kafka.py",
    "models.py",
    "storage.py",
    "security.py",
    "logging.py",
    "telemetry.py",
    "alerts.py",
    "api.py",
    "console.py",
    "roles.py",
    "competitors.py",
    "biometrics.py",
)
