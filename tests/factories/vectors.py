"""Factories of vector indexes."""

import factory
from factory.django import DjangoModelFactory

from vectors.models import VectorIndex


class VectorIndexFactory(DjangoModelFactory[VectorIndex]):
    """Rows of serving indexes with short vectors; their collections are not created in Milvus."""

    class Meta:
        model = VectorIndex

    class Params:
        building = factory.Trait(status=VectorIndex.Status.BUILDING)
        retired = factory.Trait(status=VectorIndex.Status.RETIRED)

    collection = factory.Sequence(lambda n: f"collection_{n}")
    physical_name = factory.Sequence(lambda n: f"physical_{n}")
    fingerprint = "test"
    encoder = "test"
    revision = "1"
    dimension = 8
    index_type = "FLAT"
    status = VectorIndex.Status.SERVING
