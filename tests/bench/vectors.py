"""
Benchmark of vector search: exact search and Milvus path against faiss and bare pymilvus.

`--size` vectors of 768 dimensions in seeded clusters, one thread. Exact search takes at most 1.3 x
of faiss Flat. For information: faiss IVF_FLAT 128/10 and HNSW, and pgvector's HNSW.
"""

import statistics
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.bench.comparison import Comparison, measure_seconds

SIZE = 10_000
_DIMENSION = 768
_CLUSTERS = 200
_NEIGHBORS = 10
_QUERIES = 60
_SEED = 20261125
_MAX_EXACT_ROWS = 50_000
"""Up to this many rows, exact search is used in production and its limit applies."""
_UPSERT_BATCH_SIZE = 5_000
SearchFunction = Callable[[np.ndarray], Sequence[int]]
"""Returns the positions of the nearest vectors of one query."""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of the median query, 99th percentiles in ms, and recall@10."""
    import faiss
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(_SEED)
    vectors = _clustered_vectors(random, size)
    queries = _queries(random, vectors)
    methods = {**_faiss(vectors), **_ours(vectors), **_pgvector(vectors)}
    faiss.omp_set_num_threads(1)  # only now: building uses all cores
    truth = [set(np.argsort(-(vectors @ query))[:_NEIGHBORS].tolist()) for query in queries]
    times: dict[str, list[float]] = {name: [] for name in methods}
    medians: dict[str, list[float]] = {name: [] for name in methods}
    with threadpool_limits(limits=1, user_api="blas"):
        recalls = {
            name: statistics.fmean(
                len(expected & set(search(query))) / _NEIGHBORS
                for query, expected in zip(queries, truth, strict=True)
            )
            for name, search in methods.items()
        }
        for _ in range(rounds):
            round_times = _time_queries(methods, queries)
            for name in methods:
                medians[name].append(statistics.median(round_times[name]))
                times[name] += round_times[name]
            advance()
    return [
        *_comparisons(medians, recalls, size),
        *_informative_lines(medians, times, recalls),
    ]


def _time_queries(
    methods: dict[str, SearchFunction], queries: np.ndarray
) -> dict[str, list[float]]:
    """Return the milliseconds of each query by method; interleaved, so that load is shared."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for query in queries:
        for name, search in methods.items():
            elapsed = measure_seconds(lambda search=search, query=query: search(query))  # type: ignore[misc]
            times[name].append(1000 * elapsed)
    return times


def _comparisons(
    medians: dict[str, list[float]], recalls: dict[str, float], size: int
) -> list[Comparison]:
    exact_ratios = [
        ours / theirs
        for ours, theirs in zip(medians["our exact"], medians["faiss Flat"], strict=True)
    ]
    milvus_overhead = [
        ours - bare
        for ours, bare in zip(medians["our Milvus"], medians["bare pymilvus"], strict=True)
    ]
    return [
        Comparison(
            name="our exact search against faiss Flat, p50",
            is_ceiling=True,
            limit=1.3 if size <= _MAX_EXACT_ROWS else None,
            ratios=exact_ratios,
        ),
        Comparison(
            name="our Milvus path above bare pymilvus, p50",
            is_ceiling=True,
            limit=1.0,
            unit="ms",
            ratios=milvus_overhead,
        ),
        Comparison(
            name="recall@10 of our exact search", unit="", limit=0.99, ratios=[recalls["our exact"]]
        ),
        Comparison(
            name="recall@10 of our Milvus path", unit="", limit=0.99, ratios=[recalls["our Milvus"]]
        ),
    ]


def _informative_lines(
    medians: dict[str, list[float]], times: dict[str, list[float]], recalls: dict[str, float]
) -> list[Comparison]:
    lines = []
    for name, recall in recalls.items():
        p50 = Comparison(name=f"{name}: p50 (recall {recall:.3f})", unit="ms", ratios=medians[name])
        p99_milliseconds = float(np.percentile(times[name], 99))
        p99 = Comparison(name=f"{name}: p99", unit="ms", ratios=[p99_milliseconds])
        lines += [p50, p99]
    return lines


def _normalize(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _clustered_vectors(random: np.random.Generator, size: int) -> np.ndarray:
    centers = _normalize(random.standard_normal((_CLUSTERS, _DIMENSION)))
    spread = _normalize(random.standard_normal((size, _DIMENSION)))
    rows = _normalize(centers[random.integers(0, _CLUSTERS, size)] + 0.6 * spread)
    vectors: np.ndarray = rows.astype(np.float32)
    return vectors


def _queries(random: np.random.Generator, vectors: np.ndarray) -> np.ndarray:
    """Return vectors of the collection with noise."""
    sample = random.choice(len(vectors), _QUERIES, replace=False)
    noise = _normalize(random.standard_normal((_QUERIES, _DIMENSION)))
    queries: np.ndarray = _normalize(vectors[sample] + 0.3 * noise).astype(np.float32)
    return queries


def _faiss(vectors: np.ndarray) -> dict[str, SearchFunction]:
    import faiss

    flat = faiss.IndexFlatIP(_DIMENSION)
    flat.add(vectors)
    ivf = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(_DIMENSION), _DIMENSION, 128, faiss.METRIC_INNER_PRODUCT
    )
    ivf.train(vectors)
    ivf.add(vectors)
    ivf.nprobe = 10
    hnsw = faiss.IndexHNSWFlat(_DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
    hnsw.hnsw.efSearch = 64
    hnsw.add(vectors)

    def search_function(index: Any) -> SearchFunction:
        return lambda query: index.search(query[None, :], _NEIGHBORS)[1][0].tolist()

    return {
        "faiss Flat": search_function(flat),
        "faiss IVF_FLAT 128/10": search_function(ivf),
        "faiss HNSW 32/64": search_function(hnsw),
    }


def _ours(vectors: np.ndarray) -> dict[str, SearchFunction]:
    from django.conf import settings
    from pymilvus import MilvusClient

    from vectors.exact import ExactIndex
    from vectors.models import VectorIndex
    from vectors.store import CollectionSchema, store

    ids = [str(uuid.UUID(int=number)) for number in range(len(vectors))]
    positions = {pk: position for position, pk in enumerate(ids)}
    exact = ExactIndex(VectorIndex(collection="bench", dimension=_DIMENSION))
    exact.ids = ids
    exact.positions = positions
    exact.matrix = vectors
    store().drop("bench")
    store().create_collection("bench", CollectionSchema(_DIMENSION, {}), index_type="FLAT")
    rows = [{"id": pk, "content_hash": ""} for pk in ids]
    for start in range(0, len(rows), _UPSERT_BATCH_SIZE):
        batch = slice(start, start + _UPSERT_BATCH_SIZE)
        store().upsert("bench", rows[batch], vectors[batch], dimension=_DIMENSION)
    store().flush("bench")
    client = MilvusClient(uri=settings.MILVUS_URI)

    def search_exact(query: np.ndarray) -> list[int]:
        hits, _ = exact.search(query, limit=_NEIGHBORS)
        return [positions[hit.id] for hit in hits]

    def search_milvus(query: np.ndarray) -> list[int]:
        return [positions[hit.id] for hit in store().search("bench", query, limit=_NEIGHBORS)]

    def search_bare(query: np.ndarray) -> list[int]:
        results = client.search(
            "bench",
            data=[query],
            limit=_NEIGHBORS,
            output_fields=["id"],
            search_params={"metric_type": "IP"},
            consistency_level="Bounded",
        )
        return [positions[hit["id"]] for hit in results[0]]

    return {
        "our exact": search_exact,
        "our Milvus": search_milvus,
        "bare pymilvus": search_bare,
    }


def _pgvector(vectors: np.ndarray) -> dict[str, SearchFunction]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute("DROP TABLE IF EXISTS bench_vectors")
        cursor.execute(f"CREATE TABLE bench_vectors (id int PRIMARY KEY, v vector({_DIMENSION}))")
        with cursor.copy("COPY bench_vectors FROM STDIN") as copy:
            for position, vector in enumerate(vectors):
                copy.write_row((position, _vector_literal(vector)))
        # A graph of 100,000 vectors that does not fit into memory takes hours to build.
        cursor.execute("SET maintenance_work_mem = '3GB'")
        cursor.execute("CREATE INDEX ON bench_vectors USING hnsw (v vector_ip_ops)")
        cursor.execute("SET hnsw.ef_search = 64")

    def search(query: np.ndarray) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM bench_vectors ORDER BY v <#> %s::vector LIMIT {_NEIGHBORS}",
                [_vector_literal(query)],
            )
            return [pk for (pk,) in cursor.fetchall()]

    return {"pgvector HNSW": search}


def _vector_literal(vector: np.ndarray) -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"
