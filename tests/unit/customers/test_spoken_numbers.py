"""Masking of numbers in words: telephone numbers go, quantities stay."""

import pytest

from customers.masking import mask


@pytest.mark.parametrize(
    "number",
    [
        "four one six five five five zero one nine nine",
        "five one four, five five five, oh one two three",
        "four sixteen five five five twelve thirty-four",
        "FOUR ONE SIX - FIVE FIVE FIVE - ONE TWO ONE TWO",
        "five one four double five five oh one two three",
        "four one six triple five one two one two",
        "514 five five five 0123",
        "cinq un quatre cinq cinq cinq zéro un deux trois",
        "cinq-cent-quatorze, cinq cent cinquante-cinq, zéro un vingt-trois",
        "quatre cent dix-huit cinq cinq cinq douze trente-quatre",
        "quatre un six, cinq cinq cinq, douze quatre-vingt-quinze",
        "cinq cent quatorze, cinq cent cinquante-cinq, soixante-dix-huit vingt et un",
    ],
)
def test_t26_a_telephone_number_in_words_is_masked(number: str) -> None:
    assert mask(f"Call me: {number}.") == "Call me: [PHONE]."


@pytest.mark.parametrize(
    "text",
    [
        "I want two of the five gram ones and three one gram pre-rolls",
        "two, three or four five packs at 3.5 g",
        "J'ai acheté deux sachets de trois grammes et cinq de sept",
        "cent vingt dollars, vingt-cinq grammes",
        "one hundred twenty dollars for twenty-eight grams",
        "un deux trois, c'est parti",
        "SKU 100245, 2 x 3.5 g, 29.95",
    ],
)
def test_t26_quantities_in_words_stay(text: str) -> None:
    assert mask(text) == text


def test_a_long_number_that_is_no_telephone_number_is_masked_as_well() -> None:
    text = "my card is one two three four five six seven eight"

    assert mask(text) == "my card is [NUMBER]"
