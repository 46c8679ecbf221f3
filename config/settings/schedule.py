"""Schedule of all periodic tasks. Each becomes a database row once, which staff may change."""

from typing import Any

from config.settings.optional import OPTIONAL_APPS

CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# Name: task, crontab fields, time zone.
PERIODIC_TASKS: dict[str, dict[str, Any]] = {
    "Catalogue: daily sync": {
        "task": "catalog.tasks.sync_catalog",
        "minute": "0",
        "hour": "2",
        "timezone": "America/Toronto",
    },
    "Catalogue: process raw records": {
        "task": "catalog.tasks.process_raw_records",
        "minute": "*/5",
        "hour": "*",
        "timezone": "UTC",
    },
    "Catalogue: match products": {
        "task": "catalog.tasks.match_products",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
    },
    "Catalogue: expire import previews": {
        "task": "catalog.tasks.expire_product_imports",
        "minute": "5",
        "hour": "*",
        "timezone": "UTC",
    },
    "Competitors: crawl": {
        "task": "competitors.tasks.crawl_due_competitors",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
    },
    "Competitors: match offers": {
        "task": "competitors.tasks.match_offers",
        "minute": "5-55/10",
        "hour": "*",
        "timezone": "UTC",
    },
    "Competitors: suggest prices": {
        "task": "competitors.tasks.suggest_prices",
        "minute": "30",
        "hour": "6",
        "timezone": "America/Toronto",
    },
    "Competitors: measure outcomes of prices": {
        "task": "competitors.tasks.measure_price_outcomes",
        "minute": "15",
        "hour": "6",
        "timezone": "America/Toronto",
    },
    "Data: check freshness": {
        "task": "mlops.tasks.check_freshness",
        "minute": "10",
        "hour": "*",
        "timezone": "UTC",
    },
    "Data: check quality rules": {
        "task": "mlops.tasks.check_quality",
        "minute": "20",
        "hour": "*",
        "timezone": "UTC",
    },
    "Data: check integrity": {
        "task": "mlops.tasks.check_integrity",
        "minute": "40",
        "hour": "*",
        "timezone": "UTC",
    },
    "Console: refresh figures": {
        "task": "mlops.tasks.refresh_figures",
        "minute": "55",
        "hour": "*",
        "timezone": "UTC",
    },
    "Data: send alerts": {
        "task": "mlops.tasks.notify_alerts",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
    },
    "Data: e-mail alerts to subscribers": {
        "task": "mlops.tasks.send_alert_emails",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
    },
    "Models: retrain": {
        "task": "mlops.tasks.retrain_models",
        "minute": "0",
        "hour": "5",
        "day_of_week": "1",
        "timezone": "America/Toronto",
    },
    "Models: measure drift": {
        "task": "mlops.tasks.monitor_models",
        "minute": "30",
        "hour": "4",
        "timezone": "America/Toronto",
    },
    "Models: count outcomes": {
        "task": "mlops.tasks.count_outcomes",
        "minute": "25",
        "hour": "4",
        "timezone": "America/Toronto",
    },
    "Models: check experiments": {
        "task": "mlops.tasks.check_experiments",
        "minute": "45",
        "hour": "*",
        "timezone": "UTC",
    },
    "Models: check deployments": {
        "task": "mlops.tasks.check_deployments",
        "minute": "35",
        "hour": "*",
        "timezone": "UTC",
    },
    "Vectors: index changed rows": {
        "task": "vectors.tasks.index_due_vectors",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
    },
    "Vectors: rebuild outdated indexes": {
        "task": "vectors.tasks.rebuild_outdated_indexes",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
    },
    "Vectors: reconcile": {
        "task": "vectors.tasks.reconcile_vectors",
        "minute": "10",
        "hour": "4",
        "timezone": "UTC",
    },
    "Search: refresh vocabulary": {
        "task": "catalog.tasks.refresh_search_words",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
    },
    "Customers: derive preferences": {
        "task": "customers.tasks.derive_preferences",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
    },
    "Customers: delete data after legal holds": {
        "task": "customers.tasks.complete_withdrawals",
        "minute": "15",
        "hour": "*",
        "timezone": "UTC",
    },
    "Recommendations: update co-purchases and popularity": {
        "task": "customers.tasks.update_recommendation_statistics",
        "minute": "*/10",
        "hour": "*",
        "timezone": "UTC",
    },
    "Recommendations: update repeat statistics": {
        "task": "customers.tasks.update_repeat_statistics",
        "minute": "40",
        "hour": "3",
        "timezone": "UTC",
    },
    "Data: create monthly partitions": {
        "task": "mlops.tasks.make_partitions",
        "minute": "30",
        "hour": "3",
        "timezone": "UTC",
    },
    "Streams: deliver webhooks": {
        "task": "mlops.tasks.deliver_webhooks",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
    },
    "Streams: publish outbox": {
        "task": "mlops.tasks.publish_events",
        "minute": "*",
        "hour": "*",
        "timezone": "UTC",
    },
    "Privacy: apply retention rules": {
        "task": "mlops.tasks.sweep_retention",
        "minute": "30",
        "hour": "3",
        "timezone": "UTC",
    },
    "Privacy: complete pending erasures": {
        "task": "mlops.tasks.finish_erasures",
        "minute": "50",
        "hour": "*",
        "timezone": "UTC",
    },
}
if "biometrics" in OPTIONAL_APPS:
    PERIODIC_TASKS |= {
        "Biometrics: remind of expiring templates": {
            "task": "biometrics.tasks.remind_of_expiry",
            "minute": "0",
            "hour": "14",
            "timezone": "UTC",
        },
        "Biometrics: verify the audit log": {
            "task": "biometrics.tasks.verify_audit_log",
            "minute": "35",
            "hour": "*",
            "timezone": "UTC",
        },
    }
# Former tasks, whose rows are deleted.
REMOVED_TASKS = ("customers.tasks.make_chat_partitions",)
