"""Query parser, in English and French; without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.reference.synonyms import group_by_phrase, narrower_phrases, synonym_groups
from catalog.search.normalize import compact_key, normalize_text, words_of
from catalog.search.parser import parse_query


def _bounds(text: str) -> dict[str, tuple[float | None, float | None]]:
    return {term.key: (term.min_value, term.max_value) for term in parse_query(text).terms}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("under $40", None, 40),
        ("less than 40 dollars", None, 40),
        ("moins de 40 $", None, 40),
        ("40$ ou moins", None, 40),
        ("max 39,95 $", None, 39.95),
        ("over $50", 50, None),
        ("plus de 50 $", 50, None),
        ("entre 30 et 50 $", 30, 50),
        ("$30-50", 30, 50),
        ("between 50 and 30 dollars", 30, 50),
        ("à moins de 30 dollars", None, 30),
        ("under 40", None, 40),
        ("jusqu'à 60 $", None, 60),
        ("moins cher que 50", None, 50),
    ],
)
def test_prices_are_read_as_bounds(text: str, low: float | None, high: float | None) -> None:
    assert _bounds(text) == {"price": (low, high)}
    assert parse_query(text).words == ()


@pytest.mark.parametrize(
    ("text", "key", "low", "high"),
    [
        ("20%+ THC", "thc_percentage", 20, None),
        ("THC 20-25%", "thc_percentage", 20, 25),
        ("au moins 20 % de THC", "thc_percentage", 20, None),
        ("plus de 25 % THC", "thc_percentage", 25, None),
        ("thc under 15%", "thc_percentage", None, 15),
        ("moins de 20 %", "thc_percentage", None, 20),
        ("CBD 10%+", "cbd_percentage", 10, None),
        ("10 mg", "thc_mg", 9, 11),
        ("5 mg de CBD", "cbd_mg", 4.5, 5.5),
    ],
)
def test_potencies_are_read_as_bounds(
    text: str, key: str, low: float | None, high: float | None
) -> None:
    ((parsed_key, bounds),) = _bounds(text).items()

    assert parsed_key == key
    assert bounds == (pytest.approx(low) if low else None, pytest.approx(high) if high else None)


@pytest.mark.parametrize(
    ("text", "grams"),
    [
        ("28 g", 28),
        ("3,5 g", 3.5),
        ("3.5g", 3.5),
        ("une once", 28),
        ("an ounce", 28),
        ("quarter ounce", 7),
        ("un quart d'once", 7),
        ("demi-once", 14),
        ("half ounce", 14),
        ("an eighth", 3.5),
        ("1/8 oz", 3.5),
        ("2 x 0,5 g", 1),
        ("1 gramme", 1),
    ],
)
def test_sizes_are_read_in_grams(text: str, grams: float) -> None:
    low, high = _bounds(text)["weight_grams"]
    assert low is not None
    assert high is not None
    assert low <= grams <= high
    assert high - low < 0.12 * grams


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("indica", {"strain_type:indica"}),
        ("sativas", {"strain_type:sativa"}),
        ("hybride", {"strain_type:hybrid"}),
        ("fleur séchée", {"category:dried_flower"}),
        ("préroulés", {"category:pre_rolls"}),
        ("vapoteuse", {"category:vapes"}),
        ("jujubes", {"category:edibles"}),
        ("limonène", {"terpene:limonene"}),
        ("agrumes", {"aroma:citrus"}),
        ("petits fruits", {"aroma:berry"}),
        ("pas trop fort", {"strength:low"}),
        ("not too strong", {"strength:low"}),
        ("doux", {"strength:low"}),
        ("très fort", {"strength:high"}),
        ("THC élevé", {"strength:high"}),
        ("haut CBD", {"cbd_rich:high"}),
        ("CBD", {"cbd_rich:some"}),
        ("CBD 1:1", {"ratio:1:1"}),
        ("pas cher", {"cheap"}),
        ("something like blue dream but cheaper", {"similar_to:blue dream", "cheap"}),
        ("quelque chose comme pink kush mais moins cher", {"similar_to:pink kush", "cheap"}),
        ("child of OG Kush", {"parent:og kush"}),
        ("sativa citron moins de 40 $", {"strain_type:sativa", "aroma:lemon", "price"}),
    ],
)
def test_words_are_read_as_terms(text: str, keys: set[str]) -> None:
    assert set(_bounds(text)) == keys


def test_a_negation_negates_the_term() -> None:
    (term,) = parse_query("sans indica").terms

    assert term.key == "strain_type:indica"
    assert term.is_negated


def test_remaining_text_and_ignored_interpretations_are_words() -> None:
    assert parse_query("pink kush indica 28 g").words == ("pink", "kush")

    parsed = parse_query("indica kush under $40", ignored_keys=["strain_type:indica", "price"])

    assert parsed.terms == ()
    assert set(parsed.words) == {"indica", "kush"}


def test_product_names_remain_words() -> None:
    for name in ("Growers Stash #002 - Crystal Kush", "Hell Cat 33", "24k Gold", "Lemon Haze"):
        words = " ".join(parse_query(name).words).split()
        assert set(words_of(name)) == set(words), name


@given(st.text(max_size=300))
def test_any_text_is_parsed_into_plain_words(text: str) -> None:
    parsed = parse_query(text)

    assert all(word.isascii() for word in parsed.words)
    assert all(part.isalnum() for word in parsed.words for part in word.split())
    assert words_of(normalize_text(text)) == words_of(text)
    assert compact_key(compact_key(text)) == compact_key(text)


def test_synonym_phrases_are_normalized_and_belong_to_one_group() -> None:
    phrases = [phrase for group in synonym_groups().values() for phrase in group]

    assert len(phrases) == len(set(phrases))
    assert len(phrases) == len(group_by_phrase())
    assert all(" ".join(words_of(phrase)) == phrase for phrase in phrases)
    assert set(narrower_phrases()) <= set(synonym_groups())
