"""Configuration of gunicorn: what is loaded before the workers are forked."""

import logging
import runpy
from types import SimpleNamespace

import pytest
from django.core import checks
from django.db import OperationalError
from gunicorn.http.wsgi import Response

from config.embedded.stack import ROOT
from vectors.encoders import registry
from vectors.errors import ModelMissing


@pytest.fixture(autouse=True)
def _passed_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system checks of biometrics, which need the database, find nothing."""
    monkeypatch.setattr(checks, "run_checks", lambda **_: [])


def _start(workers: int) -> None:
    configuration = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    server = SimpleNamespace(
        cfg=SimpleNamespace(workers=workers), log=logging.getLogger("gunicorn")
    )
    configuration["when_ready"](server)


def test_l21_responses_do_not_name_the_server_software() -> None:
    runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    request = SimpleNamespace(version=(1, 1), method="GET", should_close=lambda: True)

    headers = Response(request, None, None).default_headers()

    assert "Server: cultivar\r\n" in headers
    assert "gunicorn" not in "".join(headers)


@pytest.mark.parametrize(("workers", "loaded"), [(1, []), (2, ["text", "multilingual"])])
def test_encoders_are_loaded_for_several_workers(
    monkeypatch: pytest.MonkeyPatch, workers: int, loaded: list[str]
) -> None:
    roles: list[str] = []
    monkeypatch.setattr(registry, "encoder", roles.append)

    _start(workers)

    assert roles == loaded


def test_missing_model_does_not_prevent_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(role: str) -> None:
        raise ModelMissing(f"{role} is missing")

    monkeypatch.setattr(registry, "encoder", fail)

    _start(2)

    assert "text is missing" in caplog.text


def test_error_of_biometrics_refuses_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = checks.Error("the declaration is missing", hint="complete it")
    monkeypatch.setattr(checks, "run_checks", lambda **_: [error])

    with pytest.raises(SystemExit) as raised:
        _start(1)

    assert raised.value.code == 3
    assert "the declaration is missing complete it" in caplog.text


def test_start_without_database_is_not_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Each use of biometrics is refused as well, as long as something is missing.
    def fail(**_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(checks, "run_checks", fail)

    _start(1)

    assert "Biometrics was not checked: OperationalError" in caplog.text
