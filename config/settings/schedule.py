"""Schedule of all periodic tasks. Each becomes a database row once, which staff may change."""

CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# Name: task, crontab fields, time zone, queue.
PERIODIC_TASKS = {
    "Catalogue: daily sync": {
        "task": "catalog.tasks.sync_catalog",
        "minute": "0",
        "hour": "2",
        "timezone": "America/Toronto",
        "queue": "ingest",
    },
    "Catalogue: process raw records": {
        "task": "catalog.tasks.process_raw_records",
        "minute": "*/5",
        "hour": "*",
        "timezone": "UTC",
        "queue": "ingest",
    },
    "Catalogue: match products": {
        "task": "catalog.tasks.match_products",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "ingest",
    },
    "Catalogue: expire import previews": {
        "task": "catalog.tasks.expire_product_imports",
        "minute": "5",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: check freshness": {
        "task": "mlops.tasks.check_freshness",
        "minute": "10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: check quality rules": {
        "task": "mlops.tasks.check_quality",
        "minute": "20",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: check integrity": {
        "task": "mlops.tasks.check_integrity",
        "minute": "40",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: send alerts": {
        "task": "mlops.tasks.notify_alerts",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Vectors: index changed rows": {
        "task": "vectors.tasks.index_due_vectors",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "embed",
    },
    "Vectors: rebuild outdated indexes": {
        "task": "vectors.tasks.rebuild_outdated_indexes",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "embed",
    },
    "Vectors: reconcile": {
        "task": "vectors.tasks.reconcile_vectors",
        "minute": "10",
        "hour": "4",
        "timezone": "UTC",
        "queue": "embed",
    },
    "Search: refresh vocabulary": {
        "task": "catalog.tasks.refresh_search_words",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Customers: derive preferences": {
        "task": "customers.tasks.derive_preferences",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Customers: delete data after legal holds": {
        "task": "customers.tasks.complete_withdrawals",
        "minute": "15",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Recommendations: update co-purchases and popularity": {
        "task": "customers.tasks.update_recommendation_statistics",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Recommendations: update repeat statistics": {
        "task": "customers.tasks.update_repeat_statistics",
        "minute": "40",
        "hour": "3",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: create monthly partitions": {
        "task": "mlops.tasks.make_partitions",
        "minute": "30",
        "hour": "3",
        "timezone": "UTC",
        "queue": "default",
    },
    "Streams: publish outbox": {
        "task": "mlops.tasks.publish_events",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Privacy: apply retention rules": {
        "task": "mlops.tasks.sweep_retention",
        "minute": "30",
        "hour": "3",
        "timezone": "UTC",
        "queue": "default",
    },
    "Privacy: complete pending erasures": {
        "task": "mlops.tasks.finish_erasures",
        "minute": "50",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
}
# Former tasks, whose rows are deleted.
REMOVED_TASKS = ("customers.tasks.make_chat_partitions",)
