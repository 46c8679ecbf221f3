"""The process of bin/dev that runs management commands one after the other."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from config.embedded.commands import serve


def _responses(*commands: list[str], environment: dict[str, str] | None = None) -> list[Any]:
    responses = io.StringIO()
    requests = [
        json.dumps({"arguments": arguments, "environment": environment or {}})
        for arguments in commands
    ]
    serve(io.StringIO("\n".join(requests)), responses)
    return [json.loads(line) for line in responses.getvalue().splitlines()]


def test_response_contains_what_the_command_printed() -> None:
    [response] = _responses(["env_example"])

    assert "DATABASE_URL" in response["output"]
    assert response["error"] is None


def test_failed_command_reports_its_error_and_does_not_end_the_process(tmp_path: Path) -> None:
    failed, succeeded = _responses(["clean_strings", str(tmp_path / "none")], ["env_example"])

    assert "cannot be read" in failed["error"]
    assert succeeded["error"] is None


def test_unknown_command_is_reported_by_name() -> None:
    [response] = _responses(["sing"])

    assert "sing" in response["error"]


@pytest.mark.parametrize("before", [None, "before"])
def test_environment_of_a_command_is_restored(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv("CULTIVAR_EXAMPLE", raising=False)
    if before is not None:
        monkeypatch.setenv("CULTIVAR_EXAMPLE", before)

    _responses(["env_example"], environment={"CULTIVAR_EXAMPLE": "during"})

    assert os.environ.get("CULTIVAR_EXAMPLE") == before
