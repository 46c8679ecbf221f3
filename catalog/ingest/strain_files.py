"""Strain files: one JSON object per line, imported by operators."""

import json
from collections.abc import Mapping
from typing import Any

from catalog.ingest.cleaning.types import read_strain_type
from catalog.models import ImportedStrain
from catalog.reference.strains import Strain, name_key
from catalog.reference.terpenes import terpene_key
from mlops.pipelines.errors import RecordRejected

_MAX_NAME_LENGTH = 100


def parse_strain(line: str) -> Strain:
    """
    Parse one line of JSON.

    {"name", "type"?, "effects"?, "flavors"?, "parents"?, "main_terpene"?,
    "terpenes_pct"?: {name: percent}}. Raises RecordRejected: not a JSON object, no name, a list
    field that is not a list, unknown strain type.
    """
    try:
        fields = json.loads(line)
    except ValueError:
        raise RecordRejected("is not JSON") from None
    if not isinstance(fields, dict):
        raise RecordRejected("is not an object")
    name = " ".join(str(fields.get("name") or "").split())
    key = name_key(name)
    if not key or len(name) > _MAX_NAME_LENGTH:
        raise RecordRejected("is missing or longer than 100 characters", "name")
    return Strain(
        key=key,
        name=name,
        strain_type=read_strain_type(str(fields["type"])) if fields.get("type") else None,
        terpenes=_terpenes(fields),
        parents=_texts(fields, "parents"),
        effects=_texts(fields, "effects"),
        flavors=_texts(fields, "flavors"),
    )


def to_imported_strain(strain: Strain, *, source: str) -> ImportedStrain:
    """Return the strain as an unsaved row."""
    return ImportedStrain(
        key=strain.key,
        name=strain.name,
        strain_type=strain.strain_type,
        terpenes=list(strain.terpenes),
        parents=list(strain.parents),
        effects=list(strain.effects),
        source=source,
    )


def _terpenes(fields: Mapping[str, Any]) -> tuple[str, ...]:
    percents = fields.get("terpenes_pct") or {}
    if not isinstance(percents, dict):
        raise RecordRejected("is not an object", "terpenes_pct")
    measured = sorted(percents, key=lambda name: -float(percents[name] or 0))[:5]
    names = measured or [fields.get("main_terpene") or ""]
    return tuple(dict.fromkeys(key for name in names if (key := terpene_key(str(name)))))


def _texts(fields: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = fields.get(field) or []
    if not isinstance(value, list) or not all(
        isinstance(text, str) and len(text) <= _MAX_NAME_LENGTH for text in value
    ):
        raise RecordRejected("is not a list of short texts", field)
    return tuple(dict.fromkeys(" ".join(text.split()) for text in value if text.strip()))
