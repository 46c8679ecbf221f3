"""
Price suggestions: compute them with the deployed model, and record decisions and outcomes.

A suggestion is the estimated market price, moved into the range that the price guards allow. A
person approves it; then the guards are checked again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pglock
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Product
from competitors.models import (
    PriceApproval,
    PriceGuardSettings,
    PriceOutcome,
    PriceSuggestion,
)
from competitors.pricing.elasticity import Elasticity, estimate_elasticity
from competitors.pricing.items import Items, read_items
from competitors.pricing.model import PriceModel
from competitors.pricing.reasons import PriceReason, explain_estimates
from competitors.pricing.served import PRICING
from competitors.selectors.price_evidence import OfferEvidence, limits_in_force, price_evidence
from competitors.selectors.price_position import own_price_divisor
from competitors.selectors.price_suggestions import (
    ProvinceEvidence,
    due_outcomes,
    evidence_by_province,
    products_with_evidence,
    sales_by_category,
)
from competitors.services.price_guards import (
    PriceRange,
    allowed_prices,
    approve_price,
    check_price,
    evidence_json,
    net_price,
    reject_price,
)
from config.errors import BadInput, Conflict, CultivarError

Status = PriceSuggestion.Status
MIN_CHANGE = Decimal("0.01")
"""Smallest relative change that is suggested."""
_CENT = Decimal("0.01")
_STEP = Decimal("0.05")
"""Step of suggested prices: the smallest coin."""
_HUNDRED = Decimal(100)
_LOCK = "competitors:price_suggestions"


class SuggestionNotPending(Conflict):
    """The suggestion was decided or superseded before."""

    code = "suggestion_not_pending"


class SuggestionOutdated(Conflict):
    """Our price has changed since the suggestion was made."""

    code = "suggestion_outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkDecision:
    """Result of a decision about several suggestions. refused: product name and reason."""

    done: int
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Market:
    """Estimated market price of a product as our stores would show it."""

    low: Decimal
    point: Decimal
    high: Decimal
    provinces: tuple[str, ...]
    reasons: tuple[PriceReason, ...]
    offers: tuple[OfferEvidence, ...]


def suggest_prices(*, now: datetime | None = None) -> dict[str, int]:
    """
    Suggest prices for all products with enough evidence; return counts by outcome.

    Counts: suggested, unchanged, at_market (less than one percent away), not_allowed (no price or
    not this one passes the guards), superseded; without_model or busy alone if nothing was done.
    Pending suggestions that no longer hold are superseded. Safe to repeat.
    """
    serving = PRICING.current()
    if serving is None:
        return {"without_model": 1}
    moment = now or timezone.now()
    counts: Counter[str] = Counter()
    with pglock.advisory(_LOCK, timeout=0) as is_acquired:
        if not is_acquired:
            return {"busy": 1}
        limits = limits_in_force(timezone.localdate(moment))
        elasticities = {
            category: estimate_elasticity(cells)
            for category, cells in sales_by_category(now=moment).items()
        }
        current: set[UUID] = set()
        for products in products_with_evidence(now=moment):
            markets = _estimate(serving.model, products, limits, moment)
            for product in products:
                outcome = _suggest(
                    product,
                    markets.get(product.pk),
                    elasticity=elasticities.get(product.category or ""),
                    version_id=UUID(serving.version_id),
                    now=moment,
                )
                counts[outcome] += 1
                if outcome in ("suggested", "unchanged"):
                    current.add(product.pk)
        outdated = PriceSuggestion.objects.filter(status=Status.PENDING).exclude(
            product__in=current
        )
        counts["superseded"] += outdated.update(status=Status.SUPERSEDED, decided_at=moment)
    return dict(counts)


def approve_suggestion(
    *, suggestion_id: UUID, by: AbstractBaseUser, reason: str
) -> PriceSuggestion:
    """
    Set the suggested price, with its history, if every guard passes now.

    Raises BadInput (no reason), SuggestionNotPending, SuggestionOutdated, PriceRefused.
    """
    _require_reason(reason)
    with transaction.atomic():
        suggestion = _lock_pending(suggestion_id)
        product = Product.objects.select_for_update().get(pk=suggestion.product_id)
        if product.merged_into_id or product.price != suggestion.current_price:
            raise SuggestionOutdated(
                _("The price of the product has changed since the suggestion."),
                [("current_price", f"{suggestion.current_price} → {product.price}")],
            )
        approval = approve_price(
            product=product, new_price=suggestion.suggested_price, by=by, reason=reason
        )
        return _decide(suggestion, Status.APPROVED, approval, by=by, reason=reason)


def reject_suggestion(*, suggestion_id: UUID, by: AbstractBaseUser, reason: str) -> PriceSuggestion:
    """Record that a person rejected a suggestion. Raises BadInput, SuggestionNotPending."""
    _require_reason(reason)
    with transaction.atomic():
        suggestion = _lock_pending(suggestion_id)
        approval = reject_price(
            product=suggestion.product, new_price=suggestion.suggested_price, by=by, reason=reason
        )
        return _decide(suggestion, Status.REJECTED, approval, by=by, reason=reason)


def approve_suggestions(
    *, suggestions: Sequence[PriceSuggestion], by: AbstractBaseUser, reason: str
) -> BulkDecision:
    """Approve suggestions one by one; those that are refused stay pending. Raises BadInput."""
    _require_reason(reason)
    refused = []
    for suggestion in suggestions:
        try:
            approve_suggestion(suggestion_id=suggestion.pk, by=by, reason=reason)
        except CultivarError as error:
            refused.append((suggestion.product.name, _describe(error)))
    return BulkDecision(done=len(suggestions) - len(refused), refused=tuple(refused))


def measure_outcomes(*, now: datetime | None = None) -> dict[str, int]:
    """Store the sales before and after approved prices, from a week on. Safe to repeat."""
    moment = now or timezone.now()
    outcomes = due_outcomes(now=moment)
    for outcome in outcomes:
        values = {name: value for name, value in asdict(outcome).items() if name != "approval_id"}
        PriceOutcome.objects.update_or_create(
            approval_id=outcome.approval_id, defaults={**values, "measured_at": moment}
        )
    return {"measured": len(outcomes)}


def _lock_pending(suggestion_id: UUID) -> PriceSuggestion:
    suggestion = PriceSuggestion.objects.select_for_update().get(pk=suggestion_id)
    if suggestion.status != Status.PENDING:
        raise SuggestionNotPending(
            _("The suggestion is no longer pending."), [("status", suggestion.status)]
        )
    return suggestion


def _decide(
    suggestion: PriceSuggestion,
    status: str,
    approval: PriceApproval,
    *,
    by: AbstractBaseUser,
    reason: str,
) -> PriceSuggestion:
    person: Any = by
    suggestion.status = status
    suggestion.approval = approval
    suggestion.decided_by = person
    suggestion.decided_at = timezone.now()
    suggestion.reason = reason
    suggestion.save()
    return suggestion


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput("reason", _("is required"))


def _describe(error: CultivarError) -> str:
    """Return the text of an error with the guards that refused."""
    details = [text for _field, text in getattr(error, "errors", [])]
    return " ".join([str(error), *details])


# Computing


def _estimate(
    model: PriceModel,
    products: Sequence[Product],
    limits: PriceGuardSettings,
    now: datetime,
) -> dict[UUID, _Market]:
    """Return the market of each product that competitors sell, by product."""
    rows: list[tuple[Product, ProvinceEvidence]] = []
    offers: dict[UUID, tuple[OfferEvidence, ...]] = {}
    for product in products:
        offers[product.pk] = tuple(price_evidence(product.pk, limits=limits, now=now))
        found = evidence_by_province(offers[product.pk], product, now=now)
        rows += [(product, evidence) for evidence in found]
    if not rows:
        return {}
    items = _items(rows, now)
    estimate = model.estimate(items)
    reasons = explain_estimates(model, items)
    markets = {}
    for product in products:
        indexes = [i for i, (owner, _evidence) in enumerate(rows) if owner.pk == product.pk]
        if not indexes:
            continue
        weights = [rows[i][1].competitors for i in indexes]
        taxed = [_shown_price_factor(product, rows[i][1].province, now) for i in indexes]
        low, point, high = (
            Decimal(str(np.average(ends[indexes] * taxed, weights=weights)))
            for ends in (estimate.low, estimate.point, estimate.high)
        )
        strongest = max(zip(weights, indexes, strict=True), key=lambda pair: pair[0])[1]
        markets[product.pk] = _Market(
            low=low.quantize(_CENT, ROUND_HALF_UP),
            point=point.quantize(_CENT, ROUND_HALF_UP),
            high=high.quantize(_CENT, ROUND_HALF_UP),
            provinces=tuple(rows[i][1].province for i in indexes),
            reasons=reasons[strongest],
            offers=offers[product.pk],
        )
    return markets


def _shown_price_factor(product: Product, province: str, now: datetime) -> float:
    """Return what a price without tax is multiplied by to be as our stores there show it."""
    on = timezone.localdate(now)
    return float(own_price_divisor(province, on=on, category=product.category or ""))


def _items(rows: Sequence[tuple[Product, ProvinceEvidence]], now: datetime) -> Items:
    """Return the products as items of a shop of no competitor, with competitors' prices."""
    products = [product for product, _evidence in rows]
    columns: Mapping[str, list[Any]] = {
        name: [getattr(product, name) for product in products]
        for name in (
            "category",
            "brand",
            "name",
            "strain_type",
            "thc_percentage",
            "cbd_percentage",
            "thc_mg",
            "mg_basis",
            "weight_grams",
            "volume_ml",
            "unit_count",
        )
    }
    items = read_items(
        {
            **columns,
            "terpenes": [",".join(product.terpenes) for product in products],
            "province": [evidence.province for _product, evidence in rows],
            "competitor": [""] * len(rows),
            "observed_at": [now] * len(rows),
        }
    )
    prices = np.array([float(evidence.net_price) for _product, evidence in rows])
    return replace(items, competitors_price=np.log(prices / items.quantity))


def _suggest(
    product: Product,
    market: _Market | None,
    *,
    elasticity: Elasticity | None,
    version_id: UUID,
    now: datetime,
) -> str:
    """Store the suggestion of a product; return the outcome."""
    allowed = allowed_prices(product, now=now)
    if market is None or allowed is None or product.price is None:
        return "not_allowed"
    price, limited_by = _move_inside(market.point, allowed)
    if price is None:
        return "not_allowed"
    if abs(price - product.price) < MIN_CHANGE * product.price:
        return "at_market"
    check = check_price(product, price, now=now)
    if not check.is_allowed or check.cost is None:
        return "not_allowed"
    with transaction.atomic():
        pending = PriceSuggestion.objects.select_for_update().filter(
            product=product, status=Status.PENDING
        )
        unchanged = pending.filter(
            suggested_price=price,
            current_price=product.price,
            model_version_id=version_id,
        )
        if unchanged.exists():
            return "unchanged"
        pending.update(status=Status.SUPERSEDED, decided_at=now)
        PriceSuggestion.objects.create(
            product=product,
            provinces=list(market.provinces),
            current_price=product.price,
            suggested_price=price,
            market_low=market.low,
            market_price=market.point,
            market_high=market.high,
            cost=check.cost,
            margin_percent=_margin(net_price(product, price, now=now), check.cost),
            current_margin_percent=_margin(net_price(product, product.price, now=now), check.cost),
            limited_by=limited_by,
            reasons=[asdict(reason) for reason in market.reasons],
            evidence=evidence_json(check.offers),
            elasticity={} if elasticity is None else asdict(elasticity),
            model_version_id=version_id,
            suggested_at=now,
        )
    return "suggested"


def _move_inside(target: Decimal, allowed: PriceRange) -> tuple[Decimal | None, str]:
    """Return the price in steps nearest to a target that is allowed, and the guard that limits."""
    low = (allowed.low / _STEP).to_integral_value(ROUND_CEILING) * _STEP
    high = (allowed.high / _STEP).to_integral_value(ROUND_FLOOR) * _STEP
    if low > high:
        return None, allowed.low_guard
    rounded = (target / _STEP).to_integral_value(ROUND_HALF_UP) * _STEP
    if rounded < low:
        return low, allowed.low_guard
    if rounded > high:
        return high, allowed.high_guard
    return rounded, ""


def _margin(net: Decimal, cost: Decimal) -> Decimal:
    return ((net - cost) / net * _HUNDRED).quantize(_CENT, ROUND_HALF_UP)
