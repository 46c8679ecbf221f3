"""Chat messages lie in partitions by month, which are made ahead."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.utils import timezone

from customers.models import ChatMessage
from mlops.tasks import make_partitions

pytestmark = pytest.mark.django_db


def _partition(created_at: datetime) -> str:
    message = ChatMessage.objects.create(id=uuid.uuid4(), created_at=created_at, message_text="hello")
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM chat_messages WHERE id = %s", [message.id])
        return str(cursor.fetchone()[0])


def test_message_lies_in_the_partition_of_its_month() -> None:
    now = timezone.now()
    assert _partition(now) == f"chat_messages_{now:%Y_%b}".lower()
    midnight = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert _partition(midnight) == f"chat_messages_{now:%Y_%b}".lower()
    assert _partition(datetime(2001, 1, 1, tzinfo=UTC)) == "chat_messages_default"


def test_partitions_are_there_and_made_once() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chat_messages'::regclass")
        assert cursor.fetchone()[0] == 5
    assert make_partitions() == {"made": 0}
