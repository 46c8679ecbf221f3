"""Fingerprint of the rules by which a page is read: parsers, cleaning, and reference tables."""

import hashlib
from functools import cache
from pathlib import Path

import catalog.ingest
import catalog.reference
import competitors.ingest
import competitors.reference

_LENGTH = 20
_PACKAGES = (competitors.ingest, competitors.reference, catalog.ingest, catalog.reference)


@cache
def rules_fingerprint() -> str:
    """Return a version that changes when the same bytes could give other offers."""
    directories = [Path(path) for package in _PACKAGES for path in package.__path__]
    files = sorted(
        file
        for directory in directories
        for file in directory.rglob("*")
        if file.suffix in {".py", ".csv"}
    )
    content = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()[:_LENGTH]
