"""OpenAPI examples of product, search and similar-product operations."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

EXAMPLE_PRODUCT: dict[str, Any] = {
    "id": "0d2f7d4a-6a43-4a38-9f3d-1f4f6a2b7c11",
    "name": "Pink Kush",
    "name_fr": "Pink Kush",
    "brand": "San Rafael '71",
    "sku": "100333_3.5g",
    "gtin": "00694144000301",
    "category": "dried_flower",
    "strain_type": "indica",
    "strain": "Pink Kush",
    "lineage": ["OG Kush"],
    "thc_percentage": "23.00",
    "thc_percentage_low": "20.00",
    "thc_percentage_high": "26.00",
    "cbd_percentage": "0.50",
    "cbd_percentage_low": "0.00",
    "cbd_percentage_high": "1.00",
    "thc_mg": None,
    "cbd_mg": None,
    "mg_basis": None,
    "weight_grams": "3.50",
    "volume_ml": None,
    "dried_equivalent_grams": "3.50",
    "unit_count": None,
    "price": "34.95",
    "terpenes": ["myrcene", "limonene"],
    "terpene_source": "supplier",
    "updated_at": "2026-11-24T14:05:00Z",
}
_PRODUCT_VALUES = {
    "name": "House pre-roll",
    "category": "pre_rolls",
    "price": "7.50",
    "reason": "New store brand.",
}

PRODUCT = OpenApiExample("Product", value=EXAMPLE_PRODUCT, response_only=True)
NEW_PRODUCT = OpenApiExample("New product", value=_PRODUCT_VALUES, request_only=True)
CREATED_PRODUCT = OpenApiExample(
    "Product", value=EXAMPLE_PRODUCT, response_only=True, status_codes=["201"]
)
CORRECTION = OpenApiExample(
    "Price correction",
    value={"price": "32.95", "reason": "Price list of December."},
    request_only=True,
)
SEARCH_RESULT = OpenApiExample(
    "Indica flower under 40 dollars",
    description="Response to `?q=indica pink kush under $40&facets=strain_type`.",
    value={
        "total_count": 1,
        "next_cursor": None,
        "previous_cursor": None,
        "retrievers": ["dense", "dense_multilingual", "lexical", "attributes"],
        "interpreted_query": [
            {"key": "price", "type": "price", "matched_text": "under $40", "max": 40.0},
            {
                "key": "strain_type:indica",
                "type": "strain_type",
                "matched_text": "indica",
                "value": "indica",
            },
        ],
        "relaxed_filters": [],
        "did_you_mean": None,
        "facets": {"strain_type": [{"value": "indica", "count": 1}]},
        "results": [
            {**EXAMPLE_PRODUCT, "highlights": {"name": "<mark>Pink</mark> <mark>Kush</mark>"}},
        ],
    },
    response_only=True,
)
SIMILAR_PRODUCTS = OpenApiExample(
    "Similar products",
    value={
        "results": [
            {
                **EXAMPLE_PRODUCT,
                "reasons": [
                    {"type": "same_strain_type", "value": "indica"},
                    {"type": "shared_terpene", "value": "myrcene"},
                ],
            }
        ],
    },
    response_only=True,
)
FIELD_STATES = OpenApiExample(
    "A value that no source states any more",
    description="Shortened: the response has every field that staff may correct.",
    value={
        "results": [
            {
                "field": "strain_type",
                "value": "indica",
                "set_by": "",
                "set_at": "2026-10-02T06:10:00Z",
                "is_locked": False,
                "is_confirmed": False,
                "last_stated_by": ["ocs"],
                "last_stated_at": "2026-11-24T07:02:00Z",
                "source_values": {},
            }
        ],
    },
    response_only=True,
)
NEAREST_PRODUCTS = OpenApiExample(
    "Nearest products", value={"results": [EXAMPLE_PRODUCT]}, response_only=True
)
IMAGE_QUERY = OpenApiExample(
    "Image file",
    value={"image": "(binary content of package.png)", "limit": 20},
    media_type="multipart/form-data",
    request_only=True,
)
VECTOR_QUERY = OpenApiExample(
    "Vector",
    description="Shortened: the vector has as many numbers as the index has dimensions.",
    value={
        "collection": "product_embeddings",
        "vector": [0.021, -0.043, 0.118],
        "index_version": "3f9c2a7d1b04",
        "limit": 20,
    },
    request_only=True,
)
LOOKUP = OpenApiExample(
    "By SKU and GTIN",
    value={"items": [{"sku": "100333_3.5g"}, {"gtin": "694144000308"}]},
    request_only=True,
)
LOOKUP_RESULTS = OpenApiExample(
    "One found",
    description="Response with `fields=name,price`.",
    value={
        "results": [
            {
                "index": 0,
                "status": "found",
                "product": {
                    "id": EXAMPLE_PRODUCT["id"],
                    "name": EXAMPLE_PRODUCT["name"],
                    "price": EXAMPLE_PRODUCT["price"],
                },
            },
            {"index": 1, "status": "not_found", "product": None},
        ]
    },
    response_only=True,
)
STORE = OpenApiExample(
    "Store",
    value={
        "id": "a9b7ba70-783b-417e-9998-dc4dd82eb3c5",
        "code": "queen-west",
        "name": "Queen West",
        "province": "ON",
        "legal_age": 19,
    },
    response_only=True,
)
