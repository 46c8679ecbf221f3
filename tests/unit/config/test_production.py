"""Entry points of production use its settings, and do not start without secrets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded.stack import ROOT, UNREACHABLE

_SECRETS = {
    "SECRET_KEY": "x" * 50,
    "KEY_RING": "unit:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these variables and those that no project reads."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**inherited, **environment},
    )


@pytest.mark.parametrize("module", ["config.wsgi", "config.celery", "config.beat"])
def test_production_settings_are_the_default(module: str) -> None:
    code = f"import {module}; from django.conf import settings; print(settings.SETTINGS_MODULE)"

    finished = _run("-c", code, **UNREACHABLE, **_SECRETS)

    assert finished.stdout.strip() == "config.settings.production", finished.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("gunicorn", "config.wsgi", "--bind", "127.0.0.1:0"),
        ("celery", "-A", "config", "worker"),
        ("celery", "-A", "config.beat", "beat"),
    ],
    ids=lambda command: command[0] + command[-1],
)
def test_without_secrets_nothing_starts(command: tuple[str, ...]) -> None:
    # Empty values override those of a file .env.
    finished = _run("-m", *command, **UNREACHABLE, SECRET_KEY="", KEY_RING="")

    lines = finished.stderr.strip().splitlines()
    assert finished.returncode != 0
    assert (
        "Setting SECRET_KEY: String should have at least 32 characters. See .env.example." in lines
    )
    assert "Traceback" not in finished.stderr


def test_bin_manage_uses_the_settings_of_development(tmp_path: Path) -> None:
    code = (
        "from config.embedded.manage import local_environment;"
        "print(local_environment(['help'])['DJANGO_SETTINGS_MODULE'])"
    )

    finished = _run("-c", code, STATE_DIR=str(tmp_path))

    assert finished.stdout.strip() == "config.settings.dev", finished.stderr
