"""Message levels and links of console pages."""

from typing import Any


def message_levels(response: Any) -> list[str]:
    """Return the levels ("success", "warning", "error") of the messages that a page shows."""
    return [message.level_tag for message in response.context["messages"]]


def is_linked(response: Any, url: str) -> bool:
    """Return whether a page contains a link to an address."""
    return f'href="{url}"' in response.content.decode()
