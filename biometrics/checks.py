"""Django system checks: settings of provinces, master keys, OpenCV (tag `biometrics`)."""

from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.db import connections

from biometrics.errors import TemplateKeysUnavailable
from biometrics.keys import template_keys
from biometrics.models import BiometricSettings
from biometrics.selectors.provinces import all_settings, missing_requirements


@register("biometrics", "database")
def check_provinces(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Report provinces in which biometrics is enabled and may not be used."""
    if not databases:
        return []
    table = BiometricSettings._meta.db_table
    if table not in connections["default"].introspection.table_names():
        return []  # before the migrations
    enabled = [settings for settings in all_settings() if settings.is_enabled]
    messages: list[CheckMessage] = [
        Error(
            f"Biometrics is enabled in {settings.get_province_display()}, but {reason}.",
            hint="Complete the biometric settings in the console, or disable biometrics there.",
            id="biometrics.E001",
        )
        for settings in enabled
        for reason in missing_requirements(settings).values()
    ]
    return messages + ([*_check_keys(), *_check_opencv()] if enabled else [])


def _check_keys() -> list[CheckMessage]:
    try:
        template_keys()
    except TemplateKeysUnavailable as error:
        return [Error(str(error), hint="See docs/biometrics.md.", id="biometrics.E002")]
    return []


def _check_opencv() -> list[CheckMessage]:
    # Imports numpy: every command imports the checks.
    from biometrics.faces import is_installed

    if is_installed():
        return []
    return [
        Error(
            "Biometrics is enabled in a province, but OpenCV is not installed.",
            hint="Install requirements/biometrics.lock; in the image: REQUIREMENTS=biometrics.",
            id="biometrics.E003",
        )
    ]
