"""Encoder registry and `fetch_models`: roles, ids, multilingual encoder, refused models."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from vectors.encoders.download import FetchFailed, local_folder
from vectors.encoders.registry import encoder, encoder_by_id, image_encoder, model_id
from vectors.errors import ModelMissing


@pytest.mark.usefixtures("text_model")
@pytest.mark.parametrize(
    ("role", "expected_id", "dimension"),
    [("text", "all-MiniLM-L6-v2", 384), ("multilingual", "use-multilingual-3", 512)],
)
def test_role_has_the_encoder_of_the_settings(role: str, expected_id: str, dimension: int) -> None:
    configured = encoder(role)

    assert configured.id == expected_id
    assert configured.dimension == dimension


def test_encoder_is_loaded_once_per_process() -> None:
    with ThreadPoolExecutor(4) as pool:
        encoders = list(pool.map(encoder_by_id, ["use-multilingual-3"] * 8))

    assert len({id(instance) for instance in encoders}) == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "no-such-model"])
def test_unknown_or_invalid_id_is_refused(name: str) -> None:
    with pytest.raises(ModelMissing):
        encoder_by_id(name)


def test_missing_clip_is_refused_with_the_command_that_installs_it(
    settings: Any, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path
    settings.ENCODERS = settings.ENCODERS | {"image": "no-such-clip"}

    with pytest.raises(ModelMissing, match=r"fetch_models --image"):
        image_encoder()


@pytest.mark.parametrize(
    "source", ["openai/clip-vit-base-patch32", "/models/clip-vit-base-patch32"]
)
def test_model_id_is_the_last_part_of_a_path_or_hub_name(source: str) -> None:
    assert model_id(source) == "clip-vit-base-patch32"


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=5))
def test_multilingual_rows_are_unit_rows_in_the_order_of_the_texts(texts: list[str]) -> None:
    multilingual = encoder("multilingual")

    rows = multilingual.encode(texts)

    assert rows.shape == (len(texts), 512)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    for text, row in zip(texts, rows, strict=True):
        assert multilingual.encode([text])[0] @ row > 0.9999


def test_french_text_is_nearest_to_its_english_translation() -> None:
    english = ["dried flower with citrus", "chocolate edible", "vape cartridge", "sleep oil drops"]
    french = [
        "fleur séchée aux agrumes",
        "chocolat comestible",
        "cartouche de vapotage",
        "gouttes d'huile pour dormir",
    ]
    multilingual = encoder("multilingual")

    scores = multilingual.encode(french) @ multilingual.encode(english).T

    assert scores.argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_model_without_safetensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="safetensors"):
        local_folder(str(tmp_path), image=False)


def test_model_without_mean_pooling_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": True})
    )

    with pytest.raises(FetchFailed, match="mean"):
        local_folder(str(tmp_path), image=False)


def test_fetch_command_fails_with_exit_code_two_and_one_line(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path / "models"

    with pytest.raises(CommandError, match="safetensors") as raised:
        call_command("fetch_models", only="image", image=str(tmp_path))

    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)
