"""The whole clock on one page. Rows are made from it once; staff may then change them in the console."""

CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# name: task, crontab fields, time zone, queue
PERIODIC_TASKS = {
    "Catalogue: daily sync": {
        "task": "catalog.tasks.sync_catalog",
        "minute": "0",
        "hour": "2",
        "timezone": "America/Toronto",
        "queue": "ingest",
    },
    "Catalogue: refine what is due": {
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
    "Data: is it fresh?": {
        "task": "mlops.tasks.check_freshness",
        "minute": "10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: rules of quality": {
        "task": "mlops.tasks.check_quality",
        "minute": "20",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: integrity": {
        "task": "mlops.tasks.check_integrity",
        "minute": "40",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: tell of alerts": {
        "task": "mlops.tasks.notify_alerts",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Vectors: index what is due": {
        "task": "vectors.tasks.index_due_vectors",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "embed",
    },
    "Vectors: build anew what is of another make": {
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
    "Search: words that products are named by": {
        "task": "catalog.tasks.refresh_search_words",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Customers: preferences of those who bought": {
        "task": "customers.tasks.derive_preferences",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Customers: what was kept by a hold alone": {
        "task": "customers.tasks.settle_withdrawals",
        "minute": "15",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Recommendations: what is bought together, and how products sell": {
        "task": "customers.tasks.update_recommendation_statistics",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Recommendations: what customers are like": {
        "task": "customers.tasks.update_repeat_statistics",
        "minute": "40",
        "hour": "3",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: partitions of the coming months": {
        "task": "mlops.tasks.make_partitions",
        "minute": "30",
        "hour": "3",
        "timezone": "UTC",
        "queue": "default",
    },
    "Streams: publish what is due": {
        "task": "mlops.tasks.publish_events",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
    "Data: retention": {
        "task": "mlops.tasks.sweep_retention",
        "minute": "30",
        "hour": "3",
        "timezone": "UTC",
        "queue": "default",
    },
    "People: erasures that are not complete": {
        "task": "mlops.tasks.finish_erasures",
        "minute": "50",
        "hour": "*",
        "timezone": "UTC",
        "queue": "default",
    },
}
# Tasks that are no more; their rows are deleted.
REMOVED_TASKS = ("customers.tasks.make_chat_partitions",)
