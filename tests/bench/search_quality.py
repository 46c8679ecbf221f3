"""NDCG@10 and recall@20 of search by retriever, language, split and category of query.

Judged queries: tests/samples/search/queries.jsonl, or `--queries FILE.jsonl` with lines
{"q", "language", "relevant": {sku: grade}}, with SKUs of any source. The sample catalogue is
prepared as in production: sync, match, index.
"""

import json
import statistics
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalog.search.normalize import compact_key
from config.languages import LANGUAGES
from tests.bench.comparison import Comparison
from tests.bench.ranking import ndcg, recall

SIZE = 20
"""Number of results that recall is measured on."""
QUERIES = Path(__file__).parent.parent / "samples" / "search" / "queries.jsonl"
SOURCES = ("ocs", "ocs-wholesale", "aglc", "sqdc")
_NDCG_RANK = 10
_WORST_SHOWN = 10
_MAX_GRADE = 3
# The split whose queries are not shown, so that nothing is tuned on them.
_UNSEEN = "unseen"
_FUSED = "all together"
_RETRIEVERS = ("lexical", "dense_multilingual", "dense", "attributes")
Ranker = Callable[[Any], Sequence[str]]
"""Returns product ids, best first, from a search result."""


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query with its relevant products by SKU and grade: 1 marginal, 2 good, 3 ideal."""

    q: str
    language: str
    relevant: Mapping[str, int]
    kind: str = ""
    split: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class RankedQuery:
    """A judged query with the product ids that a ranker returned for it."""

    query: JudgedQuery
    ids: Sequence[str]

    @property
    def ndcg(self) -> float:
        """NDCG@10 of the ranking."""
        return ndcg(self.ids, self.query.relevant, k=_NDCG_RANK)


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], queries: Path = QUERIES
) -> list[Comparison]:
    """Return the metrics of each retriever and of their fusion; raises ValueError for bad files."""
    judged = read_judgments(queries)
    sync_sample_catalogue()
    from catalog.models import Product
    from catalog.search import SearchQuery, search_products

    product_ids = _product_ids_by_number()
    unknown = {sku.strip("_") for query in judged for sku in query.relevant} - set(product_ids)
    judged = [
        replace(query, relevant=_grades_by_product(query.relevant, product_ids)) for query in judged
    ]
    judged = [query for query in judged if query.relevant]
    if not judged:
        raise ValueError("No judged SKU is in the catalogue.")
    results = [
        search_products(SearchQuery(text=query.q, products=Product.objects.current()))
        for query in judged
    ]
    for _ in range(rounds):
        advance()
    rankers: dict[str, Ranker] = {
        _FUSED: lambda result: [candidate.id for candidate in result.candidates],
        **{retriever: _ranker_of(retriever) for retriever in _RETRIEVERS},
    }
    rankings = {
        name: [
            RankedQuery(query, ranker(result))
            for query, result in zip(judged, results, strict=True)
        ]
        for name, ranker in rankers.items()
    }
    lines = [
        _mean(
            f"judged SKUs that the catalogue lacks: {len(unknown)}",
            [float(len(unknown))],
            unit="SKUs",
        )
    ]
    for name, ranked in rankings.items():
        for language in LANGUAGES:
            in_language = [item for item in ranked if item.query.language == language]
            if in_language:
                lines += _language_metrics(name, language, in_language, size)
    fused = rankings[_FUSED]
    lines += _language_difference(fused)
    lines += _exact_matches(fused)
    shown = [item for item in fused if item.query.split != _UNSEEN]
    worst = sorted(shown, key=lambda item: item.ndcg)[:_WORST_SHOWN]
    lines += [_mean(f"worst: {item.query.q}", [item.ndcg]) for item in worst]
    return lines


def _language_metrics(
    name: str, language: str, ranked: Sequence[RankedQuery], size: int
) -> list[Comparison]:
    """Return NDCG and recall of a ranker; for the fusion, by split and category of query too."""
    is_fused = name == _FUSED
    lines = [
        _mean(
            f"{name}, {language}: nDCG@10",
            [item.ndcg for item in ranked],
            limit=0.8 if is_fused else None,
        ),
        _mean(
            f"{name}, {language}: recall@{size}",
            [recall(item.ids, item.query.relevant, k=size) for item in ranked],
        ),
    ]
    if is_fused:
        for split in sorted({item.query.split for item in ranked if item.query.split}):
            in_split = [item for item in ranked if item.query.split == split]
            lines += _both_metrics(f"  {split}, {language}", in_split, size)
            for category in sorted({item.query.category for item in in_split}):
                in_category = [item for item in in_split if item.query.category == category]
                lines += _both_metrics(f"  {split}, {language}, {category}", in_category, size)
    return lines


def _both_metrics(name: str, ranked: Sequence[RankedQuery], size: int) -> list[Comparison]:
    return [
        _mean(f"{name}: nDCG@10", [item.ndcg for item in ranked]),
        _mean(
            f"{name}: recall@{size}",
            [recall(item.ids, item.query.relevant, k=size) for item in ranked],
        ),
    ]


def _language_difference(ranked: Sequence[RankedQuery]) -> list[Comparison]:
    by_language = {
        language: [item.ndcg for item in ranked if item.query.language == language]
        for language in LANGUAGES
    }
    if not all(by_language.values()):
        return []
    means = [statistics.fmean(values) for values in by_language.values()]
    difference = abs(means[0] - means[1])
    return [_mean("English and French apart", [difference], limit=0.05, is_ceiling=True)]


def _exact_matches(ranked: Sequence[RankedQuery]) -> list[Comparison]:
    """Return the share of queries by name or SKU whose first result is ideal."""
    is_first = [
        bool(item.ids)
        and item.query.relevant.get(item.ids[0], 0) == max(item.query.relevant.values())
        for item in ranked
        if item.query.kind in ("name", "brand+name", "sku")
    ]
    if not is_first:
        return []
    return [_mean("exact names and numbers first", list(map(float, is_first)), limit=1.0)]


def read_judgments(path: Path) -> list[JudgedQuery]:
    """Return the judged queries of a file; raises ValueError naming the first invalid line."""
    judged = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            query = JudgedQuery(
                q=str(values["q"]),
                language=values["language"],
                relevant=dict(values["relevant"].items()),
                kind=str(values.get("kind", "")),
                split=str(values.get("split", "")),
                category=str(values.get("category", "")),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"line {number}: q, language and relevant (grade by SKU) are required ({error})"
            ) from error
        grades = list(query.relevant.values())
        has_valid_grades = all(type(g) is int and 0 <= g <= _MAX_GRADE for g in grades)
        if query.language not in LANGUAGES or not any(grades) or not has_valid_grades:
            raise ValueError(
                f"line {number}: language is en or fr, grades are 0 to {_MAX_GRADE},"
                " and at least one SKU is relevant"
            )
        judged.append(query)
    if not judged:
        raise ValueError("The file has no queries.")
    return judged


def sync_sample_catalogue() -> None:
    """Sync all sample sources, match duplicates and index, unless there are products already."""
    from catalog.models import CatalogSource, Product
    from catalog.pipelines import pipeline_for
    from catalog.services.duplicates import match_products
    from catalog.services.search_vocabulary import refresh_search_words
    from mlops.pipelines.runner import run_source
    from tests.samples.suppliers.server import SampleSupplier
    from vectors.index.write import index_due_rows

    if Product.objects.exists():
        return
    supplier = SampleSupplier()
    threading.Thread(target=supplier.serve_forever, daemon=True).start()
    CatalogSource.objects.update(requests_per_second=1000)
    for code in SOURCES:
        run_source(
            pipeline_for(CatalogSource.objects.get(pk=code)),
            code=code,
            base_url=f"{supplier.url}/{code}",
        )
    supplier.shutdown()
    match_products()
    refresh_search_words()
    index_due_rows()


def _product_ids_by_number() -> dict[str, set[str]]:
    """
    Return product ids by SKU, GTIN and external id of any source, with and without padding.

    A number stands for all products of the same brand, name and size: matching leaves listings of
    different sources apart where a name says too little, and a customer sees one product in them.
    """
    from catalog.models import Product, ProductAlias, SupplierListing

    aliases = dict(ProductAlias.objects.values_list("merge_key", "product_key"))
    numbers: defaultdict[str, set[str]] = defaultdict(set)
    listings = SupplierListing.objects.values_list("merge_key", "sku", "gtin", "external_id")
    for merge_key, *listing_numbers in listings:
        numbers[aliases.get(merge_key, merge_key)].update(filter(None, listing_numbers))
    ids_by_identity: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)
    ids_by_number: defaultdict[str, list[set[str]]] = defaultdict(list)
    for product in Product.objects.current():
        identity = (
            compact_key(product.brand or ""),
            compact_key(product.name),
            product.category,
            product.weight_grams,
            product.unit_count,
        )
        ids_by_identity[identity].add(str(product.pk))
        own_numbers = {*numbers[product.merge_key], *filter(None, (product.sku, product.gtin))}
        for number in own_numbers:
            ids_by_number[number.strip("_")].append(ids_by_identity[identity])
    return {number: set().union(*ids) for number, ids in ids_by_number.items()}


def _grades_by_product(
    grades: Mapping[str, int], product_ids: Mapping[str, set[str]]
) -> dict[str, int]:
    """Return the highest grade of each product of the catalogue."""
    by_product: dict[str, int] = {}
    for number, grade in grades.items():
        for pk in product_ids.get(number.strip("_"), ()):
            by_product[pk] = max(grade, by_product.get(pk, 0))
    return by_product


def _ranker_of(retriever: str) -> Ranker:
    def ranker(result: Any) -> Sequence[str]:
        ranked = [c for c in result.candidates if retriever in c.ranks]
        return [c.id for c in sorted(ranked, key=lambda c: (c.ranks[retriever], c.id))]

    return ranker


def _mean(
    name: str,
    values: list[float],
    *,
    limit: float | None = None,
    unit: str = "",
    is_ceiling: bool = False,
) -> Comparison:
    """Return the mean of the values: a median of NDCG would hide failing queries."""
    return Comparison(
        name=name, unit=unit, limit=limit, is_ceiling=is_ceiling, ratios=[statistics.fmean(values)]
    )
