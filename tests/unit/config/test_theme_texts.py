"""Texts of the console's theme in French."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.utils.translation import trans_real

_IN_TEMPLATE = re.compile(r"""\{%-?\s*trans(?:late)?\s+(['"])(.+?)\1|\b_\((['"])(.+?)\3\)""")
_IN_CODE = re.compile(r"""\b_\(\s*(['"])(.+?)\1\s*\)""")
_SAME_IN_FRENCH = {"Action", "Date", "Message", "Messages", "Options"}


def _theme_texts() -> Iterator[str]:
    """Yield the English texts of the installed applications of the theme."""
    themes = [Path(a.path) for a in apps.get_app_configs() if a.name.split(".")[0] == "unfold"]
    for theme in themes:
        for file in (*theme.rglob("*.html"), *theme.rglob("*.py")):
            other_apps = {"contrib"} & set(file.relative_to(theme).parts)
            pattern = _IN_TEMPLATE if file.suffix == ".html" else _IN_CODE
            if not other_apps:
                for groups in pattern.findall(file.read_text()):
                    yield next(text for text in groups if len(text) > 1)


@pytest.mark.parametrize("text", sorted(set(_theme_texts()) - _SAME_IN_FRENCH))
def test_text_of_the_theme_is_translated(text: str) -> None:
    french = trans_real.translation("fr").gettext(text)

    assert french != text
