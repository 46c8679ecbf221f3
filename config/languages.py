"""Languages of texts and messages: English and French."""

from django.utils.translation import gettext

from config.errors import BadInput

LANGUAGES = ("en", "fr")


def parse_language(value: object) -> str:
    """Return the code of a language. Raises BadInput."""
    if value not in LANGUAGES:
        raise BadInput("language", gettext("must be en or fr"))
    return str(value)
