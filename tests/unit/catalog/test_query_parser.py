"""What questions say, in both languages: pure, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.reference.synonyms import group_of, groups, narrower
from catalog.search.normalize import folded, key_of, words_of
from catalog.search.parser import understand


def _said(text: str) -> dict[str, tuple[float | None, float | None]]:
    return {term.key: (term.low, term.high) for term in understand(text).terms}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("under $40", None, 40), ("less than 40 dollars", None, 40), ("moins de 40 $", None, 40), ("40$ ou moins", None, 40),
        ("max 39,95 $", None, 39.95), ("over $50", 50, None), ("plus de 50 $", 50, None), ("entre 30 et 50 $", 30, 50),
        ("$30-50", 30, 50), ("between 50 and 30 dollars", 30, 50), ("à moins de 30 dollars", None, 30), ("under 40", None, 40),
        ("jusqu'à 60 $", None, 60), ("moins cher que 50", None, 50),
    ],
)  # fmt: skip
def test_prices(text: str, low: float | None, high: float | None) -> None:
    assert _said(text) == {"price": (low, high)}
    assert understand(text).words == ()


@pytest.mark.parametrize(
    ("text", "key", "low", "high"),
    [
        ("20%+ THC", "thc", 20, None), ("THC 20-25%", "thc", 20, 25), ("au moins 20 % de THC", "thc", 20, None),
        ("plus de 25 % THC", "thc", 25, None), ("thc under 15%", "thc", None, 15), ("moins de 20 %", "thc", None, 20),
        ("CBD 10%+", "cbd", 10, None), ("10 mg", "thc_mg", 9, 11), ("5 mg de CBD", "cbd_mg", 4.5, 5.5),
    ],
)  # fmt: skip
def test_potencies(text: str, key: str, low: float | None, high: float | None) -> None:
    ((said, ends),) = _said(text).items()
    assert said == key
    assert ends == (pytest.approx(low) if low else None, pytest.approx(high) if high else None)


@pytest.mark.parametrize(
    ("text", "grams"),
    [
        ("28 g", 28), ("3,5 g", 3.5), ("3.5g", 3.5), ("une once", 28), ("an ounce", 28), ("quarter ounce", 7),
        ("un quart d'once", 7), ("demi-once", 14), ("half ounce", 14), ("an eighth", 3.5), ("1/8 oz", 3.5), ("2 x 0,5 g", 1),
        ("1 gramme", 1),
    ],
)  # fmt: skip
def test_sizes(text: str, grams: float) -> None:
    low, high = _said(text)["size"]
    assert low is not None
    assert high is not None
    assert low <= grams <= high
    assert high - low < 0.1 * grams


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("indica", {"strain_type:indica"}), ("sativas", {"strain_type:sativa"}), ("hybride", {"strain_type:hybrid"}),
        ("fleur séchée", {"category:dried-flower"}), ("préroulés", {"category:pre-rolls"}), ("vapoteuse", {"category:vapes"}),
        ("jujubes", {"category:edibles"}), ("limonène", {"terpene:limonene"}), ("agrumes", {"aroma:citrus"}),
        ("petits fruits", {"aroma:berry"}), ("pas trop fort", {"strength:low"}), ("not too strong", {"strength:low"}),
        ("doux", {"strength:low"}), ("très fort", {"strength:high"}), ("THC élevé", {"strength:high"}),
        ("haut CBD", {"cbd_rich:high"}), ("CBD", {"cbd_rich:some"}), ("CBD 1:1", {"ratio:1:1"}), ("pas cher", {"cheap"}),
        ("something like blue dream but cheaper", {"like:blue dream", "cheap"}),
        ("quelque chose comme pink kush mais moins cher", {"like:pink kush", "cheap"}),
        ("child of OG Kush", {"parent:og kush"}), ("sativa citron moins de 40 $", {"strain_type:sativa", "aroma:lemon", "price"}),
    ],
)  # fmt: skip
def test_kinds(text: str, keys: set[str]) -> None:
    assert set(_said(text)) == keys


def test_negation_turns_a_word_round() -> None:
    (term,) = understand("sans indica").terms
    assert (term.key, term.negative) == ("strain_type:indica", True)


def test_what_is_left_is_words_and_what_is_ignored_comes_back() -> None:
    assert understand("pink kush indica 28 g").words == ("pink", "kush")
    told = understand("indica kush under $40", ignore=["strain_type:indica", "price"])
    assert (told.terms, set(told.words)) == ((), {"indica", "kush"})


def test_names_keep_their_words() -> None:
    for name in ("Growers Stash #002 - Crystal Kush", "Hell Cat 33", "24k Gold", "Lemon Haze"):
        assert set(words_of(name)) == set(understand(name).words), name


@given(st.text(max_size=300))
def test_nothing_a_person_types_breaks_it(text: str) -> None:
    told = understand(text)
    assert all(word.isascii() and word.isalnum() for word in told.words)
    assert words_of(folded(text)) == words_of(text)
    assert key_of(key_of(text)) == key_of(text)


def test_phrases_belong_to_one_group_and_narrower_ones_exist() -> None:
    phrases = [phrase for told in groups().values() for phrase in told]
    assert len(phrases) == len(set(phrases)) == len(group_of())
    assert all(" ".join(words_of(phrase)) == phrase for phrase in phrases)
    assert set(narrower()) <= set(groups())
