"""Logs hold no secret and nothing personal."""

import pytest

from config.observability.logging import hide_private


@pytest.mark.parametrize(
    "name", ["password", "api_key", "Authorization", "email", "message_text", "cookies"]
)
def test_private_value_is_hidden(name: str) -> None:
    assert hide_private(None, "info", {"event": "x", name: "tell-tale"})[name] == "[hidden]"


def test_other_values_stay() -> None:
    assert hide_private(None, "info", {"event": "key made", "source": "ocs"}) == {
        "event": "key made",
        "source": "ocs",
    }
