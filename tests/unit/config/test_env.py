"""Settings: .env.example lists each, and an invalid one ends the start with one line."""

import os
import subprocess
import sys

import pytest

from config.embedded.stack import ROOT
from config.env import read_environment
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
        ("CONSOLE_TIME_ZONE", "Mars/Base"),
    ],
)
def test_invalid_setting_ends_with_one_line_that_names_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as raised:
        read_environment()

    errors = capsys.readouterr().err
    assert raised.value.code == 2
    assert len(errors.strip().splitlines()) == 1
    assert f"Setting {name}:" in errors
    assert value not in errors or not value


def test_command_with_an_invalid_setting_ends_with_exit_code_two_and_one_line() -> None:
    completed = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "LOG_LEVEL": "LOUD"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert completed.returncode == 2
    assert len(completed.stderr.strip().splitlines()) == 1
    assert "Setting LOG_LEVEL:" in completed.stderr
