"""Strains: terpenes by laboratory means, claimed parents, reported effects (the last for staff only)."""

import csv
import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("strains.csv")
LINEAGES = Path(__file__).with_name("lineages.csv")


@dataclass(frozen=True, slots=True)
class Strain:
    """What is known of a strain; terpenes strongest first."""

    key: str
    name: str
    terpenes: tuple[str, ...]
    parents: tuple[str, ...]
    effects: tuple[str, ...]


def fold(name: str) -> str:
    """Reduce a name to lower-case letters and digits without accents, for comparing."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", plain)


@cache
def strains() -> dict[str, Strain]:
    """Return what both tables know, by key; parents as a breeder claims them stand before other claims."""
    with TABLE.open(newline="") as file:
        known = {
            row["key"]: Strain(
                row["key"], row["name"], _split(row["terpenes"]), _split(row["parents"]), _split(row["effects"])
            )
            for row in csv.DictReader(file)
        }
    with LINEAGES.open(newline="") as file:
        for row in csv.DictReader(file):
            key = fold(row["name"])
            strain = known.get(key, Strain(key, row["name"], (), (), ()))
            known[key] = replace(strain, parents=_split(row["parents"]))
    return known


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
