"""Terpene table: keys, names in both languages, aliases, aromas."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rapidfuzz import fuzz, process

from catalog.reference.strains import name_key

_MIN_RATIO = 70
_MAX_SUGGESTIONS = 3
# Without them "β-pinene" would be the alpha form, which is meant where no letter is stated.
_GREEK_LETTERS = str.maketrans({"α": "alpha-", "β": "beta-", "δ": "delta-", "γ": "gamma-"})
TABLE = Path(__file__).with_name("terpenes.csv")


@dataclass(frozen=True, slots=True)
class Terpene:
    """A terpene with its aromas in both languages (sensory words, no claims)."""

    key: str
    fr: str
    aromas_en: str
    aromas_fr: str
    aliases: tuple[str, ...] = ()


@cache
def terpenes() -> dict[str, Terpene]:
    """Return the terpenes by key."""
    return {
        row["key"]: Terpene(
            row["key"],
            row["fr"],
            row["aromas_en"],
            row["aromas_fr"],
            tuple(row["aliases"].split("|")) if row["aliases"] else (),
        )
        for row in _rows()
    }


def terpene_key(name: str) -> str | None:
    """Return the key of a terpene named in English or French ("β-pinène"); None when unknown."""
    return _by_alias().get(name_key(name.lower().translate(_GREEK_LETTERS)))


def suggest_terpenes(name: str) -> list[str]:
    """Return the keys of up to three terpenes spelled like a name, the most similar first."""
    similar = process.extract(
        name_key(name), list(_by_alias()), scorer=fuzz.ratio, limit=None, score_cutoff=_MIN_RATIO
    )
    keys = dict.fromkeys(_by_alias()[alias] for alias, _ratio, _index in similar)
    return list(keys)[:_MAX_SUGGESTIONS]


@cache
def _by_alias() -> dict[str, str]:
    return {
        name_key(alias): row["key"]
        for row in _rows()
        for alias in (row["key"], row["fr"], *row["aliases"].split("|"))
        if alias
    }


def _rows() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
