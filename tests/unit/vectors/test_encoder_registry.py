"""Encoders by role and id: loaded once, refused with a reason, and made from a folder by the command."""

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
from vectors.encoders.registry import encoder, encoder_named, id_of, image_encoder
from vectors.errors import ModelMissing


def test_roles_have_the_encoders_of_the_settings() -> None:
    assert (encoder("text").id, encoder("text").dimension) == ("all-MiniLM-L6-v2", 384)
    assert (encoder("multilingual").id, encoder("multilingual").dimension) == (
        "use-multilingual-3",
        512,
    )


def test_an_encoder_is_loaded_once_a_process() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder_named, ["use-multilingual-3"] * 8))
    assert len({id(one) for one in found}) == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "no-such-model"])
def test_a_name_without_model_is_refused(name: str) -> None:
    with pytest.raises(ModelMissing):
        encoder_named(name)


def test_without_clip_the_reason_says_how_to_get_it(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    settings.ENCODERS = settings.ENCODERS | {"image": "clip-of-nobody"}
    with pytest.raises(ModelMissing, match=r"fetch_models --image"):
        image_encoder()


def test_paths_and_hub_names_are_known_by_their_last_part() -> None:
    assert (
        id_of("openai/clip-vit-base-patch32")
        == id_of("/models/clip-vit-base-patch32")
        == "clip-vit-base-patch32"
    )


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=5))
def test_multilingual_rows_are_unit_rows_of_their_texts(texts: list[str]) -> None:
    model = encoder("multilingual")
    rows = model.encode(texts)
    assert rows.shape == (len(texts), 512)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    for text, row in zip(texts, rows, strict=True):
        assert model.encode([text])[0] @ row > 0.9999


def test_french_finds_its_english_twin() -> None:
    english = ["dried flower with citrus", "chocolate edible", "vape cartridge", "sleep oil drops"]
    french = [
        "fleur séchée aux agrumes",
        "chocolat comestible",
        "cartouche de vapotage",
        "gouttes d'huile pour dormir",
    ]
    model = encoder("multilingual")
    assert (model.encode(french) @ model.encode(english).T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_weights_of_another_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="safetensors"):
        local_folder(str(tmp_path), image=False)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": True})
    )
    with pytest.raises(FetchFailed, match="mean"):
        local_folder(str(tmp_path), image=False)


def test_command_ends_with_two_and_one_line(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    with pytest.raises(CommandError, match="safetensors") as caught:
        call_command("fetch_models", only="image", image=str(tmp_path))
    assert caught.value.returncode == 2
