"""Django application of the vector engine."""

from django.apps import AppConfig


class VectorsConfig(AppConfig):
    """Configuration; registers the readiness probe of Milvus."""

    name = "vectors"

    def ready(self) -> None:
        """Register the readiness probe."""
        from config.observability.health import register_probe

        def probe() -> None:
            from vectors.store import store

            store().ping()

        register_probe("vectors", probe)
