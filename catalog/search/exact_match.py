"""What a question names outright comes first: a SKU, a GTIN, a whole name, a brand with a name."""

from collections.abc import Sequence

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from catalog.models import Product, ProductAlias, SupplierListing
from catalog.search.fusion import Candidate
from catalog.search.normalize import key_of, words_of

_MOST = 50


def exact_matches(
    text: str, within: QuerySet[Product], candidates: Sequence[Candidate]
) -> list[Candidate]:
    """Return the candidates with those first that the text names, whatever else was understood; one query."""
    asked, words = key_of(text), words_of(text)
    if not asked or not words:
        return list(candidates)
    every_word = " & ".join(words)
    named = Q(RawSQL("search_document @@ to_tsquery('simple', %s)", [every_word], BooleanField()))
    listed = _keys_listed(text)
    rows = within.filter(named | Q(merge_key__in=listed) if listed else named).values_list(
        "pk", "name", "name_fr", "brand", "sku", "gtin", "merge_key"
    )
    first: dict[str, int] = {}
    found: dict[str, Candidate] = {}
    for pk, name, name_fr, brand, sku, gtin, merge_key in rows[:_MOST]:
        place = 1 if merge_key in listed else _place(asked, name, name_fr, brand)
        if place:
            first[str(pk)] = place
            found[str(pk)] = Candidate(
                id=str(pk),
                share=1.0,
                fit=0.0,
                name=name,
                name_fr=name_fr,
                brand=brand,
                sku=sku,
                gtin=gtin,
            )
    if not first:
        return list(candidates)
    known = {candidate.id: candidate for candidate in candidates}
    exact = [known.get(pk, found[pk]) for pk in first]
    for candidate in exact:
        candidate.is_exact = True
    exact.sort(key=lambda c: (first[c.id], -c.score, c.id))
    return [*exact, *(candidate for candidate in candidates if candidate.id not in first)]


def _keys_listed(text: str) -> set[str]:
    """Return the keys of products that bear the text as a number, here or in any source's list."""
    if " " in text or not any(map(str.isdigit, text)):
        return set()
    codes = {text, text.upper(), text.strip("_")}
    gtin = text.zfill(14) if text.isdigit() else ""
    own = Product.objects.filter(Q(sku__in=codes) | Q(gtin=gtin)).values_list(
        "merge_key", flat=True
    )
    told = SupplierListing.objects.filter(Q(sku__in=codes) | Q(gtin=gtin)).values_list(
        "merge_key", flat=True
    )
    keys = {*own[:_MOST], *told[:_MOST]}
    aliases = ProductAlias.objects.filter(merge_key__in=keys).values_list("product_key", flat=True)
    return {*keys, *aliases} if keys else set()


def _place(asked: str, name: str, name_fr: str | None, brand: str | None) -> int:
    """Return 2 for brand and name, 3 for a name, 0 for neither."""
    names = [key_of(n) for n in (name, name_fr) if n]
    own = key_of(brand or "")
    if own and any(asked in (own + n, n + own) for n in names):
        return 2
    return 3 if asked in names else 0
