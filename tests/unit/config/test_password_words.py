"""Passwords of staff: long enough, and without the words of the trade."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError


@pytest.mark.parametrize("password", ["Cultivar-2026-x", "mycannabisstore1", "SATIVA-and-more-1"])
def test_words_of_the_trade_are_refused(password: str) -> None:
    with pytest.raises(ValidationError, match="must not contain"):
        validate_password(password)


def test_eleven_characters_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least 12"):
        validate_password("kX3-ouP7#rt")


def test_a_long_sentence_is_accepted() -> None:
    validate_password("seven lamps over the harbor wall")
