"""nDCG@10 and recall@20 of search over the sample catalogue, by leg and by language; at least .80 each, .05 apart.

Questions and graded judgments: tests/samples/search/queries.jsonl, or `--queries FILE.jsonl` with lines {"q", "lang",
"relevant": {sku: grade}}, a SKU of any source. The catalogue is taken in as operators do it: sync, match, index.
"""

import json
import statistics
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench.comparing import Comparison
from tests.bench.ranking import ndcg, recall

SIZE = 20
"""How many of the first are looked at for recall."""
QUERIES = Path(__file__).parent.parent / "samples" / "search" / "queries.jsonl"
SOURCES = ("ocs", "ocs-wholesale", "aglc", "sqdc")
_LANGUAGES = ("en", "fr")
_WORST = 10
_LEGS = ("lexical", "product_texts", "product_embeddings", "facts")
Order = Callable[[Any], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A question and what answers it, by SKU and grade (1 marginal, 2 good, 3 ideal)."""

    q: str
    lang: str
    relevant: Mapping[str, int]
    kind: str = ""
    half: str = ""


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], queries: Path = QUERIES
) -> list[Comparison]:
    """Return the measures of each leg and of all together. Raises ValueError for a file that cannot be used."""
    judged = read_judgments(queries)
    take_in()
    from catalog.models import Product
    from catalog.search.pipeline import Question, answer

    numbers = _products_by_number()
    unknown = {sku for one in judged for sku in one.relevant} - set(numbers)
    judged = [replace(one, relevant=_by_product(one.relevant, numbers)) for one in judged]
    judged = [one for one in judged if one.relevant]
    if not judged:
        raise ValueError("none of the SKUs judged is in the catalogue")
    rankings = [answer(Question(text=one.q, within=Product.objects.current())) for one in judged]
    for _ in range(rounds):
        advance()
    lines = [
        _line(
            f"SKUs judged that the catalogue lacks: {len(unknown)}",
            [float(len(unknown))],
            unit="SKUs",
        )
    ]
    orders: dict[str, Order] = {
        "all together": lambda ranking: [c.id for c in ranking.candidates],
        **{leg: _leg(leg) for leg in _LEGS},
    }
    means: dict[str, float] = {}
    for name, order in orders.items():
        for lang in _LANGUAGES:
            asked = [
                (one, order(ranking))
                for one, ranking in zip(judged, rankings, strict=True)
                if one.lang == lang
            ]
            if not asked:
                continue
            gains = [ndcg(found, one.relevant, k=10) for one, found in asked]
            is_whole = name == "all together"
            lines.append(_line(f"{name}, {lang}: nDCG@10", gains, limit=0.8 if is_whole else None))
            lines.append(
                _line(
                    f"{name}, {lang}: recall@{size}",
                    [recall(f, one.relevant, k=size) for one, f in asked],
                )
            )
            if is_whole:
                means[lang] = statistics.fmean(gains)
                for half in sorted({one.half for one, _ in asked if one.half}):
                    part = [g for g, (one, _) in zip(gains, asked, strict=True) if one.half == half]
                    lines.append(_line(f"  half {half}, {lang}: nDCG@10", part))
                for kind in sorted({one.kind for one, _ in asked if one.kind}):
                    part = [g for g, (one, _) in zip(gains, asked, strict=True) if one.kind == kind]
                    lines.append(_line(f"  {kind}, {lang}: nDCG@10", part))
    if len(means) == len(_LANGUAGES):
        apart = abs(means["en"] - means["fr"])
        lines.append(_line("English and French apart", [apart], limit=0.05, is_ceiling=True))
    exact = [
        one.relevant.get(orders["all together"](r)[0], 0) == max(one.relevant.values())
        if r.candidates
        else False
        for one, r in zip(judged, rankings, strict=True)
        if one.kind in ("name", "brand+name", "sku")
    ]
    if exact:
        lines.append(_line("exact names and numbers first", list(map(float, exact)), limit=1.0))
    order = orders["all together"]
    worst = sorted(
        zip(judged, rankings, strict=True), key=lambda p: ndcg(order(p[1]), p[0].relevant, k=10)
    )[:_WORST]
    lines += [
        _line(f"worst: {one.q}", [ndcg(order(ranking), one.relevant, k=10)])
        for one, ranking in worst
    ]
    return lines


def read_judgments(path: Path) -> list[Judged]:
    """Return the questions of a file; raises ValueError naming the line that cannot be used."""
    judged = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            one = Judged(
                q=str(told["q"]),
                lang=told["lang"],
                relevant=dict(told["relevant"].items()),
                kind=str(told.get("kind", "")),
                half=str(told.get("half", "")),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"line {number}: wants q, lang and relevant, a SKU's grade each ({error})"
            ) from error
        grades = list(one.relevant.values())
        if (
            one.lang not in _LANGUAGES
            or not any(grades)
            or any(type(g) is not int or not 0 <= g <= 3 for g in grades)
        ):
            raise ValueError(
                f"line {number}: lang is en or fr, grades are 0 to 3, and something is relevant"
            )
        judged.append(one)
    if not judged:
        raise ValueError("no questions")
    return judged


def take_in() -> None:
    from catalog.models import CatalogSource, Product
    from catalog.pipelines import pipeline_of
    from catalog.services.duplicates import match_products
    from catalog.services.search_vocabulary import refresh_search_words
    from mlops.pipelines.runner import run_source
    from tests.samples.suppliers.server import SampleSupplier
    from vectors.index.write import index_due

    if Product.objects.exists():
        return
    supplier = SampleSupplier()
    threading.Thread(target=supplier.serve_forever, daemon=True).start()
    CatalogSource.objects.update(requests_per_second=1000)
    for code in SOURCES:
        run_source(
            pipeline_of(CatalogSource.objects.get(pk=code)),
            code=code,
            base_url=f"{supplier.url}/{code}",
        )
    supplier.shutdown()
    match_products()
    refresh_search_words()
    index_due()


def _products_by_number() -> dict[str, str]:
    """Return the product that bears a SKU, GTIN or id of any source, with or without what pads it."""
    from catalog.models import Product, ProductAlias, SupplierListing

    ids = {key: str(pk) for key, pk in Product.objects.current().values_list("merge_key", "pk")}
    aliases = dict(ProductAlias.objects.values_list("merge_key", "product_key"))
    found: dict[str, str] = {}
    for key, *told in SupplierListing.objects.values_list(
        "merge_key", "sku", "gtin", "external_id"
    ):
        pk = ids.get(aliases.get(key, key))
        found.update(
            {form: pk for number in told if number and pk for form in (number, number.strip("_"))}
        )
    for product, *told in Product.objects.current().values_list("pk", "sku", "gtin"):
        found.update({number: str(product) for number in told if number})
    return found


def _by_product(grades: Mapping[str, int], numbers: Mapping[str, str]) -> dict[str, int]:
    """Return the highest grade of each product that the catalogue has."""
    found: dict[str, int] = {}
    for number, grade in grades.items():
        pk = numbers.get(number) or numbers.get(number.strip("_"))
        if pk:
            found[pk] = max(grade, found.get(pk, 0))
    return found


def _leg(name: str) -> Order:
    def order(ranking: Any) -> Sequence[str]:
        ranked = [c for c in ranking.candidates if name in c.ranks]
        return [c.id for c in sorted(ranked, key=lambda c: (c.ranks[name], c.id))]

    return order


def _line(
    name: str,
    values: list[float],
    *,
    limit: float | None = None,
    unit: str = "",
    is_ceiling: bool = False,
) -> Comparison:
    """The mean is what counts: a median of nDCG would hide the questions that fail."""
    return Comparison(
        name=name, unit=unit, limit=limit, is_ceiling=is_ceiling, ratios=[statistics.fmean(values)]
    )
