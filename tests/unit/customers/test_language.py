"""Tests of language detection on short chat messages in English and French."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.masking.language import detect_common_language, detect_language

SAMPLES = Path(__file__).parents[2] / "samples" / "chats" / "languages.csv"
MIN_SAMPLES = 60
MAX_UNDECIDED_SHARE = 0.1


def _labeled_texts() -> list[tuple[str, str]]:
    with SAMPLES.open(newline="") as file:
        return [(row["language"], row["text"]) for row in csv.DictReader(file)]


def test_samples_cover_both_languages_and_very_short_texts() -> None:
    labeled_texts = _labeled_texts()

    lengths = sorted(len(text) for _, text in labeled_texts)
    assert len(labeled_texts) >= MIN_SAMPLES
    assert {language for language, _ in labeled_texts} == {"en", "fr"}
    assert lengths[10] < 12


def test_language_is_detected_in_most_texts_and_never_wrong() -> None:
    labeled_texts = _labeled_texts()

    detected = [(label, detect_language(text), text) for label, text in labeled_texts]

    wrong = [row for row in detected if row[1] not in (row[0], "")]
    undecided_count = sum(not language for _, language, _ in detected)
    assert wrong == []
    assert undecided_count <= MAX_UNDECIDED_SHARE * len(labeled_texts)


@pytest.mark.parametrize("text", ["", "OK", "?!", "20% THC", "628582000016", "🙂"])
def test_language_neutral_texts_are_undecided(text: str) -> None:
    assert detect_language(text) == ""


def test_texts_of_one_author_are_read_together() -> None:
    french = detect_common_language(["Hi", "avez-vous des jujubes à la framboise?"])
    english = detect_common_language(["Salut", "do you have raspberry gummies?"])

    assert french == "fr"
    assert english == "en"


@given(st.text())
def test_any_text_is_english_french_or_undecided(text: str) -> None:
    assert detect_language(text) in ("en", "fr", "")
