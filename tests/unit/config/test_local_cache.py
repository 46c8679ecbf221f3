"""What is kept in the process rests on nothing that has changed since it was begun, whatever the order of things."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.cache import local
from config.cache.local import Near
from config.cache.serialization import Rendered

NEAR = Near(most=1000, most_bytes=10_000, lifetime=600)
_KEYS = st.sampled_from(["first", "second", "third"])
_IDS = st.frozensets(st.sampled_from("abcd"))
_STEPS = st.one_of(
    st.tuples(st.just("keep"), _KEYS, _IDS, st.integers(0, 5)),
    st.tuples(st.just("change"), st.none() | _IDS),
)


@pytest.fixture(autouse=True, scope="module")
def _listening() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "is_listening", lambda: True)
        yield


def _rendered(rests_on: frozenset[str]) -> Rendered:
    return Rendered(b"body", "", rests_on, "", 600)


@given(st.lists(_STEPS, max_size=40))
def test_kept_is_what_nothing_touched_since_it_was_begun(steps: list[tuple[object, ...]]) -> None:
    NEAR.take_in(None)
    tickets, changes = [NEAR.ticket()], [frozenset[str]()]
    kept: dict[object, frozenset[str]] = {}
    for step in steps:
        match step:
            case ("change", None):
                NEAR.take_in(None)
                kept.clear()
                changes.append(frozenset("abcd") | {"everything"})
                tickets.append(NEAR.ticket())
            case ("change", frozenset() as ids):
                NEAR.take_in(ids)
                kept = {key: rests_on for key, rests_on in kept.items() if not rests_on & ids}
                changes.append(ids)
                tickets.append(NEAR.ticket())
            case ("keep", str() as key, frozenset() as ids, int() as age):
                begun = max(0, len(tickets) - 1 - age)
                NEAR.keep(key, _rendered(ids), tickets[begun])
                since = changes[begun + 1 :]
                if not any(ids & changed or "everything" in changed for changed in since):
                    kept[key] = ids
        assert {key for key in ("first", "second", "third") if NEAR.get(key)} == set(kept)
    assert {name: found.rests_on for name in kept if (found := NEAR.get(str(name)))} == kept
    NEAR.take_in(frozenset("abcd"))
    assert not NEAR._resting


def test_more_changes_than_are_told_apart_count_as_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "_MOST_CHANGES", 10)
    ticket = NEAR.ticket()
    for number in range(20):
        NEAR.take_in(frozenset([str(number)]))
    NEAR.keep("key", _rendered(frozenset("a")), ticket)
    assert not NEAR.get("key")
    NEAR.keep("key", _rendered(frozenset("a")), NEAR.ticket())
    assert NEAR.get("key")
    assert len(NEAR._changed_at) <= 10
