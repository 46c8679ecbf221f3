"""Texts a second of the served text encoder against SentenceTransformer.encode at batch 32; at least 2 x.

Both encode the same product texts with the same reference weights on all cores. Further lines: one query alone, and
how far our 8-bit vectors agree with the reference (cosine).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from tests.bench.comparing import Comparison, in_turn
from tests.samples.suppliers.server import ocs_products
from vectors.encoders.text import MOST_TOKENS, text_encoder
from vectors.management.commands.fetch_models import fetch_reference

SIZE = 512
BATCH = 32


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratio of speed, that of one query, and the agreement."""
    reference, encoder = _reference(), text_encoder()
    texts = _texts(size)
    batch = Comparison(name=f"{size} texts, batch {BATCH}", limit=2.0)
    alone = Comparison(name="one query alone")
    least = Comparison(name="agreement, least", unit="cos")
    mean = Comparison(name="agreement, mean", unit="cos", limit=0.98)
    encoder.encode(texts[:BATCH])
    expected: Any = reference.encode(texts, batch_size=BATCH)
    for number in range(rounds):
        ours, theirs = in_turn(number, lambda: encoder.encode(texts), lambda: reference.encode(texts, batch_size=BATCH))
        batch.ratios.append(theirs / ours)
        query = texts[number]
        ours, theirs = in_turn(number, partial(encoder.encode, [query]), partial(reference.encode, [query]))
        alone.ratios.append(theirs / ours)
        agreement = np.sum(encoder.encode(texts) * expected, axis=1)
        mean.ratios.append(float(agreement.mean()))
        least.ratios.append(float(agreement.min()))
        advance()
    return [batch, alone, mean, least]


def _reference() -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as models

    kept = settings.MODELS_DIR / "reference"
    source = kept / "source"
    if not source.exists():
        Path(kept).mkdir(parents=True, exist_ok=True)
        source = fetch_reference(kept)
    transformer = models.Transformer(str(source), max_seq_length=MOST_TOKENS)
    pooling = models.Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    return SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device="cpu")


def _texts(size: int) -> list[str]:
    names = [
        " ".join((product["title"], product["vendor"], *(tag.split("--")[-1] for tag in product["tags"][:4])))
        for product in ocs_products()
    ]
    return [f"{names[number % len(names)]} {number // len(names) or ''}".strip() for number in range(size)]
