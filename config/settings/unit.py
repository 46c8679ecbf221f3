"""Unit tests: throwaway secrets and unreachable servers; `.env` and its servers are ignored."""

import os
import tempfile
from pathlib import Path

from split_settings.tools import include

from config.embedded.stack import EXTERNAL_SETTINGS, ROOT, UNREACHABLE
from config.settings.subjects import SUBJECTS

os.environ.update(
    {
        **UNREACHABLE,
        **dict.fromkeys(EXTERNAL_SETTINGS, ""),
        "SECRET_KEY": "throwaway-key-of-the-unit-tests-that-signs-nothing",
        "KEY_RING": "unit:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "BIOMETRIC_KEY_SOURCE": "environment",
        "BIOMETRIC_KEYS": "rotation:cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=,"
        "k1:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=",
        "MODELS_DIR": os.environ.get("MODELS_DIR") or str(ROOT / "var" / "models"),
        "STATE_DIR": str(Path(tempfile.gettempdir()) / "cultivar-unit"),
    }
)
include(*SUBJECTS)

ALLOW_LOOPBACK_SOURCES = True
METRICS_TOKEN = "token-of-the-tests-with-enough-letters"  # noqa: S105  # of tests
FAILED_AUTHENTICATION_RATE = "1000000/min"  # all tests have one address
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
