"""
Contested GTINs: one valid GTIN that several suppliers state for products that are not alike.

A GTIN joins listings only where the matching takes them for one product. A listing that comes later
and is unlike all others becomes another product, with the GTIN; the matching puts both products
before staff (`catalog.services.duplicates`), as it cannot know which supplier is wrong.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from catalog.ingest.cleaning.listing import build_merge_key
from catalog.matching import MatchCandidate, compare_products
from catalog.served_models import with_served_match_model

_COMPARED = (
    "source",
    "external_id",
    "language",
    "merge_key",
    "name",
    "brand",
    "sku",
    "gtin",
    "category",
    "strain_type",
    "weight_grams",
    "volume_ml",
    "unit_count",
    "measures",
)
_COLUMN_LIST = ", ".join(_COMPARED)
_CURRENT_LISTINGS = f"""
SELECT {_COLUMN_LIST} FROM supplier_listings
WHERE merge_key = ANY(%s) AND gone_at IS NULL ORDER BY source, external_id, language
"""
_STORED_KEYS = """
SELECT l.source, l.external_id, l.language, l.merge_key, l.gtin
FROM supplier_listings l
JOIN unnest(%s::text[], %s::text[], %s::text[]) AS k (source, external_id, language)
  USING (source, external_id, language)
"""
_Facts = Mapping[str, Any]
_Listing = tuple[str, str]
"""Source and id of a listing, in all its languages."""


@with_served_match_model
def find_separate_keys(
    cursor: CursorWrapper, *, new: Sequence[_Facts], changed: Sequence[_Facts]
) -> dict[tuple[str, str, str], str]:
    """
    Return the merge keys of listings that their GTIN does not join with the others of it.

    new, changed: values of listings by column. Keys: source, external id, language. A listing that
    was separated stays so while its GTIN is the same: its product may since have been merged.
    """
    separate: dict[tuple[str, str, str], str] = {}
    unstored = list(new)
    stored = _stored_keys(cursor, [facts for facts in changed if facts["gtin"]])
    for facts in changed:
        former_key, former_gtin = stored.get(_key(facts), (None, None))
        if not facts["gtin"] or former_key == facts["merge_key"]:
            continue
        if former_gtin == facts["gtin"]:
            separate[_key(facts)] = str(former_key)
        else:
            unstored.append(facts)
    for facts in _contested(cursor, [facts for facts in unstored if facts["gtin"]]):
        separate[_key(facts)] = build_merge_key(
            source=facts["source"], external_id=facts["external_id"], sku=facts["sku"], gtin=None
        )
    return separate


def _stored_keys(
    cursor: CursorWrapper, listings: Sequence[_Facts]
) -> dict[tuple[str, str, str], tuple[str, str | None]]:
    """Return merge key and GTIN of listings as they are stored."""
    if not listings:
        return {}
    columns = [list(column) for column in zip(*map(_key, listings), strict=True)]
    cursor.execute(_STORED_KEYS, columns)
    return {tuple(key): (merge_key, gtin) for *key, merge_key, gtin in cursor.fetchall()}


def _contested(cursor: CursorWrapper, listings: Sequence[_Facts]) -> Iterable[_Facts]:
    """Return the listings that are unlike all others under their merge key, in all languages."""
    if not listings:
        return []
    others = _current_listings(cursor, sorted({facts["merge_key"] for facts in listings}))
    contested: set[_Listing] = set()
    for facts in listings:
        rivals = others[facts["merge_key"]]
        if _is_unlike_all(facts, rivals):
            contested.add(_listing(facts))
        else:
            rivals.append(facts)
    return [facts for facts in listings if _listing(facts) in contested]


def _current_listings(cursor: CursorWrapper, keys: list[str]) -> dict[str, list[_Facts]]:
    cursor.execute(_CURRENT_LISTINGS, [keys])
    by_key: dict[str, list[_Facts]] = defaultdict(list)
    for row in cursor.fetchall():
        facts = dict(zip(_COMPARED, row, strict=True))
        by_key[facts["merge_key"]].append(facts)
    return by_key


def _is_unlike_all(facts: _Facts, rivals: Iterable[_Facts]) -> bool:
    candidate = _candidate(facts)
    bands = [
        compare_products(candidate, _candidate(rival)).band
        for rival in rivals
        if _listing(rival) != _listing(facts)
    ]
    return bool(bands) and "same" not in bands


def _candidate(facts: _Facts) -> MatchCandidate:
    return MatchCandidate(
        merge_key=" ".join(_key(facts)),
        name=facts["name"],
        language=facts["language"],
        brand=facts["brand"],
        gtin=facts["gtin"],
        category=facts["category"],
        strain_type=facts["strain_type"],
        weight_grams=facts["weight_grams"],
        volume_ml=facts["volume_ml"],
        unit_count=facts["unit_count"],
        measures=frozenset(facts["measures"]),
    )


def _key(facts: _Facts) -> tuple[str, str, str]:
    return facts["source"], facts["external_id"], facts["language"]


def _listing(facts: _Facts) -> _Listing:
    return facts["source"], facts["external_id"]
