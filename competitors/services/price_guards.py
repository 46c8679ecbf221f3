"""Price guards: what a new price must respect; a person approves or rejects it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Product
from catalog.selectors import store_provinces, wholesale_costs
from catalog.services.corrections import correct_products
from competitors.comparable import price_without_tax
from competitors.models import MinimumPrice, PriceApproval, PriceGuardSettings
from competitors.selectors.price_evidence import (
    OfferEvidence,
    limits_in_force,
    minimum_prices,
    price_a_day_ago,
    price_evidence,
)
from config.errors import Conflict

_HUNDRED = Decimal(100)
_ONE_PLACE = Decimal("0.1")
_CENT = Decimal("0.01")


class PriceRefused(Conflict):
    """A guard does not allow the price; `errors` lists (guard, explanation)."""

    code = "price_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardResult:
    """
    The result of one guard.

    code: "cost", "cost_unknown", "margin", "minimum_price", "daily_change" or "evidence". figures:
    the numbers of its explanation, as text.
    """

    code: str
    passed: bool
    figures: Mapping[str, str] = field(default_factory=dict)

    def explain(self) -> str:
        """Return the result in words, in the current language."""
        return _explanation(self) % dict(self.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceCheck:
    """Results of all guards for a price, with the evidence they used."""

    results: tuple[GuardResult, ...]
    offers: tuple[OfferEvidence, ...]
    cost: Decimal | None
    limits: PriceGuardSettings

    @property
    def is_allowed(self) -> bool:
        """Whether every guard passes."""
        return all(result.passed for result in self.results)

    @property
    def refusals(self) -> list[GuardResult]:
        """The guards that do not pass."""
        return [result for result in self.results if not result.passed]


def check_price(product: Product, new_price: Decimal, *, now: datetime | None = None) -> PriceCheck:
    """
    Check a price against cost, margin, minimum prices, daily change and evidence.

    new_price: for the package, as shown in our stores. Where stores of several provinces sell it,
    the price without tax is the lowest of them.
    """
    moment = now or timezone.now()
    limits = limits_in_force(timezone.localdate(moment))
    offers = tuple(price_evidence(product.pk, limits=limits, now=moment))
    cost = wholesale_costs([product.pk]).get(product.pk)
    net_by_province = _net_prices(product, new_price, moment)
    net = min(net_by_province.values(), default=new_price)
    results = (
        *_check_cost(net, cost, limits),
        *_check_minimum_prices(product, net_by_province, moment),
        _check_daily_change(product, new_price, limits, moment),
        _check_evidence(offers, limits),
    )
    return PriceCheck(results=results, offers=offers, cost=cost, limits=limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRange:
    """
    Prices that cost, margin, minimum prices and daily change allow; low above high: none.

    low_guard, high_guard: code of the guard that sets the end.
    """

    low: Decimal
    high: Decimal
    low_guard: str
    high_guard: str


def allowed_prices(product: Product, *, now: datetime | None = None) -> PriceRange | None:
    """
    Return the range of prices that the guards allow; None: no price is allowed.

    Evidence is not checked; `check_price` decides. Ends are rounded to cents inside the range.
    """
    moment = now or timezone.now()
    limits = limits_in_force(timezone.localdate(moment))
    cost = wholesale_costs([product.pk]).get(product.pk)
    if cost is None or product.price is None:
        return None
    before = price_a_day_ago(product.pk, current=product.price, now=moment) or product.price
    change = limits.max_daily_change_percent / _HUNDRED
    # Prices without tax by province for one dollar, from which a floor is one with tax.
    share = _net_prices(product, _HUNDRED, moment) or {"": _HUNDRED}
    lowest_share = min(share.values()) / _HUNDRED
    floors = [
        (cost / lowest_share, "cost"),
        (cost / (1 - limits.min_margin_percent / _HUNDRED) / lowest_share, "margin"),
        (before * (1 - change), "daily_change"),
    ]
    for province, net in share.items():
        for minimum in minimum_prices(
            province=province, category=product.category or "", on=timezone.localdate(moment)
        ):
            floor = _floor(minimum, product)
            if floor is None:
                return None
            floors.append((floor / (net / _HUNDRED), "minimum_price"))
    low, low_guard = max(floors)
    return PriceRange(
        low=low.quantize(_CENT, ROUND_CEILING),
        high=(before * (1 + change)).quantize(_CENT, ROUND_FLOOR),
        low_guard=low_guard,
        high_guard="daily_change",
    )


def net_price(product: Product, price: Decimal, *, now: datetime | None = None) -> Decimal:
    """Return our price without tax, the lowest of the provinces of our stores."""
    return min(_net_prices(product, price, now or timezone.now()).values(), default=price)


def approve_price(
    *, product: Product, new_price: Decimal, by: AbstractBaseUser, reason: str = ""
) -> PriceApproval:
    """
    Set our price with its evidence, if every guard passes.

    The price is locked like every correction. Raises PriceRefused naming each guard.
    """
    with transaction.atomic():
        locked = Product.objects.select_for_update().get(pk=product.pk)
        check = check_price(locked, new_price)
        if not check.is_allowed:
            raise PriceRefused(
                _("The price is not allowed."),
                [(refusal.code, refusal.explain()) for refusal in check.refusals],
            )
        approval = _record(
            locked, new_price, check, PriceApproval.Decision.APPROVED, by=by, reason=reason
        )
        correct_products(
            changes={locked.pk: {"price": new_price}},
            by=by,
            reason=reason or _("approved price"),
            override_locks=True,
        )
    return approval


def reject_price(
    *, product: Product, new_price: Decimal, by: AbstractBaseUser, reason: str
) -> PriceApproval:
    """Record that a person rejected a price, with the evidence of that moment."""
    check = check_price(product, new_price)
    return _record(product, new_price, check, PriceApproval.Decision.REJECTED, by=by, reason=reason)


def evidence_json(offers: Iterable[OfferEvidence]) -> list[dict[str, Any]]:
    """Return offers as JSON."""
    return [
        {
            **asdict(offer),
            "price": str(offer.price),
            "observed_at": offer.observed_at.isoformat(),
        }
        for offer in offers
    ]


def _net_prices(product: Product, price: Decimal, moment: datetime) -> dict[str, Decimal]:
    """Return the price without tax by province of our stores."""
    today = timezone.localdate(moment)
    prices = {}
    for province in store_provinces():
        net = price_without_tax(
            price,
            is_tax_included=province in settings.OWN_PRICES_INCLUDE_TAX_IN,
            province=province,
            category=product.category or "",
            on=today,
        )
        prices[province] = price if net is None else net
    return prices


def _check_cost(
    net: Decimal, cost: Decimal | None, limits: PriceGuardSettings
) -> tuple[GuardResult, ...]:
    if cost is None:
        return (GuardResult(code="cost_unknown", passed=False),)
    margin = (net - cost) / net * _HUNDRED if net > 0 else -_HUNDRED
    margin_text = str(margin.quantize(_ONE_PLACE, ROUND_HALF_UP))
    return (
        GuardResult(
            code="cost", passed=net >= cost, figures={"price": str(net), "cost": str(cost)}
        ),
        GuardResult(
            code="margin",
            passed=margin >= limits.min_margin_percent,
            figures={"margin": margin_text, "limit": str(limits.min_margin_percent)},
        ),
    )


def _check_minimum_prices(
    product: Product, net_by_province: Mapping[str, Decimal], moment: datetime
) -> list[GuardResult]:
    today = timezone.localdate(moment)
    results = []
    for province, net in net_by_province.items():
        for minimum in minimum_prices(province=province, category=product.category or "", on=today):
            floor = _floor(minimum, product)
            figures = {
                "province": province,
                "price": str(net),
                "floor": "?" if floor is None else str(floor),
            }
            passed = floor is not None and net >= floor
            results.append(GuardResult(code="minimum_price", passed=passed, figures=figures))
    return results


def _floor(minimum: MinimumPrice, product: Product) -> Decimal | None:
    """Return the minimum price of the package; None: its quantity is unknown."""
    if minimum.basis == MinimumPrice.Basis.PACKAGE:
        return minimum.amount
    is_per_gram = minimum.basis == MinimumPrice.Basis.GRAM
    grams = product.weight_grams if is_per_gram else product.dried_equivalent_grams
    return None if grams is None else (minimum.amount * grams).quantize(_CENT)


def _check_daily_change(
    product: Product, new_price: Decimal, limits: PriceGuardSettings, moment: datetime
) -> GuardResult:
    before = price_a_day_ago(product.pk, current=product.price, now=moment)
    if not before:
        return GuardResult(code="daily_change", passed=True, figures={"change": "–", "limit": "–"})
    change = abs(new_price - before) / before * _HUNDRED
    return GuardResult(
        code="daily_change",
        passed=change <= limits.max_daily_change_percent,
        figures={
            "change": str(change.quantize(_ONE_PLACE, ROUND_HALF_UP)),
            "limit": str(limits.max_daily_change_percent),
        },
    )


def _check_evidence(offers: tuple[OfferEvidence, ...], limits: PriceGuardSettings) -> GuardResult:
    competitors = {offer.competitor for offer in offers if offer.is_tax_included is not None}
    return GuardResult(
        code="evidence",
        passed=len(competitors) >= limits.min_evidence_offers,
        figures={
            "count": str(len(competitors)),
            "limit": str(limits.min_evidence_offers),
            "hours": str(limits.max_evidence_age_hours),
        },
    )


def _record(  # noqa: PLR0913  # one value for each column
    product: Product,
    new_price: Decimal,
    check: PriceCheck,
    decision: str,
    *,
    by: AbstractBaseUser,
    reason: str,
) -> PriceApproval:
    person: Any = by
    return PriceApproval.objects.create(
        product=product,
        old_price=product.price,
        new_price=new_price,
        evidence={
            "cost": None if check.cost is None else str(check.cost),
            "limits": {
                "effective_on": check.limits.effective_on.isoformat(),
                "min_margin_percent": str(check.limits.min_margin_percent),
                "max_daily_change_percent": str(check.limits.max_daily_change_percent),
            },
            "offers": evidence_json(check.offers),
        },
        guard_results=[
            {
                "code": result.code,
                "passed": result.passed,
                "figures": dict(result.figures),
                "explanation": result.explain(),
            }
            for result in check.results
        ],
        decision=decision,
        reason=reason,
        decided_by=person,
    )


def _explanation(result: GuardResult) -> str:
    """Return the explanation with placeholders for its figures."""
    if result.code == "cost_unknown":
        return _("No supplier states a current wholesale price, so the cost is unknown.")
    texts = {
        ("cost", True): _("%(price)s covers the cost of %(cost)s."),
        ("cost", False): _("%(price)s is below the cost of %(cost)s."),
        ("margin", True): _("The margin of %(margin)s %% reaches %(limit)s %%."),
        ("margin", False): _("The margin of %(margin)s %% is below %(limit)s %%."),
        ("minimum_price", True): _("%(price)s reaches the minimum of %(floor)s in %(province)s."),
        ("minimum_price", False): _(
            "%(price)s is below the minimum of %(floor)s in %(province)s, or the size is unknown."
        ),
        ("daily_change", True): _("The change of %(change)s %% in a day is within %(limit)s %%."),
        ("daily_change", False): _("The change of %(change)s %% in a day exceeds %(limit)s %%."),
        ("evidence", True): _(
            "%(count)s competitors were observed in the last %(hours)s hours; %(limit)s are needed."
        ),
        ("evidence", False): _(
            "Only %(count)s competitors were observed in the last %(hours)s hours;"
            " %(limit)s are needed."
        ),
    }
    return texts[result.code, result.passed]
