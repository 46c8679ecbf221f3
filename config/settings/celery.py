"""Celery: broker, queues, limits."""

from config.env import ENV

CELERY_BROKER_URL = ENV.redis_url
CELERY_RESULT_BACKEND = ENV.redis_url
CELERY_RESULT_EXPIRES = 86_400
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A task of a dead worker is redelivered after this many seconds; longer than any task may run.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 7200}
CELERY_TIMEZONE = "UTC"
