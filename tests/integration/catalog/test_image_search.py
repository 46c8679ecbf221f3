"""Search by picture over REST, with a CLIP that is tiny but real."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as live
from django.contrib.auth.models import User
from PIL import Image

from catalog.services.corrections import create_product
from tests.integration.catalog.test_products_api import _client
from tests.samples.clip import export_clip, make_tiny_clip
from vectors import search
from vectors.encoders import registry
from vectors.index.write import index_due

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/api/v1/products/search/image/"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model files of the machine, and a CLIP beside them."""
    folder = tmp_path_factory.mktemp("models")
    for there in live.MODELS_DIR.iterdir():
        (folder / there.name).symlink_to(there)
    source, made = tmp_path_factory.mktemp("source"), folder / "clip-tiny"
    made.mkdir()
    make_tiny_clip(source)
    export_clip(source, made)
    return folder


@pytest.fixture
def seeing(models: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, admin_user: User) -> None:
    """A catalogue of five, indexed with the CLIP installed."""
    settings.MODELS_DIR = models
    settings.ENCODERS = {**settings.ENCODERS, "image": "clip-tiny"}
    monkeypatch.setattr(registry, "_loaded", {})
    for number, category in enumerate(
        ("dried-flower", "pre-rolls", "dried-flower", "edibles", "dried-flower")
    ):
        create_product(
            values={"name": f"Product {number}", "category": category, "price": 10 + number},
            by=admin_user,
        )
    index_due()


def _file(color: str = "green", kind: str = "PNG") -> io.BytesIO:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(out, kind)
    out.seek(0)
    out.name = f"package.{kind.lower()}"
    return out


def _ask(picture: io.BytesIO, query: str = "", **more: Any) -> Any:
    return _client().post(f"{ADDRESS}{query}", {"image": picture, **more}, format="multipart")


def test_a_picture_finds_products_nearest_first_within_the_filters(seeing: None) -> None:
    answer = _ask(_file())
    assert answer.status_code == 200, answer.content
    found = [product["name"] for product in answer.json()["results"]]
    assert sorted(found) == [f"Product {number}" for number in range(5)]
    index = search.serving("product_images")
    vector = registry.image_encoder().encode_images([_file().read()])[0]
    ids = [product["id"] for product in answer.json()["results"]]
    scores = search.scores_of(collection="product_images", vector=vector, ids=ids)
    assert ids == sorted(ids, key=lambda pk: -scores[pk])
    assert index.encoder == "clip-tiny"
    flower = _ask(_file(), "?category=dried-flower&price_max=13", limit=2).json()
    assert {product["name"] for product in flower["results"]} == {"Product 0", "Product 2"}


def test_the_same_picture_in_another_format_finds_the_same(seeing: None) -> None:
    asked = [
        [p["id"] for p in _ask(_file(kind=kind)).json()["results"]] for kind in ("PNG", "WEBP")
    ]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("content", [b"no picture", b"", b"GIF89a"])
def test_what_is_no_picture_is_told_at_its_field(seeing: None, content: bytes) -> None:
    picture = io.BytesIO(content)
    picture.name = "package.png"
    answer = _ask(picture)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "image"
