"""English is told from French in what people write, short as it is; what both say is left open."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.masking.language import language_of, language_of_all

SAID = Path(__file__).parents[2] / "samples" / "chats" / "languages.csv"


def _said() -> list[tuple[str, str]]:
    with SAID.open(newline="") as file:
        return [(row["language"], row["text"]) for row in csv.DictReader(file)]


def test_language_is_told_of_nearly_all_and_never_wrongly() -> None:
    said = _said()
    told = [(language, language_of(text), text) for language, text in said]
    assert len(said) >= 60
    assert {language for language, _ in said} == {"en", "fr"}
    assert sorted(len(text) for _, text in said)[10] < 12  # many are very short
    assert [one for one in told if one[1] not in (one[0], "")] == []
    assert sum(not one[1] for one in told) <= 0.1 * len(said)


@pytest.mark.parametrize("text", ["", "OK", "?!", "20% THC", "628582000016", "🙂"])
def test_what_tells_nothing_is_left_open(text: str) -> None:
    assert language_of(text) == ""


def test_texts_of_one_person_are_read_together() -> None:
    assert language_of_all(["Hi", "avez-vous des jujubes à la framboise?"]) == "fr"
    assert language_of_all(["Salut", "do you have raspberry gummies?"]) == "en"


@given(st.text())
def test_any_text_has_a_language_or_none(text: str) -> None:
    assert language_of(text) in ("en", "fr", "")
