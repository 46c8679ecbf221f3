"""A server that the settings name is used; only the others are started."""

from pathlib import Path

import pytest

from config.embedded.stack import SERVERS, Stack


@pytest.mark.parametrize("kind", SERVERS.values(), ids=list(SERVERS))
def test_named_server_is_not_started(tmp_path: Path, kind: type) -> None:
    stack = Stack(tmp_path, settings={kind.setting: "scheme://elsewhere"})  # type: ignore[attr-defined]
    assert set(stack.servers) == set(SERVERS) - {kind.name}  # type: ignore[attr-defined]


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    first = Stack(tmp_path, settings={}, needs=()).environment
    again = Stack(tmp_path, settings={}, needs=()).environment
    assert (first["SECRET_KEY"], first["KEY_RING"]) == (again["SECRET_KEY"], again["KEY_RING"])
    assert (tmp_path / "secrets.env").stat().st_mode & 0o077 == 0
