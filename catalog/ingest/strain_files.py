"""Files of strains, a line of JSON each, as operators have them."""

import json
from collections.abc import Mapping
from typing import Any

from catalog.ingest.cleaning.types import read_strain_type
from catalog.models import ImportedStrain
from catalog.reference.strains import Strain, fold
from catalog.reference.terpenes import terpene_key
from mlops.pipelines.errors import RecordRejected

_LONGEST_NAME = 100


def read_strain(line: str) -> Strain:
    """
    Read {"name", "type"?, "effects"?, "flavors"?, "parents"?, "main_terpene"?, "terpenes_pct"?: {name: percent}}.

    Raises RecordRejected: no JSON object, no name, a list that is none, a type that is none.
    """
    try:
        told = json.loads(line)
    except ValueError:
        raise RecordRejected("is not JSON") from None
    if not isinstance(told, dict):
        raise RecordRejected("is not an object")
    name = " ".join(str(told.get("name") or "").split())
    key = fold(name)
    if not key or len(name) > _LONGEST_NAME:
        raise RecordRejected("is missing or longer than 100 characters", "name")
    return Strain(
        key=key,
        name=name,
        strain_type=read_strain_type(str(told["type"])) if told.get("type") else None,
        terpenes=_terpenes(told),
        parents=_texts(told, "parents"),
        effects=_texts(told, "effects"),
        flavors=_texts(told, "flavors"),
    )


def row_of(strain: Strain, *, source: str) -> ImportedStrain:
    """Return the strain as a row."""
    return ImportedStrain(
        key=strain.key,
        name=strain.name,
        strain_type=strain.strain_type,
        terpenes=list(strain.terpenes),
        parents=list(strain.parents),
        effects=list(strain.effects),
        source=source,
    )


def _terpenes(told: Mapping[str, Any]) -> tuple[str, ...]:
    percents = told.get("terpenes_pct") or {}
    if not isinstance(percents, dict):
        raise RecordRejected("is not an object", "terpenes_pct")
    measured = sorted(percents, key=lambda name: -float(percents[name] or 0))[:5]
    named = measured or [told.get("main_terpene") or ""]
    return tuple(dict.fromkeys(key for name in named if (key := terpene_key(str(name)))))


def _texts(told: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = told.get(field) or []
    if not isinstance(value, list) or not all(
        isinstance(text, str) and len(text) <= _LONGEST_NAME for text in value
    ):
        raise RecordRejected("is not a list of short texts", field)
    return tuple(dict.fromkeys(" ".join(text.split()) for text in value if text.strip()))
