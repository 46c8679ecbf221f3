"""What may not be recommended, whatever its score: every filter is asked of every product, and none can be outweighed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from django.db import connection

from catalog.models import Store
from catalog.reference.provinces import PROVINCES, Province
from customers.models import Rule, Scenario
from customers.recommendations.context import Person
from customers.recommendations.request import Question
from mlops.sql_arrays import array

_FACTS = """
SELECT p.id, p.xmin::text, p.merged_into_id IS NULL, coalesce(p.brand, ''), coalesce(p.category, ''),
  coalesce(p.strain_type, ''), coalesce(p.thc_percentage_high, p.thc_percentage), p.thc_mg, coalesce(p.mg_unit, ''), p.price,
  EXISTS (SELECT FROM store_stock k WHERE k.product_id = p.id AND k.quantity > 0 AND k.store_id = ANY(%(stores)s::uuid[]))
FROM products p WHERE p.id = ANY(%(products)s::uuid[])
"""
_STRICTEST_AGE = max(age for province in PROVINCES.values() for _, age in province.ages)
_FREE, _DEAREST = Decimal(0), Decimal("Infinity")
_LOWEST_AGE = min(age for province in PROVINCES.values() for _, age in province.ages)


@dataclass(frozen=True, slots=True)
class Facts:
    """What filters ask of a product; thc: the most that its label promises. Its version changes with every change of its row."""

    id: UUID
    version: str
    is_current: bool
    brand: str
    category: str
    strain_type: str
    thc: Decimal | None
    milligrams: Decimal | None
    unit: str
    price: Decimal | None
    is_in_stock: bool


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What products are held against: who asks what, where, when, and what staff have decided."""

    question: Question
    scenario: Scenario
    person: Person | None
    rules: Sequence[Rule]
    looked_at: Mapping[UUID, Facts]
    today: date

    @cached_property
    def place(self) -> Province | None:
        """The province that it is asked in."""
        return PROVINCES.get(self.question.place)

    @cached_property
    def hiding(self) -> Sequence[Rule]:
        """The rules that hide."""
        return [rule for rule in self.rules if rule.deed == Rule.Deed.HIDE]

    @cached_property
    def prices(self) -> tuple[Decimal, Decimal] | None:
        """The lowest and the highest price that will do, of what is asked and what the person stated; None: any."""
        stated = (self.person.stated.get("price_range") if self.person else None) or (None, None)
        lowest = [
            Decimal(str(end)) for end in (self.question.least_price, stated[0]) if end is not None
        ]
        highest = [
            Decimal(str(end)) for end in (self.question.most_price, stated[1]) if end is not None
        ]
        return (
            (max(lowest, default=_FREE), min(highest, default=_DEAREST))
            if lowest or highest
            else None
        )

    @cached_property
    def disliked(self) -> Mapping[str, frozenset[str]]:
        """The words that the person stated, in lower case."""
        stated = self.person.stated if self.person else {}
        names = ("brands", "categories", "strain_types")
        return {
            name: frozenset(told.lower() for told in stated.get(f"disliked_{name}") or ())
            for name in names
        }


@dataclass(frozen=True, slots=True)
class Blocked:
    """By which filter a product is kept out, and why."""

    filter: str
    why: str


def facts_of(products: Collection[UUID], stores: Sequence[UUID]) -> dict[UUID, Facts]:
    """Return what is known of products; they are in stock where any of the stores has them. One query."""
    if not products:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, {"products": array(products), "stores": array(stores)})
        return {row[0]: Facts(*row) for row in cursor.fetchall()}


def stores_in_reach(question: Question) -> list[UUID]:
    """Return the stores whose stock counts: the one that is asked for, else those of the province, else all."""
    if question.store:
        return [question.store.pk]
    within = (
        Store.objects.filter(province=question.province)
        if question.province
        else Store.objects.all()
    )
    return list(within.values_list("pk", flat=True))


def blocked(facts: Facts, setting: Setting) -> list[Blocked]:
    """Return every filter that keeps a product out; none: it may be recommended."""
    return [
        Blocked(name, why)
        for name, is_kept_out in FILTERS.items()
        if (why := is_kept_out(facts, setting))
    ]


def is_blocked(facts: Facts, setting: Setting) -> bool:
    """Tell whether any filter keeps a product out."""
    return any(is_kept_out(facts, setting) for is_kept_out in FILTERS.values())


def barred(setting: Setting) -> list[Blocked]:
    """Return what keeps everything out: the scenario is off, or it is not proven that the person is old enough."""
    found = []
    if not setting.scenario.is_active:
        found.append(Blocked("scenario", "this recommendation is switched off"))
    if why := _too_young(setting):
        found.append(Blocked("age", why))
    return found


def _too_young(setting: Setting) -> str:
    person = setting.person
    if person is None:  # then the client has seen to it: its audience is `verified`
        return ""
    place = PROVINCES.get(setting.question.place or person.province)
    needed = place.least_age(setting.today) if place else _STRICTEST_AGE
    if not person.is_age_verified:
        return f"no proof that they are {needed}"
    proven = person.proven_age or _LOWEST_AGE
    return "" if proven >= needed else f"proven is {proven}, needed {needed}"


def _merged(facts: Facts, _setting: Setting) -> str:
    return "" if facts.is_current else "it was merged into another product"


def _out_of_stock(facts: Facts, setting: Setting) -> str:
    where = setting.question.store.name if setting.question.store else "any store in reach"
    return "" if facts.is_in_stock else f"not in stock in {where}"


def _not_sold(facts: Facts, setting: Setting) -> str:
    # Where nobody has told the place, it may be any.
    for place in [setting.place] if setting.place else PROVINCES.values():
        if not place.may_sell(
            category=facts.category,
            thc=facts.thc,
            milligrams=facts.milligrams,
            unit=facts.unit,
            on=setting.today,
        ):
            return f"may not be sold in {place.name_en}"
    return ""


def _out_of_price(facts: Facts, setting: Setting) -> str:
    if setting.prices is None:
        return ""
    if facts.price is None:
        return "it has no price"
    lowest, highest = setting.prices
    return (
        ""
        if lowest <= facts.price <= highest
        else f"{facts.price} is not within what was asked for"
    )


def _disliked(facts: Facts, setting: Setting) -> str:
    person = setting.person
    if person is None:
        return ""
    if facts.id in person.disliked:
        return "they dislike it"
    for what, value in (
        ("brands", facts.brand),
        ("categories", facts.category),
        ("strain_types", facts.strain_type),
    ):
        if value.lower() in setting.disliked[what]:
            return f"they dislike {value}"
    return ""


def _hidden(facts: Facts, setting: Setting) -> str:
    hiding = next((rule for rule in setting.hiding if names(rule, facts)), None)
    return f"rule {hiding.name}: {hiding.reason}" if hiding else ""


def _of_another_category(facts: Facts, setting: Setting) -> str:
    if not setting.scenario.is_same_category or not setting.looked_at:
        return ""
    wanted = {looked_at.category for looked_at in setting.looked_at.values()}
    return "" if facts.category in wanted else f"not {', '.join(sorted(wanted))}"


def _looked_at(facts: Facts, setting: Setting) -> str:
    return "it is what they look at, or in the basket" if facts.id in setting.looked_at else ""


def names(rule: Rule, facts: Facts) -> bool:
    """Tell whether a rule names a product: everything that it says is so."""
    told = (
        (rule.product and (rule.product.merged_into_id or rule.product_id), facts.id),
        (rule.brand.lower(), facts.brand.lower()),
        (rule.category, facts.category),
        (rule.strain_type, facts.strain_type),
    )
    if rule.least_thc is not None and (facts.thc is None or facts.thc < rule.least_thc):
        return False
    return all(value == of for value, of in told if value)


FILTERS: Mapping[str, Callable[[Facts, Setting], str]] = {
    "stock": _out_of_stock,
    "merged": _merged,
    "province": _not_sold,
    "price": _out_of_price,
    "dislike": _disliked,
    "rule": _hidden,
    "category": _of_another_category,
    "looked-at": _looked_at,
}
"""By name: why a product is kept out, empty where it is not."""
NAMES = ("scenario", "age", "consent", *FILTERS)
"""Everything that every answer was held against."""
