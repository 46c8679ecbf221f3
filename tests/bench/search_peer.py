"""A product search written by hand, as a peer: tantivy, faiss and one query of PostgreSQL."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np

from catalog.search.facets import CBD_BANDS, PRICE_BANDS, THC_BANDS
from config.api.json_responses import render_json

_MAX_HITS = 200
_PAGE = 20
_RANK_CONSTANT = 60
_COLLECTIONS = ("product_embeddings", "product_texts")
_WORD_BOOSTS = {"name": 3.0, "name_fr": 3.0, "brand": 2.0, "attributes": 1.0}
_VALUE_FACETS = ("strain_type", "category", "brand", "terpene")
_BANDS = {"thc_percentage": THC_BANDS, "cbd_percentage": CBD_BANDS, "price": PRICE_BANDS}
_INDEXED_COLUMNS = (
    "id",
    "name",
    "name_fr",
    "brand",
    "category",
    "strain_type",
    "strain",
    "thc_percentage",
    "cbd_percentage",
    "price",
    "terpenes",
)
_PAGE_SQL = "SELECT row_to_json(p) FROM (SELECT {columns} FROM products WHERE id = ANY(%s)) AS p"


class Peer:
    """
    Search over the current products, in memory.

    Words by BM25 in tantivy, with facets of the products that match; both vector collections in
    faiss, encoded by the same encoders; reciprocal rank fusion; one query for a page of 20. Queries
    are not interpreted, corrected, translated or filtered, and nothing is explained.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        """Read products and vectors, and build the indexes. columns: of each result."""
        import faiss

        from catalog.models import Product
        from vectors.models import IndexedVector
        from vectors.search import serving_index

        self._page_sql = _PAGE_SQL.format(columns=", ".join({"id": None, **dict.fromkeys(columns)}))
        rows = list(Product.objects.current().values(*_INDEXED_COLUMNS))
        self._words = _build_word_index(rows)
        self._vectors = []
        for collection in _COLLECTIONS:
            index = serving_index(collection)
            stored = list(
                IndexedVector.objects.filter(index=index).values_list("entity_id", "vector")
            )
            matrix = np.array([np.frombuffer(vector, np.float32) for _, vector in stored])
            flat = faiss.IndexFlatIP(index.dimension)
            flat.add(matrix)
            self._vectors.append((index, flat, [str(pk) for pk, _ in stored]))

    def search(self, text: str) -> bytes:
        """Return a page of 20 products with facets, as JSON."""
        query, _ = self._words.parse_query_lenient(text, [*_WORD_BOOSTS], field_boosts=_WORD_BOOSTS)
        searcher = self._words.searcher()
        found = searcher.search(query, _MAX_HITS)
        rankings = [[searcher.doc(address)["id"][0] for _, address in found.hits]]
        rankings += [self._nearest(*collection, text) for collection in self._vectors]
        ids = _fuse(rankings)[:_PAGE]
        return render_json(
            {
                "total_count": found.count,
                "facets": searcher.aggregate(query, _AGGREGATIONS),
                "results": self._load_page(ids),
            }
        )

    def _nearest(self, index: Any, flat: Any, ids: Sequence[str], text: str) -> list[str]:
        from vectors.search import encode_query

        _, positions = flat.search(encode_query(index, text)[None, :], _MAX_HITS)
        return [ids[position] for position in positions[0]]

    def _load_page(self, ids: Sequence[str]) -> list[Any]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(self._page_sql, [[UUID(pk) for pk in ids]])
            rows = {row["id"]: row for (row,) in cursor.fetchall()}
        return [rows[pk] for pk in ids if pk in rows]


def _build_word_index(rows: Sequence[dict[str, Any]]) -> Any:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_text_field("id", stored=True, tokenizer_name="raw")
    for name in _WORD_BOOSTS:
        schema.add_text_field(name)
    for name in _VALUE_FACETS:
        schema.add_text_field(f"{name}_value", fast=True, tokenizer_name="raw")
    for name in _BANDS:
        schema.add_float_field(name, fast=True)
    index = tantivy.Index(schema.build())
    writer = index.writer()
    for row in rows:
        attributes = (row["category"], row["strain_type"], row["strain"], *(row["terpenes"] or ()))
        document = {
            "id": str(row["id"]),
            "name": row["name"],
            "name_fr": row["name_fr"],
            "brand": row["brand"],
            "attributes": " ".join(filter(None, attributes)),
            "strain_type_value": row["strain_type"],
            "category_value": row["category"],
            "brand_value": row["brand"],
            "terpene_value": row["terpenes"],
            **{name: None if row[name] is None else float(row[name]) for name in _BANDS},
        }
        writer.add_document(tantivy.Document(**{k: v for k, v in document.items() if v}))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return index


def _aggregations() -> dict[str, Any]:
    aggregations: dict[str, Any] = {
        name: {"terms": {"field": f"{name}_value", "size": 50}} for name in _VALUE_FACETS
    }
    for name, bounds in _BANDS.items():
        ranges = [
            {"from": float(low)} | ({"to": float(high)} if high is not None else {})
            for low, high in zip(bounds, (*bounds[1:], None), strict=True)
        ]
        aggregations[name] = {"range": {"field": name, "ranges": ranges}}
    return aggregations


_AGGREGATIONS = _aggregations()


def _fuse(rankings: Sequence[Sequence[str]]) -> list[str]:
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, pk in enumerate(ranking, start=1):
            scores[pk] += 1 / (_RANK_CONSTANT + rank)
    return sorted(scores, key=lambda pk: -scores[pk])
