"""Pairs of products as one line of JSON each: read, with the field and the reason of a defect."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog.ingest.cleaning.identifiers import read_gtin
from catalog.ingest.cleaning.types import read_strain_type
from catalog.ingest.vocabulary import CATEGORIES, find_category
from catalog.matching.candidates import MatchCandidate
from mlops.pipelines.errors import RecordRejected

_TEXTS = ("name", "brand", "size", "category", "lang", "strain_type")
_KNOWN_CATEGORIES = frozenset(CATEGORIES.values())


class PairRejected(ValueError):
    """A line is not a pair of products; the message names field and reason. pair_id: if known."""

    pair_id: str | int | None = None


def read_pair(line: str) -> tuple[Any, MatchCandidate, MatchCandidate]:
    """Return the id and both products of a line. Raises PairRejected."""
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        raise PairRejected(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise PairRejected("not JSON: too deeply nested") from None
    if not isinstance(item, dict):
        raise PairRejected("not a JSON object")
    pair_id = item.get("id")
    if not isinstance(pair_id, str | int) or isinstance(pair_id, bool):
        raise PairRejected("id: expected text or a whole number")
    try:
        return pair_id, read_candidate(item.get("a"), "a"), read_candidate(item.get("b"), "b")
    except PairRejected as rejection:
        rejection.pair_id = pair_id
        raise


def read_candidate(item: Any, side: str) -> MatchCandidate:
    """
    Return a product as written by a menu or till. Raises PairRejected.

    item: name (required), brand, size, category, lang, gtin, price, strain_type; null is unknown.
    An unreadable category, price, GTIN or type is unknown too.
    """
    if not isinstance(item, Mapping):
        raise PairRejected(f"{side}: expected an object")
    for field in _TEXTS:
        if item.get(field) is not None and not isinstance(item[field], str):
            raise PairRejected(f"{side}.{field}: expected text")
    texts = {field: " ".join((item.get(field) or "").split()) for field in _TEXTS}
    if not texts["name"]:
        raise PairRejected(f"{side}.name: is missing")
    return MatchCandidate(
        merge_key=side,
        language=texts["lang"][:2].lower(),
        name=texts["name"],
        brand=texts["brand"] or None,
        size=texts["size"],
        category=_category(texts["category"]),
        gtin=read_gtin(str(item["gtin"])).value if item.get("gtin") is not None else None,
        strain_type=_strain_type(texts["strain_type"]),
        price=_price(item.get("price"), side),
    )


def _category(text: str) -> str | None:
    return text if text in _KNOWN_CATEGORIES else find_category(text)


def _strain_type(text: str) -> str | None:
    try:
        return read_strain_type(text) if text else None
    except RecordRejected:
        return None


def _price(value: Any, side: str) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PairRejected(f"{side}.price: expected a number")
    try:
        price = Decimal(str(value).strip().strip("$").replace(",", "."))
    except InvalidOperation:
        return None
    return price if price.is_finite() and price > 0 else None
