"""What an understood term asks of a product: a condition it must meet, and how well it meets it, in SQL."""

from typing import Any

from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from catalog.reference.synonyms import aromas, groups, narrower
from catalog.search.parser import Term
from catalog.search.stems import tsquery

Sql = tuple[str, list[Any]]

CARRIES = "search_document @@ %s::tsquery"
"""SQL that a product carries what a tsquery asks, its one parameter; for rows already chosen."""
FOUND = "products.id = ANY(ARRAY(SELECT products_carrying(%s::tsquery)))"
"""The same, for choosing rows by it: it reads the index, where the planner would read every row."""
_AMONG = "products.id IN (SELECT products_carrying(%s::tsquery))"
"""The same, for rows that may be chosen by something else: each is looked up in what the index told."""
# Whole words of a name may say what the columns do not: an infused pre-roll is an extract to its supplier.
NAMED = "A"
_MILD_MOST, _STRONG_LEAST, _CBD_LEAST, _CBD_HIGH = 20.0, 20.0, 1.5, 4.0
# THC and CBD are in a ratio when theirs is within this factor of it.
_RATIO_FACTOR = 2.0
_TYPES = {
    "indica": ("indica", "indica-dominant"),
    "sativa": ("sativa", "sativa-dominant"),
    "hybrid": ("hybrid", "blend"),
}
_CATEGORY_NAMES = {"pre-rolls": "pre-roll", "vapes": "vape", "edibles": "gummies"}


def narrow(term: Term) -> Q | None:
    """Return the condition that the term puts; None when it only weighs."""
    condition = _narrow(term)
    return ~condition if condition is not None and term.negative else condition


def _narrow(term: Term) -> Q | None:
    match term.kind:
        case "price":
            return _between("price", term)
        case "thc":
            return _potency("thc", term)
        case "cbd":
            return _potency("cbd", term)
        case "thc_mg" | "cbd_mg":
            return _between(term.kind, term)
        case "size":
            return _between("weight_grams", term)
        case "volume":
            return _between("volume_ml", term)
        case "pieces":
            return _between("pieces", term)
        case "strain_type":
            return Q(strain_type__in=_TYPES.get(term.word, (term.word,))) | named(
                (term.word.replace("-", " "),)
            )
        case "category":
            phrases = groups().get(_CATEGORY_NAMES.get(term.word, ""), ())
            return Q(category=term.word) | named(phrases) if phrases else Q(category=term.word)
        case "strength":
            if term.word == "low":
                return Q(thc_percentage_high__lte=_MILD_MOST)
            return Q(thc_percentage__gte=_STRONG_LEAST)
        case "cbd_rich":
            least = _CBD_HIGH if term.word == "high" else _CBD_LEAST
            return Q(cbd_percentage__gte=least) | Q(cbd_mg__gte=least) | named(("cbd",))
        case "ratio":
            return _in_ratio(term) | named((term.word.replace(":", " "),))
        case "parent":
            return named((term.word,), "D")
        case "terpene" if term.negative:
            return Q(terpenes__contains=[term.word])
        case "aroma" if term.negative:
            return Q(terpenes__overlap=list(aromas()[term.word])) | named(groups()[term.word])
    return None


def fit(term: Term) -> Sql | None:
    """Return SQL for how well a row of `products` meets the term, 0 to 1; None when it is met or not."""
    if term.negative:
        return None
    match term.kind:
        case "strain_type":
            return "CASE WHEN strain_type = ANY(%s) THEN 1.0 ELSE 0.5 END", [
                list(_TYPES.get(term.word, (term.word,)))
            ]
        case "category":
            return "CASE WHEN category = %s THEN 1.0 ELSE 0.7 END", [term.word]
        case "terpene":
            return _place("%s", [term.word])
        case "aroma":
            return _aroma(term.word)
        case "strength" if term.word == "low":
            return "1 - least(coalesce(thc_percentage_high, thc_mg, 30) / 30.0, 1)", []
        case "strength":
            return "least(coalesce(thc_percentage_high, thc_mg, 0) / 30.0, 1)", []
        case "cbd_rich":
            return "least(coalesce(cbd_percentage_high, cbd_mg, 0) / 12.0, 1)", []
        case "thc" | "cbd":
            return _inside(term)
        case "cheap":
            return (
                "1 / (1 + coalesce(price / nullif(weight_grams, 0), 20) / 6 + coalesce(price, 200) / 60)",
                [],
            )
    return None


def named(phrases: tuple[str, ...], label: str = NAMED) -> Q:
    """Return the condition that one of the phrases stands in a product's names."""
    return Q(RawSQL(_AMONG, [tsquery(phrases, label)], BooleanField()))


def _between(column: str, term: Term) -> Q:
    condition = Q()
    if term.low is not None:
        condition &= Q(**{f"{column}__gte": term.low})
    if term.high is not None:
        condition &= Q(**{f"{column}__lte": term.high})
    return condition


def _potency(kind: str, term: Term) -> Q:
    """At least: the middle of the label's range. At most: its upper end, so that nobody gets more than was asked."""
    middle, high = f"{kind}_percentage", f"{kind}_percentage_high"
    if term.low is not None and term.high is not None:
        return Q(**{f"{middle}__gte": term.low, f"{middle}__lte": term.high})
    return (
        Q(**{f"{middle}__gte": term.low})
        if term.low is not None
        else Q(**{f"{high}__lte": term.high})
    )


def _inside(term: Term) -> Sql:
    """How much of the label's range lies inside what was asked; half of a potency is its range, half its level."""
    low, high = f"{term.kind}_percentage_low", f"{term.kind}_percentage_high"
    return (
        f"coalesce(greatest(least({high}, %s) - greatest({low}, %s), 0) / nullif({high} - {low}, 0), 0.5)",
        [term.high if term.high is not None else 100, term.low if term.low is not None else 0],
    )


def _in_ratio(term: Term) -> Q:
    thc, cbd = (float(part) for part in term.word.split(":"))
    return Q(
        RawSQL(
            "coalesce(thc_percentage, thc_mg) * %s BETWEEN coalesce(cbd_percentage, cbd_mg) * %s / %s"
            " AND coalesce(cbd_percentage, cbd_mg) * %s * %s AND coalesce(cbd_percentage, cbd_mg) >= 1",
            [cbd, thc, _RATIO_FACTOR, thc, _RATIO_FACTOR],
            BooleanField(),
        )
    )


def _place(element: str, params: list[Any]) -> Sql:
    """A terpene counts by its place: they are told strongest first."""
    return (
        f"coalesce((ARRAY[1.0, 0.75, 0.6, 0.45, 0.35, 0.3])[array_position(terpenes, {element}::varchar)], 0)",
        params,
    )


def _aroma(word: str) -> Sql:
    """An aroma is in a name, in what is said of the strain's flavor, or in a terpene that smells of it."""
    phrases = (*groups()[word], *narrower().get(word, ()))
    parts, params = [f"CASE WHEN {CARRIES} THEN 0.8 ELSE 0 END"], [tsquery(phrases, "D")]
    for terpene in aromas()[word]:
        sql, more = _place("%s", [terpene])
        parts.append(f"0.85 * {sql}")
        params += more
    return f"CASE WHEN {CARRIES} THEN 1.0 ELSE greatest({', '.join(parts)}) END", [
        tsquery(phrases, NAMED),
        *params,
    ]
