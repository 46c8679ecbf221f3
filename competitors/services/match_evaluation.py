"""
Evaluation of the matching on labeled offers: from pages of platforms to decisions.

Offers are read by the parser of their platform, cleaned and matched to the products of a file, as
if no person had judged any. The database is not used.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from catalog.models import Product
from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.offers import Page, PageRequest, ShopAddress
from competitors.ingest.platforms.registry import find_platform
from competitors.ingest.records import CleanOffer, MenuRecord
from competitors.models import CompetitorOffer
from competitors.services.offer_matching import decide_offers
from competitors.services.offers import COLUMNS
from mlops.pipelines.errors import RecordRejected, SourceBroken

_DECIMALS = frozenset(
    {"weight_grams", "volume_ml", "thc_mg", "cbd_mg"}
    | {f"{kind}_percentage_{end}" for kind in ("thc", "cbd") for end in ("low", "high")}
)
_OTHER_FIELDS = frozenset(
    {"name", "name_fr", "brand", "gtin", "category", "strain_type", "unit_count", "mg_basis"}
    | {"measures"}
)
_OBSERVED_AT = datetime(2026, 1, 1, tzinfo=UTC)
_SHOP = ShopAddress(base_url="https://shop.example", location="1", options={"currency": "CAD"})
_REQUEST = PageRequest(key="page-0001", url="https://shop.example/menu")


class LabelsUnreadable(ValueError):
    """A file of products or of labeled offers has a line that is not one; names line and reason."""


class Result(StrEnum):
    """Result of the matching of a labeled offer."""

    AUTOMATIC_RIGHT = "automatic, right"
    AUTOMATIC_UNCLEAR = "automatic, unclear"
    AUTOMATIC_WRONG = "automatic, wrong"
    PROPOSED_FIRST = "proposed, right first"
    PROPOSED_AMONG = "proposed, right later"
    PROPOSED_WITHOUT = "proposed, right missing"
    PROPOSED_NEEDLESSLY = "proposed, none is right"
    UNMATCHED_RIGHT = "unmatched, right"
    UNMATCHED_FOUND = "unmatched, found by search"
    UNMATCHED_WRONG = "unmatched, wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledOffer:
    """
    An offer of a shop, and the products of the catalogue that it is.

    right: ids of the product; several where the catalogue has it twice. perhaps: ids of which the
    texts do not say whether they are. Neither: the catalogue does not have it.
    """

    id: str
    fold: str
    platform: str
    offer: CleanOffer
    right: frozenset[str]
    perhaps: frozenset[str]

    @property
    def label(self) -> str:
        """Label of the offer: "product", "none" or "unclear"."""
        if self.right:
            return "product"
        return "unclear" if self.perhaps else "none"


@dataclass(frozen=True, slots=True)
class EvaluatedOffer:
    """
    A labeled offer with the result.

    product_ids: matched, proposed, or shown to a person who looks for its product; best first.
    """

    labeled: LabeledOffer
    product_ids: tuple[str, ...]
    result: Result


@dataclass(slots=True)
class Tally:
    """Labels and results of a group of offers."""

    labels: Counter[str] = field(default_factory=Counter)
    results: Counter[Result] = field(default_factory=Counter)

    @property
    def precision(self) -> float | None:
        """Share right of the decidable offers matched automatically; None: none was."""
        right = self.results[Result.AUTOMATIC_RIGHT]
        decided = right + self.results[Result.AUTOMATIC_WRONG]
        return right / decided if decided else None

    @property
    def recall(self) -> float | None:
        """Share matched automatically and right of the offers with a product; None: none has."""
        products = self.labels["product"]
        return self.results[Result.AUTOMATIC_RIGHT] / products if products else None


def read_products(lines: Iterable[str]) -> dict[str, Product]:
    """
    Return unsaved products by the id of their line.

    lines: JSON objects with "id" and columns of `products`. Raises LabelsUnreadable.
    """
    products: dict[str, Product] = {}
    for number, values in _read_objects(lines):
        try:
            columns = {
                name: Decimal(value) if name in _DECIMALS else value
                for name, value in values.items()
                if name in _DECIMALS | _OTHER_FIELDS
            }
            product = Product(
                id=_product_id(values["id"]), merge_key=values["id"], **{"name": "", **columns}
            )
        except (KeyError, ValueError, ArithmeticError, TypeError) as error:
            raise LabelsUnreadable(f"line {number}: not a product ({error!r})") from None
        if not product.name:
            raise LabelsUnreadable(f"line {number}: name: is missing")
        products[values["id"]] = product
    return products


def read_labeled_offers(lines: Iterable[str], *, known: Iterable[str]) -> list[LabeledOffer]:
    """
    Return the labeled offers, read by the parsers of their platforms and cleaned.

    lines: JSON objects with "id", "fold", "platform", "language", "page" (a document with one
    item), "record" (its external id), and lists "right" and "perhaps" of product ids. known: ids
    of the products. Raises LabelsUnreadable: no such object, no such record, or an unknown product.
    """
    ids = frozenset(known)
    offers = []
    for number, values in _read_objects(lines):
        try:
            labeled = _read_labeled(values)
        except (KeyError, TypeError, AttributeError) as error:
            raise LabelsUnreadable(f"line {number}: not a labeled offer ({error!r})") from None
        except (RecordRejected, SourceBroken, LabelsUnreadable) as error:
            raise LabelsUnreadable(f"line {number}: {error}") from None
        if unknown := (labeled.right | labeled.perhaps) - ids:
            raise LabelsUnreadable(f"line {number}: unknown product {min(unknown)}")
        offers.append(labeled)
    return offers


def evaluate_matching(
    offers: Sequence[LabeledOffer], products: Mapping[str, Product]
) -> list[EvaluatedOffer]:
    """Return each offer with the decision of the matching and its result."""
    keys: dict[UUID, str] = {product.pk: key for key, product in products.items()}
    rows = [_unsaved_offer(labeled.offer) for labeled in offers]
    evaluated = []
    for labeled, decision in zip(offers, decide_offers(rows, products.values()), strict=True):
        named = decision.product_ids or decision.nearest_ids
        found = tuple(keys[product_id] for product_id in named)
        evaluated.append(EvaluatedOffer(labeled, found, _judge(labeled, decision.status, found)))
    return evaluated


def tally_by_group(evaluated: Iterable[EvaluatedOffer]) -> dict[str, Tally]:
    """Return tallies of all offers, of each half, and of languages and categories in a half."""
    tallies: dict[str, Tally] = {}
    for item in evaluated:
        offer, fold = item.labeled.offer, item.labeled.fold
        groups = ("all", fold, f"{fold}, {offer.language}", f"{fold}, {offer.category or 'other'}")
        for group in groups:
            tally = tallies.setdefault(group, Tally())
            tally.labels[item.labeled.label] += 1
            tally.results[item.result] += 1
    return dict(sorted(tallies.items()))


def _read_objects(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise LabelsUnreadable(f"line {number}: not JSON ({error})") from None
        if not isinstance(values, dict):
            raise LabelsUnreadable(f"line {number}: not a JSON object")
        yield number, values


def _read_labeled(values: Mapping[str, Any]) -> LabeledOffer:
    platform = find_platform(values["platform"])
    page = Page(
        request=_REQUEST,
        url=_REQUEST.url,
        status=200,
        content_type="application/json",
        body=json.dumps(values["page"]).encode(),
    )
    records = {record.external_id: record for record in platform.read_page(page, _SHOP).records}
    if values["record"] not in records:
        raise LabelsUnreadable(f"the page has no record {values['record']!r}")
    menu_record = MenuRecord(
        record=records[values["record"]],
        platform=platform,
        source="labeled",
        language=values["language"],
        observed_at=_OBSERVED_AT,
    )
    return LabeledOffer(
        id=values["id"],
        fold=values["fold"],
        platform=platform.code,
        offer=clean_offer(read_offer(menu_record)),
        right=frozenset(values.get("right", ())),
        perhaps=frozenset(values.get("perhaps", ())),
    )


def _product_id(key: str) -> UUID:
    """Return the same id in each run: it decides between products that match equally well."""
    return uuid5(NAMESPACE_OID, key)


def _unsaved_offer(offer: CleanOffer) -> CompetitorOffer:
    return CompetitorOffer(
        id=uuid4(),
        match_status=CompetitorOffer.MatchStatus.UNMATCHED,
        **{name: getattr(offer, name) for name in COLUMNS},
    )


def _judge(labeled: LabeledOffer, status: str, found: Sequence[str]) -> Result:
    if status == CompetitorOffer.MatchStatus.AUTOMATIC:
        return _judge_match(labeled, found[0])
    if status == CompetitorOffer.MatchStatus.PROPOSED:
        return _judge_proposal(labeled.right or labeled.perhaps, found)
    if not labeled.right:
        return Result.UNMATCHED_RIGHT
    return Result.UNMATCHED_FOUND if labeled.right & set(found) else Result.UNMATCHED_WRONG


def _judge_match(labeled: LabeledOffer, matched: str) -> Result:
    if matched in labeled.right:
        return Result.AUTOMATIC_RIGHT
    is_unclear = matched in labeled.perhaps
    return Result.AUTOMATIC_UNCLEAR if is_unclear else Result.AUTOMATIC_WRONG


def _judge_proposal(wanted: frozenset[str], found: Sequence[str]) -> Result:
    if not wanted:
        return Result.PROPOSED_NEEDLESSLY
    if found[0] in wanted:
        return Result.PROPOSED_FIRST
    return Result.PROPOSED_AMONG if wanted & set(found) else Result.PROPOSED_WITHOUT
