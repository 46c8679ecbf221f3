"""Fixtures of tests that need model files."""

import pytest
from django.conf import settings


@pytest.fixture(scope="session")
def text_model() -> None:
    """Model files of the text encoder; without them the test is skipped."""
    name = settings.TEXT_ENCODER
    if not (settings.MODELS_DIR / name).is_dir():
        pytest.skip(
            f"no model {name} in {settings.MODELS_DIR}; install it: bin/manage fetch_models"
        )
