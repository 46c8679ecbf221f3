"""Text encoder and feature layout: unit rows, independent texts, verified files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from vectors.encoders.base import combine, normalize_rows
from vectors.encoders.features import FeatureLayout
from vectors.encoders.text import NAME, MiniLmEncoder, minilm_encoder
from vectors.errors import ModelMissing

LAYOUT = FeatureLayout(
    version="t-1", groups={"chemistry": ("thc", "cbd"), "type": ("type:indica",)}
)
TEXTS = [
    "Pink Kush dried flower indica",
    "gummies",
    "un très long nom de fleur séchée " * 8,
    "Cola 355 ml",
    "a",
]


@pytest.mark.usefixtures("text_model")
def test_rows_have_unit_length_and_follow_the_order_of_the_texts() -> None:
    order = [3, 0, 4, 2, 1]

    vectors = minilm_encoder().encode(TEXTS)
    reordered = minilm_encoder().encode([TEXTS[i] for i in order])

    assert vectors.shape == (5, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(reordered, vectors[order], atol=1e-3)


@pytest.mark.usefixtures("text_model")
def test_vector_of_a_text_does_not_depend_on_the_other_texts_of_a_batch() -> None:
    together = minilm_encoder().encode(TEXTS * 20)
    alone = np.concatenate([minilm_encoder().encode([text]) for text in TEXTS])

    assert np.all(np.sum(together * np.tile(alone, (20, 1)), axis=1) > 0.9999)


@pytest.mark.usefixtures("text_model")
def test_texts_with_similar_meaning_are_near() -> None:
    flower, synonym, unrelated = minilm_encoder().encode(
        ["dried cannabis flower", "marijuana buds", "railway timetable"]
    )

    assert flower @ synonym > flower @ unrelated + 0.1


@pytest.mark.usefixtures("text_model")
def test_no_texts_give_no_rows() -> None:
    assert minilm_encoder().encode([]).shape == (0, 384)


def test_absent_model_is_refused_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="fetch_models"):
        MiniLmEncoder(tmp_path / "none")


@pytest.mark.usefixtures("text_model")
def test_altered_model_file_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(settings.MODELS_DIR / NAME, tmp_path / NAME)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"version": "9"}))

    with pytest.raises(ModelMissing, match="does not match its hash"):
        MiniLmEncoder(folder)


@pytest.mark.usefixtures("text_model")
def test_graph_of_an_earlier_form_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(settings.MODELS_DIR / NAME, tmp_path / NAME)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"form": "earlier"}))

    with pytest.raises(ModelMissing, match="another form"):
        MiniLmEncoder(folder)


@given(
    st.dictionaries(st.sampled_from(LAYOUT.slots), st.floats(0, 1)),
    st.lists(st.text(min_size=1), max_size=4),
)
def test_features_are_unit_rows_that_decode_to_their_slots(
    numbers: dict[str, float], names: list[str]
) -> None:
    row = LAYOUT.encode([numbers], [names])[0]

    assert row.shape == (384,)
    length = np.linalg.norm(row)
    assert length == pytest.approx(1, abs=1e-5) or not length
    assert set(LAYOUT.decode(row)) <= {slot for slot, value in numbers.items() if value}


def test_tiny_rows_are_normalized_and_zero_rows_stay_zero() -> None:
    rows = np.array([[1e-23, 0], [0, 0]], np.float32)

    assert normalize_rows(rows).tolist() == [[1, 0], [0, 0]]


def test_text_and_features_combine_to_unit_rows() -> None:
    text = normalize_rows(np.ones((2, 3), np.float32))
    features = normalize_rows(np.ones((2, 5), np.float32))

    combined = combine(text, features)

    assert combined.shape == (2, 8)
    assert np.allclose(np.linalg.norm(combined, axis=1), 1)
