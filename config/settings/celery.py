"""Celery: broker, queues, limits."""

from config.env import ENV

CELERY_BROKER_URL = ENV.redis_url
CELERY_RESULT_BACKEND = ENV.redis_url
CELERY_RESULT_EXPIRES = 86_400
CELERY_TASK_DEFAULT_QUEUE = "default"
# By task name: exact names first, then the first pattern that matches. These are not attributes of
# the tasks because Celery beat sends tasks by name and does not import them. The queue of a
# schedule row, if staff set one, takes precedence.
CELERY_TASK_ROUTES = {
    "catalog.tasks.refresh_search_words": {"queue": "default"},
    # Staff wait for imports of product sheets and for bulk edits.
    "catalog.tasks.*_product_import*": {"queue": "default"},
    "catalog.tasks.run_bulk_edit": {"queue": "default"},
    "biometrics.tasks.*": {"queue": "default"},
    "catalog.tasks.*": {"queue": "ingest"},
    # Crawls wait for shops most of their time; in a queue of their own they delay nothing else.
    "competitors.tasks.crawl_competitor": {"queue": "crawl"},
    # Loads LightGBM, as training does.
    "competitors.tasks.suggest_prices": {"queue": "training"},
    "competitors.tasks.*": {"queue": "ingest"},
    "customers.tasks.*": {"queue": "default"},
    # Create, detach and drop partitions, which only the owner of the tables may do.
    "mlops.tasks.make_partitions": {"queue": "maintenance"},
    "mlops.tasks.sweep_retention": {"queue": "maintenance"},
    # One training at a time; in a separate queue it delays nothing else.
    "mlops.tasks.retrain": {"queue": "training"},
    # Loads the libraries of training.
    "mlops.tasks.monitor_models": {"queue": "training"},
    "mlops.tasks.*": {"queue": "default"},
    "vectors.tasks.*": {"queue": "embed"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A task of a dead worker is redelivered after this many seconds; longer than any task may run.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 7200}
CELERY_TIMEZONE = "UTC"
