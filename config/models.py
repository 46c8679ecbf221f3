"""Models of the application: API keys."""

from config.api.keys import ApiKey

__all__ = ["ApiKey"]
