"""Downloads of raw records are scanned for viruses."""

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.embedded.ports import LOOPBACK, free_port
from mlops.pipelines.definitions import RawResponse
from mlops.pipelines.landing import land_response
from tests.factories.mlops import RunFactory
from tests.fakes.clamav import EICAR, running_scanner

pytestmark = pytest.mark.django_db


def _landed(body: bytes) -> UUID:
    """Return the id of a raw record with these bytes."""
    response = RawResponse(
        bundle="1",
        role="page",
        url="https://example.org/list.csv",
        status=200,
        content_type="text/csv",
        body=body,
        fetched_at=timezone.now(),
    )
    return land_response(run=RunFactory.create(), response=response).id


def _download(client: Client, record_id: UUID) -> Any:
    return client.get(reverse("admin:mlops_rawrecord_bytes", args=[record_id]))


def test_clean_bytes_are_sent(admin_client: Client, settings: Any) -> None:
    record_id = _landed(b"name\nPink Kush\n")

    with running_scanner() as settings.CLAMAV_ADDRESS:
        response = _download(admin_client, record_id)

    assert response.content == b"name\nPink Kush\n"


def test_infected_bytes_are_not_sent(admin_client: Client, settings: Any) -> None:
    record_id = _landed(b"name\n" + EICAR)

    with running_scanner() as settings.CLAMAV_ADDRESS:
        response = _download(admin_client, record_id)

    assert response.status_code == 403
    assert response.content == b"The virus scanner found Eicar-Test; these bytes are not sent."


def test_bytes_are_not_sent_unscanned(admin_client: Client, settings: Any) -> None:
    record_id = _landed(b"name\n")
    settings.CLAMAV_ADDRESS = f"{LOOPBACK}:{free_port()}"

    response = _download(admin_client, record_id)

    assert response.status_code == 503
