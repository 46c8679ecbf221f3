"""
Benchmark of the text encoder: texts per second against SentenceTransformer.encode at batch 32.

At least 3 x. Both encode the same product texts with the same reference weights on all cores.
Further lines: a single query, and the agreement of our 8-bit vectors with the reference (cosine).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from tests.bench.comparison import Comparison, measure_alternately
from tests.samples.suppliers.server import ocs_products
from vectors.encoders.download import fetch_reference
from vectors.encoders.text import MAX_TOKENS, minilm_encoder

SIZE = 512
BATCH = 32


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratio of speed for a batch and for a single query, and the agreement."""
    reference = _reference()
    encoder = minilm_encoder()
    texts = _texts(size)
    batch = Comparison(name=f"{size} texts, batch {BATCH}", limit=3.0)
    single = Comparison(name="single query", limit=8.0)
    minimum = Comparison(name="agreement, minimum", unit="cos")
    mean = Comparison(name="agreement, mean", unit="cos", limit=0.99)
    neighbors = Comparison(name="overlap of the ten nearest", unit="share", limit=0.95)
    encoder.encode(texts[:BATCH])
    expected: Any = reference.encode(texts, batch_size=BATCH)
    for number in range(rounds):
        ours, theirs = measure_alternately(
            number, lambda: encoder.encode(texts), lambda: reference.encode(texts, batch_size=BATCH)
        )
        batch.ratios.append(theirs / ours)
        query = texts[number]
        ours, theirs = measure_alternately(
            number, partial(encoder.encode, [query]), partial(reference.encode, [query])
        )
        single.ratios.append(theirs / ours)
        agreement = np.sum(encoder.encode(texts) * expected, axis=1)
        mean.ratios.append(float(agreement.mean()))
        minimum.ratios.append(float(agreement.min()))
        neighbors.ratios.append(_overlap(encoder.encode(texts), expected))
        advance()
    return [batch, single, mean, minimum, neighbors]


def _overlap(ours: Any, theirs: Any) -> float:
    """Return the mean overlap of each text's ten nearest neighbors in (n, d) and (n, d)."""
    shares = [
        len(set(a) & set(b)) / 10 for a, b in zip(_nearest(ours), _nearest(theirs), strict=True)
    ]
    return float(np.mean(shares))


def _nearest(rows: Any) -> Any:
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -2)  # less than any cosine
    return np.argsort(-similarity, axis=1)[:, :10].tolist()


def _reference() -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as models

    folder = settings.MODELS_DIR / "reference"
    source = folder / "source"
    if not source.exists():
        Path(folder).mkdir(parents=True, exist_ok=True)
        source = fetch_reference(folder)
    transformer = models.Transformer(str(source), max_seq_length=MAX_TOKENS)
    pooling = models.Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    return SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device="cpu")


def _texts(size: int) -> list[str]:
    names = [
        " ".join(
            (
                product["title"],
                product["vendor"],
                *(tag.split("--")[-1] for tag in product["tags"][:4]),
            )
        )
        for product in ocs_products()
    ]
    return [
        f"{names[number % len(names)]} {number // len(names) or ''}".strip()
        for number in range(size)
    ]
