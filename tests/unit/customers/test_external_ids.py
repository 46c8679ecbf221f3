"""External ids: one notation."""

from hypothesis import given
from hypothesis import strategies as st

from customers.external_ids import normalize_external_id


@given(st.text())
def test_normalizing_twice_changes_nothing(text: str) -> None:
    normalized = normalize_external_id(text)

    assert normalize_external_id(normalized) == normalized


@given(st.text(alphabet="ABCabc019-é", min_size=1), st.sampled_from("\u200b\u202e\ufeff\n\x00\x1f"))
def test_invisible_characters_make_no_difference(text: str, invisible: str) -> None:
    middle = len(text) // 2

    assert normalize_external_id(
        f"{text[:middle]}{invisible}{text[middle:]}".replace("\n", "")
    ) == normalize_external_id(text)


@given(st.text(alphabet=" \t\n\u00a0\u202f\u200b\x00"))
def test_nothing_visible_is_empty(text: str) -> None:
    assert normalize_external_id(text) == ""
