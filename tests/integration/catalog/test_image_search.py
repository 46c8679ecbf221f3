"""Search by image over REST, with a tiny CLIP model."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from PIL import Image

from catalog.services.corrections import create_product
from tests.integration.catalog.test_products_api import create_api_client
from tests.samples.clip import export_clip, make_tiny_clip
from vectors import search as vector_search
from vectors.encoders import registry
from vectors.index.write import index_due_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.torch,
    pytest.mark.django_db(transaction=True),
]
IMAGE_SEARCH_URL = "/api/v1/products/search/image/"


@pytest.fixture(scope="module")
def models_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed model files and a tiny CLIP model."""
    folder = tmp_path_factory.mktemp("models")
    for installed in django_settings.MODELS_DIR.iterdir():
        (folder / installed.name).symlink_to(installed)
    source = tmp_path_factory.mktemp("source")
    exported = folder / "clip-tiny"
    exported.mkdir()
    make_tiny_clip(source)
    export_clip(source, exported)
    return folder


@pytest.fixture(scope="module")
def loaded_encoders() -> dict[Any, Any]:
    """Encoders of this module, which stay loaded from one test to the next."""
    return {}


@pytest.fixture
def indexed_images(
    models_directory: Path,
    loaded_encoders: dict[Any, Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    admin_user: User,
) -> None:
    """A catalogue of five products, indexed with the image encoder installed."""
    settings.MODELS_DIR = models_directory
    settings.ENCODERS = {**settings.ENCODERS, "image": "clip-tiny"}
    monkeypatch.setattr(registry, "_loaded", loaded_encoders)
    for number, category in enumerate(
        ("dried_flower", "pre_rolls", "dried_flower", "edibles", "dried_flower")
    ):
        create_product(
            values={"name": f"Product {number}", "category": category, "price": 10 + number},
            by=admin_user,
        )
    index_due_rows()


def _image(color: str = "green", image_format: str = "PNG") -> io.BytesIO:
    content = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(content, image_format)
    content.seek(0)
    content.name = f"package.{image_format.lower()}"
    return content


def _search(image: io.BytesIO, query_string: str = "", **fields: Any) -> Any:
    return create_api_client().post(
        f"{IMAGE_SEARCH_URL}{query_string}", {"image": image, **fields}, format="multipart"
    )


def test_results_are_the_nearest_products_first(indexed_images: None) -> None:
    response = _search(_image())

    assert response.status_code == 200, response.content
    products = response.json()["results"]
    ids = [product["id"] for product in products]
    vector = registry.image_encoder().encode_images([_image().read()])[0]
    scores = vector_search.cosine_scores(collection="product_images", vector=vector, ids=ids)
    assert sorted(p["name"] for p in products) == [f"Product {number}" for number in range(5)]
    assert ids == sorted(ids, key=lambda pk: -scores[pk])
    assert vector_search.serving_index("product_images").encoder == "clip-tiny"


def test_filters_apply_to_image_search(indexed_images: None) -> None:
    response = _search(_image(), "?category=dried_flower&price_max=13", limit=2)

    names = {product["name"] for product in response.json()["results"]}
    assert names == {"Product 0", "Product 2"}


def test_the_image_format_does_not_change_the_results(indexed_images: None) -> None:
    as_png = _search(_image(image_format="PNG")).json()["results"]
    as_webp = _search(_image(image_format="WEBP")).json()["results"]

    assert [product["id"] for product in as_png] == [product["id"] for product in as_webp]


@pytest.mark.parametrize("content", [b"no picture", b"", b"GIF89a"])
def test_an_unreadable_image_is_an_error_of_its_field(indexed_images: None, content: bytes) -> None:
    image = io.BytesIO(content)
    image.name = "package.png"

    response = _search(image)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "image"
