"""Django application of the vector engine."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VectorsConfig(AppConfig):
    """Configuration; registers the probes of Milvus and of the encoders."""

    name = "vectors"
    verbose_name = _("Vectors")

    def ready(self) -> None:
        """Register the probes."""
        from config.observability.health import register_deep_probe, register_probe

        def probe() -> None:
            from vectors.store import store

            store().ping()

        def probe_models() -> None:
            from vectors.encoders.registry import encoder

            for role in ("text", "multilingual"):
                encoder(role)

        register_probe("vectors", probe)
        register_deep_probe("models", probe_models)
