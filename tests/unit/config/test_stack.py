"""Embedded servers: started only where the settings name no external one; secrets are private."""

from pathlib import Path

import pytest

from config.embedded.server import Server
from config.embedded.stack import SERVERS, Stack


@pytest.mark.parametrize("server", SERVERS.values(), ids=list(SERVERS))
def test_server_named_by_the_settings_is_not_started(tmp_path: Path, server: type[Server]) -> None:
    stack = Stack(tmp_path, settings={server.setting: "scheme://elsewhere"})

    assert set(stack.servers) == set(SERVERS) - {server.name}


def test_secrets_are_generated_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = Stack(tmp_path, settings={}, needs=()).environment
    second = Stack(tmp_path, settings={}, needs=()).environment

    assert first["SECRET_KEY"] == second["SECRET_KEY"]
    assert first["KEY_RING"] == second["KEY_RING"]
    assert (tmp_path / "secrets.env").stat().st_mode & 0o077 == 0
