"""The one table this floor owns."""

from config.api.keys import ApiKey

__all__ = ["ApiKey"]
