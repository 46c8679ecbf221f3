"""Search at 1,000,000 generated products in PostgreSQL: median at most 80 ms, in the process.

`--products` chooses another number. Names and brands are combined from those of the sample
catalogue, so that a word is in the same share of products as there. The judged queries are
interpreted, matched, counted by facet, ranked, and a page of 20 is read. Their texts are encoded,
and compared with the vectors of the sample products; what Milvus takes for a collection of that
many vectors is measured apart, for `--vectors` vectors (0: none) of 768 dimensions.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from django.db import connection

from tests.bench.comparison import Comparison, measure_seconds
from tests.bench.search_quality import QUERIES, read_judgments, sync_sample_catalogue

SIZE = 1_000_000
"""Products."""
_LIMIT_MS = 80.0
_PAGE = 20
_WARM_UP = 20
_MAX_QUERIES = 120
_MAX_NAMES = 20_000
_DIMENSION = 768
_LISTS, _PROBES = 128, 10
"""Of a new IVF index, as builds begin with."""
_MAX_HITS = 200
_VECTOR_QUERIES = 20
_INSERT_BATCH = 5_000
_CLUSTERS = 1_000
_SEED = 20261129
_INDEXES = """
SELECT index.relname, pg_get_indexdef(index.oid)
FROM pg_index JOIN pg_class index ON index.oid = indexrelid
WHERE indrelid = 'products'::regclass AND NOT indisunique AND NOT indisprimary
"""
# The sample products with their numbers, all and by category.
_SAMPLE = """
CREATE TEMP TABLE sample AS
SELECT p.*, row_number() OVER (ORDER BY merge_key) - 1 AS number, count(*) OVER () AS total,
  row_number() OVER (PARTITION BY category ORDER BY merge_key) - 1 AS place,
  count(*) OVER (PARTITION BY category) AS places,
  regexp_split_to_array(name, ' ') AS words,
  regexp_split_to_array(coalesce(name_fr, name), ' ') AS words_fr
FROM products p WHERE merged_into_id IS NULL
"""
# Names with the first words of one name and the last of another of its category.
_NAMES = """
CREATE TEMP TABLE names AS
SELECT row_number() OVER () - 1 AS place, number, name, name_fr,
  setweight(search_vector(concat_ws(' ', name, name_fr)), 'A') AS document
FROM (
  SELECT a.number,
    array_to_string(a.words[:(1 + cardinality(a.words)) / 2]
      || c.words[1 + cardinality(c.words) / 2:], ' ') AS name,
    array_to_string(a.words_fr[:(1 + cardinality(a.words_fr)) / 2]
      || c.words_fr[1 + cardinality(c.words_fr) / 2:], ' ') AS name_fr
  FROM generate_series(0, %(names)s - 1) n
  JOIN sample a ON a.number = n %% a.total
  JOIN sample c ON c.category IS NOT DISTINCT FROM a.category
    AND c.place = (a.place + 31 * (n / a.total)) %% a.places) combined
"""
# Products of these names with the brand of any sample product; all else is of the first name's.
_GENERATE = """
INSERT INTO products (
  merge_key, name, name_fr, brand, sku, category, strain_type, strain, thc_percentage,
  thc_percentage_low, thc_percentage_high, cbd_percentage, cbd_percentage_low, cbd_percentage_high,
  thc_mg, cbd_mg, mg_basis, weight_grams, volume_ml, unit_count, price, terpenes, lineage, source,
  created_at, updated_at, search_document)
SELECT 'scale:' || n, v.name, v.name_fr, b.brand, 'SC' || n, a.category, a.strain_type, a.strain,
  a.thc_percentage, a.thc_percentage_low, a.thc_percentage_high, a.cbd_percentage,
  a.cbd_percentage_low, a.cbd_percentage_high, a.thc_mg, a.cbd_mg, a.mg_basis, a.weight_grams,
  a.volume_ml, a.unit_count, a.price + n %% 7, a.terpenes, a.lineage, a.source,
  now() - n * interval '20 seconds', now() - n * interval '10 seconds',
  v.document || ts_filter(b.search_document, '{b}') || ts_filter(a.search_document, '{c,d}')
FROM (
  SELECT n, n %% v.total AS place, (n * 7919::bigint + n / b.total) %% b.total AS number
  FROM generate_series(1, %(products)s) n,
    (SELECT count(*) AS total FROM names) v, (SELECT count(*) AS total FROM sample) b) chosen
JOIN names v ON v.place = chosen.place
JOIN sample a ON a.number = v.number
JOIN sample b ON b.number = chosen.number
"""
# A word is in the same share of products as in the sample; counting the words of a million names
# takes minutes.
_COUNT_WORDS = """
UPDATE search_words SET documents = documents
  * (SELECT count(*) FROM products WHERE merged_into_id IS NULL)
  / (SELECT documents FROM search_words WHERE word = '')
"""


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], vectors: int | None = None
) -> list[Comparison]:
    """Return milliseconds of searches, of their statements, and of vector searches in Milvus."""
    generate(size)
    queries = [judged.q for judged in read_judgments(QUERIES)]
    queries = queries[:: max(1, len(queries) // _MAX_QUERIES)]
    for query in queries[:_WARM_UP]:
        search(query)
    name = f"{size:,} products, words and facets, in the process"
    median = Comparison(name=f"{name}, p50", unit="ms", limit=_LIMIT_MS, is_ceiling=True)
    slowest = Comparison(name=f"{name}, p99", unit="ms")
    statements = Comparison(name="of it, waiting for PostgreSQL, p50", unit="ms")
    for number in range(rounds):
        times, waits = [], []
        for query in queries[number::rounds]:
            waited = _StatementTimer()
            with connection.execute_wrapper(waited):
                times.append(1000 * measure_seconds(lambda query=query: search(query)))  # type: ignore[misc]
            waits.append(1000 * waited.seconds)
        median.ratios.append(statistics.median(times))
        slowest.ratios.append(float(np.percentile(times, 99)))
        statements.ratios.append(statistics.median(waits))
        advance()
    count = size if vectors is None else vectors
    return [median, slowest, statements, *(_measure_milvus(count) if count else ())]


class _StatementTimer:
    """Adds up the seconds of statements."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.seconds += time.perf_counter() - started


def generate(products: int) -> None:
    """Create the catalogue: the sample with its vectors, and generated products without."""
    sync_sample_catalogue()
    with connection.cursor() as cursor:
        # Triggers would record a change of each product.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(_SAMPLE)
        cursor.execute(_NAMES, {"names": min(products, _MAX_NAMES)})
        cursor.execute("ANALYZE sample; ANALYZE names")
        # An index over all rows at once takes a fraction of the time of one row after the other.
        cursor.execute(_INDEXES)
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute(_GENERATE, {"products": products})
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for _name, definition in indexes:
            cursor.execute(definition)
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE products")
        cursor.execute(_COUNT_WORDS)


def search(text: str) -> int:
    """Search for a text with all facets and read a page; return the number of matches."""
    from catalog.api.search_rows import columns_of, serialize_results
    from catalog.audiences import SEARCHED_PRODUCT_FIELDS
    from catalog.models import Product
    from catalog.search import FACET_NAMES, SearchQuery, search_products
    from catalog.selectors.products import product_rows
    from config.api.json_responses import render_json
    from config.api.keys import Audience

    fields = [
        name for name, needed in SEARCHED_PRODUCT_FIELDS.items() if needed <= Audience.VERIFIED
    ]
    result = search_products(
        SearchQuery(text=text, products=Product.objects.current(), facets=FACET_NAMES)
    )
    ids = [UUID(candidate.id) for candidate in result.candidates[:_PAGE]]
    rows = product_rows(ids, columns_of(fields))
    results = serialize_results(
        [rows[pk] for pk in ids], fields, query_words=result.parsed.words, candidates={}
    )
    render_json({"facets": result.facets, "results": results})
    return result.total_count


def _measure_milvus(count: int) -> list[Comparison]:
    """Write generated vectors to a collection as the index does, and search it."""
    from vectors.store import CollectionSchema, store

    name = f"scale_{uuid4().hex[:6]}"
    store().create_collection(
        name, CollectionSchema(_DIMENSION, {}), index_type="IVF_FLAT", nlist=_LISTS
    )
    random = np.random.default_rng(_SEED)
    centers = random.standard_normal((_CLUSTERS, _DIMENSION)).astype(np.float32)

    def unit_vectors(number: int) -> Any:
        rows = centers[random.integers(0, _CLUSTERS, number)]
        rows = rows + 0.7 * random.standard_normal((number, _DIMENSION)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    for start in range(0, count, _INSERT_BATCH):
        vectors = unit_vectors(min(_INSERT_BATCH, count - start))
        rows = [{"id": str(uuid4()), "content_hash": ""} for _ in vectors]
        store().upsert(name, rows, vectors, dimension=_DIMENSION)
    store().flush(name)
    times = []
    for vector in unit_vectors(_VECTOR_QUERIES):
        started = time.perf_counter()
        store().search(name, vector, limit=_MAX_HITS, nprobe=_PROBES)
        times.append(1000 * (time.perf_counter() - started))
    store().drop(name)
    title = f"{count:,} vectors of {_DIMENSION} in Milvus, {_MAX_HITS} nearest"
    return [Comparison(name=f"{title}, p50", unit="ms", ratios=[statistics.median(times)])]
