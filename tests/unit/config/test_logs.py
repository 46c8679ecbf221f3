"""Logs: values of private fields are redacted."""

import pytest

from config.observability.logging import hide_private


@pytest.mark.parametrize(
    "name", ["password", "api_key", "Authorization", "email", "message_text", "cookies"]
)
def test_value_of_a_private_field_is_hidden(name: str) -> None:
    assert hide_private(None, "info", {"event": "x", name: "canary"})[name] == "[hidden]"


def test_other_values_are_unchanged() -> None:
    fields = {"event": "key.created", "source": "ocs"}

    assert hide_private(None, "info", dict(fields)) == fields
