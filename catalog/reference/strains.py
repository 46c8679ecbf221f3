"""Strains: terpenes by laboratory means, claimed parents, reported effects (the last for staff only)."""

import csv
import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("strains.csv")
ALIASES = Path(__file__).with_name("aliases.csv")
LINEAGES = Path(__file__).with_name("lineages.csv")


@dataclass(frozen=True, slots=True)
class Strain:
    """What is known of a strain; terpenes strongest first."""

    key: str
    name: str
    strain_type: str | None = None
    terpenes: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    flavors: tuple[str, ...] = ()


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
                key=row["key"],
                name=row["name"],
                strain_type=row["type"] or None,
                terpenes=_split(row["terpenes"]),
                parents=_split(row["parents"]),
                effects=_split(row["effects"]),
                flavors=_split(row["flavors"]),
            )
            for row in csv.DictReader(file)
        }
    with LINEAGES.open(newline="") as file:
        for row in csv.DictReader(file):
            key = fold(row["name"])
            strain = known.get(key, Strain(key, row["name"]))
            known[key] = replace(strain, parents=_split(row["parents"]))
    return known


@cache
def alias_groups() -> tuple[tuple[str, ...], ...]:
    """Return names that mean one strain, each group by folded name, the usual name first."""
    with ALIASES.open(newline="") as file:
        return tuple(
            tuple(dict.fromkeys(map(fold, (row["name"], *_split(row["aliases"])))))
            for row in csv.DictReader(file)
        )


def flavors_of(name: str) -> tuple[str, ...]:
    """Return how a strain is said to smell and taste, by its name; sensory words, no claims."""
    strain = strains().get(fold(name))
    return strain.flavors if strain else ()


@cache
def alias_names() -> dict[str, tuple[str, ...]]:
    """Return the other names of a strain by each of its names, folded."""
    found = {}
    with ALIASES.open(newline="") as file:
        for row in csv.DictReader(file):
            names = tuple(dict.fromkeys((row["name"], *_split(row["aliases"]))))
            found.update(
                {
                    fold(name): tuple(other for other in names if fold(other) != fold(name))
                    for name in names
                }
            )
    return found


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
