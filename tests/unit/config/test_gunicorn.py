"""Configuration of gunicorn: what is loaded before the workers are forked."""

import logging
import runpy
from types import SimpleNamespace

import pytest

from config.embedded.stack import ROOT
from vectors.encoders import registry
from vectors.errors import ModelMissing


def _start(workers: int) -> None:
    configuration = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    server = SimpleNamespace(
        cfg=SimpleNamespace(workers=workers), log=logging.getLogger("gunicorn")
    )
    configuration["when_ready"](server)


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
