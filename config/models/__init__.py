"""Models of the application: API keys, second factors and sessions of staff."""

from config.models.accounts import ConsoleSession, SecondFactor
from config.models.api_keys import LIFETIME, ApiKey, default_expiry

__all__ = ["LIFETIME", "ApiKey", "ConsoleSession", "SecondFactor", "default_expiry"]
