"""What the refining of listings depends on beside the bytes: rules, tables, strains, models, a list's mapping."""

import hashlib
from functools import cache
from pathlib import Path

from catalog.effects import effects_model
from catalog.ingest.sources.registry import find_source
from catalog.ingest.strains import imported_mark

_HERE = Path(__file__).parent
_RULES = (_HERE, _HERE.parent / "reference")
_LENGTH = 20


def refinery_version(code: str) -> str:
    """Return a hash over all rules and tables, and over what staff have said of the source's columns."""
    return version_of(getattr(find_source(code), "mapping_hash", ""))


def version_of(mapping_hash: str) -> str:
    """Return a hash over all rules and tables, what strains were imported, the effects model, and a mapping's hash."""
    model = effects_model()
    told = (_rules_hash(), imported_mark(), model.digest if model else "", mapping_hash)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:_LENGTH]


@cache
def _rules_hash() -> str:
    files = sorted(
        file for room in _RULES for file in room.rglob("*") if file.suffix in {".py", ".csv"}
    )
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
