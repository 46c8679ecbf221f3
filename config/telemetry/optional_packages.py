"""Packages that are imported only where a setting asks for them."""

from importlib import import_module
from types import ModuleType

from django.core.exceptions import ImproperlyConfigured

_FILE = "requirements/observability.lock"


def require(module: str, *, package: str, setting: str) -> ModuleType:
    """Return a module of a package. Raises ImproperlyConfigured: it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{setting} is set, which needs the package {package}:"
            f" run `pip install --requirement {_FILE}`, or leave {setting} empty."
        ) from error
