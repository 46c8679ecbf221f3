"""What a question names outright comes first: a SKU, a GTIN, a whole name, a brand with a name."""

from collections.abc import Sequence

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from catalog.models import Product
from catalog.searching.folding import key_of, words_of
from catalog.searching.fusing import Candidate

_MOST = 50


def exact_matches(text: str, within: QuerySet[Product], candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with those first that the text names, whatever else was understood; one query."""
    asked, words = key_of(text), words_of(text)
    if not asked or not words:
        return list(candidates)
    every_word = " & ".join(words)
    named = Q(RawSQL("search_document @@ to_tsquery('simple', %s)", [every_word], BooleanField()))
    rows = within.filter(named | Q(sku=text) | Q(gtin=text.zfill(14))).values_list(
        "pk", "name", "name_fr", "brand", "sku", "gtin"
    )
    first: dict[str, int] = {}
    found: dict[str, Candidate] = {}
    for pk, name, name_fr, brand, sku, gtin in rows[:_MOST]:
        place = _place(asked, text, name, name_fr, brand, sku, gtin)
        if place:
            first[str(pk)] = place
            found[str(pk)] = Candidate(
                id=str(pk), share=1.0, fit=0.0, name=name, name_fr=name_fr, brand=brand, sku=sku, gtin=gtin
            )
    if not first:
        return list(candidates)
    known = {candidate.id: candidate for candidate in candidates}
    exact = [known.get(pk, found[pk]) for pk in first]
    for candidate in exact:
        candidate.is_exact = True
    exact.sort(key=lambda c: (first[c.id], -c.score, c.id))
    return [*exact, *(candidate for candidate in candidates if candidate.id not in first)]


def _place(
    asked: str, text: str, name: str, name_fr: str | None, brand: str | None, sku: str | None, gtin: str | None
) -> int:
    """Return 1 for a number, 2 for brand and name, 3 for a name, 0 for none of them."""
    if (sku and key_of(sku) == asked) or (gtin and text.isdigit() and gtin == text.zfill(14)):
        return 1
    names = [key_of(n) for n in (name, name_fr) if n]
    own = key_of(brand or "")
    if own and any(asked in (own + n, n + own) for n in names):
        return 2
    return 3 if asked in names else 0
