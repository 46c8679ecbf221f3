"""Settings: .env.example lists each, and an invalid one ends the start with one line."""

import os
import subprocess
import sys

import pytest

from config.embedded.stack import ROOT
from config.management.commands.env_example import example


def test_env_example_lists_every_setting() -> None:
    assert (ROOT / ".env.example").read_text() == example()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", ""),
        ("KEY_RING", "k1:bm90IDMyIGJ5dGVz"),
        ("KEY_RING", "no-colon"),
        ("DATABASE_URL", "mysql://x"),
        ("LOG_LEVEL", "LOUD"),
        ("MILVUS_COLLECTION_PREFIX", "a-b"),
    ],
)
def test_invalid_setting_ends_with_one_line_that_names_it(name: str, value: str) -> None:
    completed = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert completed.returncode == 2
    assert len(completed.stderr.strip().splitlines()) == 1
    assert f"Setting {name}:" in completed.stderr
    assert value not in completed.stderr or not value
