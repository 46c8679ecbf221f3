"""The subjects every place includes."""

SUBJECTS = (
    "base.py",
    "database.py",
    "cache.py",
    "celery.py",
    "schedule.py",
    "milvus.py",
    "storage.py",
    "security.py",
    "logging.py",
    "api.py",
    "console.py",
)
