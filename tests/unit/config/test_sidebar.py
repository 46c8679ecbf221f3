"""Sidebar of the console: the entry of a page."""

import pytest
from django.test import RequestFactory

from config.settings import console

_ENTRIES = 50


class CountedAddress:
    """An address that counts how often it is composed."""

    count = 0

    def __init__(self, number: int) -> None:
        self._number = number

    def __str__(self) -> str:
        CountedAddress.count += 1
        return f"/console/page-{self._number}/"


def test_addresses_are_composed_twice_per_page_not_once_for_each_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = [CountedAddress(number) for number in range(_ENTRIES)]
    monkeypatch.setattr(console, "_links", links)
    request = RequestFactory().get("/console/page-7/change/")

    active = [number for number, link in enumerate(links) if console._is_active(request, link)]

    assert active == [7]
    assert CountedAddress.count == 2 * _ENTRIES
