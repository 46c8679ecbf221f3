"""Every field in responses, exports and embeddings has an audience."""

from typing import Any

import pytest
from django.test import Client

from catalog.admin.sheets import ProductResource
from catalog.embeddings import ENCODED, ProductEmbedding, ProductImage, ProductText
from catalog.models import Product
from config.api.keys import Audience
from tests.integration.catalog.test_corrections import import_listings, make_listing


def _schema() -> Any:
    return Client().get("/api/schema/", {"format": "json"}).json()


def test_every_property_of_the_schema_has_an_audience() -> None:
    schema = _schema()
    components = schema["components"]["schemas"]
    undeclared = [
        f"{name}.{field}"
        for name, component in components.items()
        for field, described in component.get("properties", {}).items()
        if "x-audience" not in described
    ]
    assert components["Product"]["properties"]["effects"]["x-audience"] == "staff"
    assert undeclared == []


def test_every_response_refers_to_a_schema_component() -> None:
    schema = _schema()
    assert "/api/v1/products/search/" in " ".join(schema["paths"])
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            for response in described["responses"].values():
                for content in response.get("content", {}).values():
                    body = content["schema"]
                    assert "$ref" in body or "$ref" in body.get("items", {}), (method, path)


def test_every_exported_column_has_an_audience() -> None:
    assert set(ProductResource().fields) == set(ProductResource.audiences)


@pytest.mark.django_db
def test_only_declared_fields_are_encoded(django_assert_num_queries: object) -> None:
    import_listings(
        make_listing(effects=("sleepy",), effects_source="reported", terpenes=("myrcene",))
    )
    for entity in (ProductEmbedding(), ProductText(), ProductImage()):
        rows = list(entity.queryset())
        with django_assert_num_queries(0):  # type: ignore[operator]
            texts = entity.texts(rows)
            scalars = entity.scalars(rows[0])
            if entity.layout:
                assert not [slot for slot in entity.layout.slots if "effect" in slot]
                entity.features(rows)
        assert "sleepy" not in texts[0]
        assert "sleepy" not in scalars.values()
        assert all(entity.audiences[name] <= Audience.VERIFIED for name in ENCODED)
    assert Product.objects.get().effects == ["sleepy"]
