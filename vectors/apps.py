"""The vector engine as a Django application."""

from django.apps import AppConfig


class VectorsConfig(AppConfig):
    """Tells readiness whether Milvus answers."""

    name = "vectors"

    def ready(self) -> None:
        from config.observability.health import register_probe

        def ask() -> None:
            from vectors.store import store

            store().ping()

        register_probe("vectors", ask)
