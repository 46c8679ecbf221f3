"""The one table this floor owns."""

from config.access import ApiKey

__all__ = ["ApiKey"]
