"""Models of the application: API keys, second factors, sessions and saved views of staff."""

from config.models.accounts import ConsoleSession, SecondFactor
from config.models.api_keys import LIFETIME, ApiKey, default_expiry
from config.models.saved_view import SavedView

__all__ = ["LIFETIME", "ApiKey", "ConsoleSession", "SavedView", "SecondFactor", "default_expiry"]
