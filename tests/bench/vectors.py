"""Our vector search against faiss and bare pymilvus on clustered vectors, one thread: exact at most 1.3 x of faiss Flat.

`--size` vectors of 768 dimensions (seeded clusters). For information: faiss IVF_FLAT 128/10 and HNSW, pgvector's HNSW.
"""

import statistics
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.bench.comparing import Comparison, seconds

SIZE = 10_000
_DIMENSION, _CLUSTERS, _NEIGHBORS = 768, 200, 10
_QUERIES = 60
_SEED = 20261125
_EXACT_MOST = 50_000
"""Up to so many rows our exact path is the one that answers."""
Ask = Callable[[np.ndarray], Sequence[int]]


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of the median query, 99th percentiles in ms, and recall@10 against exact search."""
    import faiss
    from threadpoolctl import threadpool_limits

    chance = np.random.default_rng(_SEED)
    vectors = _clustered(chance, size)
    asked = _unit(
        vectors[chance.choice(size, _QUERIES, replace=False)]
        + 0.3 * _unit(chance.standard_normal((_QUERIES, _DIMENSION)))
    )
    asked = asked.astype(np.float32)
    ways = {**_faiss(vectors), **_ours(vectors), **_pgvector(vectors)}
    faiss.omp_set_num_threads(1)  # after building, which takes all the machine has
    truth = [set(np.argsort(-(vectors @ q))[:_NEIGHBORS].tolist()) for q in asked]
    times: dict[str, list[float]] = {name: [] for name in ways}
    medians: dict[str, list[float]] = {name: [] for name in ways}
    recalls: dict[str, float] = {}
    with threadpool_limits(limits=1, user_api="blas"):
        for name, ask in ways.items():
            recalls[name] = statistics.fmean(
                len(truth[n] & set(ask(q))) / _NEIGHBORS for n, q in enumerate(asked)
            )
        for _ in range(rounds):
            spent: dict[str, list[float]] = {name: [] for name in ways}
            for q in asked:  # interleaved: what else the machine does falls on all alike
                for name, ask in ways.items():
                    spent[name].append(1000 * seconds(lambda ask=ask, q=q: ask(q)))  # type: ignore[misc]
            for name in ways:
                medians[name].append(statistics.median(spent[name]))
                times[name] += spent[name]
            advance()
    lines = [
        Comparison(
            name="our exact search against faiss Flat, p50",
            is_ceiling=True,
            limit=1.3 if size <= _EXACT_MOST else None,
            ratios=[
                o / f for o, f in zip(medians["our exact"], medians["faiss Flat"], strict=True)
            ],
        ),
        Comparison(
            name="our Milvus path above bare pymilvus, p50",
            is_ceiling=True,
            limit=1.0,
            unit="ms",
            ratios=[
                o - p for o, p in zip(medians["our Milvus"], medians["bare pymilvus"], strict=True)
            ],
        ),
        Comparison(
            name="recall@10 of our exact search", unit="", limit=0.99, ratios=[recalls["our exact"]]
        ),
        Comparison(
            name="recall@10 of our Milvus path", unit="", limit=0.99, ratios=[recalls["our Milvus"]]
        ),
    ]
    for name in ways:
        lines.append(
            Comparison(
                name=f"{name}: p50 (recall {recalls[name]:.3f})", unit="ms", ratios=medians[name]
            )
        )
        lines.append(
            Comparison(
                name=f"{name}: p99", unit="ms", ratios=[float(np.percentile(times[name], 99))]
            )
        )
    return lines


def _unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _clustered(chance: np.random.Generator, size: int) -> np.ndarray:
    centers = _unit(chance.standard_normal((_CLUSTERS, _DIMENSION)))
    spread = _unit(chance.standard_normal((size, _DIMENSION)))
    rows: np.ndarray = _unit(centers[chance.integers(0, _CLUSTERS, size)] + 0.6 * spread).astype(
        np.float32
    )
    return rows


def _faiss(vectors: np.ndarray) -> dict[str, Ask]:
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

    def ask(index: Any) -> Ask:
        return lambda q: index.search(q[None, :], _NEIGHBORS)[1][0].tolist()

    return {
        "faiss Flat": ask(flat),
        "faiss IVF_FLAT 128/10": ask(ivf),
        "faiss HNSW 32/64": ask(hnsw),
    }


def _ours(vectors: np.ndarray) -> dict[str, Ask]:
    from django.conf import settings
    from pymilvus import MilvusClient

    from vectors.exact import ExactIndex
    from vectors.index.build import LEAST_RECALL
    from vectors.models import VectorIndex
    from vectors.store import Shape, store

    ids = [str(uuid.UUID(int=number)) for number in range(len(vectors))]
    places = {pk: place for place, pk in enumerate(ids)}
    held = ExactIndex(VectorIndex(collection="bench", dimension=_DIMENSION))
    held.ids, held.places, held.matrix = ids, places, vectors
    store().drop("bench")
    store().make("bench", Shape(_DIMENSION, {}), index_type="FLAT")
    rows = [{"id": pk, "content_hash": ""} for pk in ids]
    for start in range(0, len(rows), 5000):
        store().upsert(
            "bench", rows[start : start + 5000], vectors[start : start + 5000], dimension=_DIMENSION
        )
    store().flush("bench")
    assert LEAST_RECALL <= 1
    client = MilvusClient(uri=settings.MILVUS_URI)

    def bare(q: np.ndarray) -> list[int]:
        found = client.search(
            "bench",
            data=[q],
            limit=_NEIGHBORS,
            output_fields=["id"],
            search_params={"metric_type": "IP"},
            consistency_level="Bounded",
        )
        return [places[hit["id"]] for hit in found[0]]

    return {
        "our exact": lambda q: [places[hit.id] for hit in held.search(q, limit=_NEIGHBORS)[0]],
        "our Milvus": lambda q: [
            places[hit.id] for hit in store().search("bench", q, limit=_NEIGHBORS)
        ],
        "bare pymilvus": bare,
    }


def _pgvector(vectors: np.ndarray) -> dict[str, Ask]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute("DROP TABLE IF EXISTS bench_vectors")
        cursor.execute(f"CREATE TABLE bench_vectors (id int PRIMARY KEY, v vector({_DIMENSION}))")
        with cursor.copy("COPY bench_vectors FROM STDIN") as copy:
            for place, vector in enumerate(vectors):
                copy.write_row((place, _told(vector)))
        cursor.execute(
            "SET maintenance_work_mem = '3GB'"
        )  # the graph of 100,000 in memory: a spilled one takes hours
        cursor.execute("CREATE INDEX ON bench_vectors USING hnsw (v vector_ip_ops)")
        cursor.execute("SET hnsw.ef_search = 64")

    def ask(q: np.ndarray) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM bench_vectors ORDER BY v <#> %s::vector LIMIT {_NEIGHBORS}",
                [_told(q)],
            )
            return [pk for (pk,) in cursor.fetchall()]

    return {"pgvector HNSW": ask}


def _told(vector: np.ndarray) -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"
