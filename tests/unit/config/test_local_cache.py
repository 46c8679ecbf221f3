"""Property test of the local cache: no entry outlives a change of its dependencies."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.cache import local
from config.cache.local import LocalCache
from config.cache.serialization import RenderedResponse

CACHE = LocalCache(max_entries=1000, max_bytes=10_000, lifetime=600)
KEYS = ("first", "second", "third")
ROW_IDS = "abcd"
_ALL_ROWS = frozenset(ROW_IDS) | {"all"}
_KEYS = st.sampled_from(KEYS)
_ROW_SETS = st.frozensets(st.sampled_from(ROW_IDS))
# ("put", key, dependencies, number of changes since its generation) or ("change", row ids or None)
_STEPS = st.one_of(
    st.tuples(st.just("put"), _KEYS, _ROW_SETS, st.integers(0, 5)),
    st.tuples(st.just("change"), st.none() | _ROW_SETS),
)


@pytest.fixture(autouse=True, scope="module")
def _listening() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "is_listening", lambda: True)
        yield


def _response(dependencies: frozenset[str]) -> RenderedResponse:
    return RenderedResponse(body=b"body", etag="", dependencies=dependencies, lifetime=600)


@given(st.lists(_STEPS, max_size=40))
def test_entry_is_stored_unless_a_dependency_changed_since_its_generation(
    steps: list[tuple[object, ...]],
) -> None:
    CACHE.invalidate(None)
    generations = [CACHE.generation()]
    changes = [frozenset[str]()]
    expected: dict[str, frozenset[str]] = {}

    for step in steps:
        match step:
            case ("change", None):
                CACHE.invalidate(None)
                expected.clear()
                changes.append(_ALL_ROWS)
                generations.append(CACHE.generation())
            case ("change", frozenset() as row_ids):
                CACHE.invalidate(row_ids)
                expected = {
                    key: dependencies
                    for key, dependencies in expected.items()
                    if not dependencies & row_ids
                }
                changes.append(row_ids)
                generations.append(CACHE.generation())
            case ("put", str() as key, frozenset() as dependencies, int() as age):
                begun = max(0, len(generations) - 1 - age)
                CACHE.put(key, _response(dependencies), generations[begun])
                since = changes[begun + 1 :]
                if not any(dependencies & changed or "all" in changed for changed in since):
                    expected[key] = dependencies
        assert {key for key in KEYS if CACHE.get(key)} == set(expected)

    stored = {key: entry.dependencies for key in expected if (entry := CACHE.get(key))}
    assert stored == expected
    CACHE.invalidate(frozenset(ROW_IDS))
    assert not CACHE._keys_by_dependency


def test_more_changes_than_are_remembered_invalidate_everything_computed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "_MAX_REMEMBERED_CHANGES", 10)
    generation = CACHE.generation()
    for number in range(20):
        CACHE.invalidate(frozenset([str(number)]))

    CACHE.put("key", _response(frozenset("a")), generation)
    assert not CACHE.get("key")

    CACHE.put("key", _response(frozenset("a")), CACHE.generation())
    assert CACHE.get("key")
    assert len(CACHE._last_change) <= 10
