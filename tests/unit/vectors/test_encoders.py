"""Encoders: unit rows, each with its own text, and no file that was altered."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from vectors.encoders.base import combine, stamp, unit
from vectors.encoders.features import FeatureLayout
from vectors.encoders.text import NAME, MiniLm, text_encoder
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


def test_rows_have_unit_length_and_stay_with_their_texts() -> None:
    vectors = text_encoder().encode(TEXTS)
    assert vectors.shape == (5, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    order = [3, 0, 4, 2, 1]
    again = text_encoder().encode([TEXTS[place] for place in order])
    assert np.allclose(again, vectors[order], atol=1e-3)


def test_a_text_does_not_depend_on_its_neighbors() -> None:
    together = text_encoder().encode(TEXTS * 20)
    alone = np.concatenate([text_encoder().encode([text]) for text in TEXTS])
    assert np.all(np.sum(together * np.tile(alone, (20, 1)), axis=1) > 0.9999)


def test_meaning_is_near() -> None:
    flower, same, other = text_encoder().encode(
        ["dried cannabis flower", "marijuana buds", "railway timetable"]
    )
    assert flower @ same > flower @ other + 0.1


def test_no_texts_are_no_rows() -> None:
    assert text_encoder().encode([]).shape == (0, 384)


def test_altered_or_absent_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="fetch_models"):
        MiniLm(tmp_path / "none")
    folder = shutil.copytree(settings.MODELS_DIR / NAME, tmp_path / NAME)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"version": "9"}))
    with pytest.raises(ModelMissing, match="altered"):
        MiniLm(folder)


def test_graph_of_an_earlier_form_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(settings.MODELS_DIR / NAME, tmp_path / NAME)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"form": "earlier"}))
    with pytest.raises(ModelMissing, match="another form"):
        MiniLm(folder)


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


def test_tiny_rows_are_unit_rows_too() -> None:
    assert unit(np.array([[1e-23, 0], [0, 0]], np.float32)).tolist() == [[1, 0], [0, 0]]


def test_halves_combine_to_unit_rows() -> None:
    text, features = unit(np.ones((2, 3), np.float32)), unit(np.ones((2, 5), np.float32))
    both = combine(text, features)
    assert both.shape == (2, 8)
    assert np.allclose(np.linalg.norm(both, axis=1), 1)


def test_stamp_tells_layouts_apart() -> None:
    encoder = text_encoder()
    assert stamp(encoder, layout="a") != stamp(encoder, layout="b")
    assert len(stamp(encoder, layout="a")) == 12
