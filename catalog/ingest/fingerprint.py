"""
Fingerprint of everything that processing depends on besides the raw bytes.

Rules, reference tables, imported strains, the effects model and a sheet's column mapping: when one
changes, unchanged raw records are processed again.
"""

import hashlib
from functools import cache
from pathlib import Path

from catalog.effects import refresh_effects_model
from catalog.ingest.sources.registry import find_source
from catalog.ingest.strains import imported_strains_version

_INGEST = Path(__file__).parent
_RULE_DIRECTORIES = (_INGEST, _INGEST.parent / "reference")
_FINGERPRINT_LENGTH = 20


def processing_fingerprint(code: str) -> str:
    """Return the fingerprint of rules, tables, models and the source's column mapping."""
    return rules_fingerprint(getattr(find_source(code), "mapping_hash", ""))


def rules_fingerprint(mapping_hash: str) -> str:
    """Return the fingerprint of rules, tables, imported strains, effects model and a mapping."""
    model = refresh_effects_model()
    parts = (_rules_hash(), imported_strains_version(), model.digest if model else "", mapping_hash)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_FINGERPRINT_LENGTH]


@cache
def _rules_hash() -> str:
    files = sorted(
        file
        for directory in _RULE_DIRECTORIES
        for file in directory.rglob("*")
        if file.suffix in {".py", ".csv"}
    )
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
