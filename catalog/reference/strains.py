"""Strain table: laboratory means of terpenes, claimed parents, reported effects (staff only)."""

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
    """Reference data of a strain; terpenes strongest first."""

    key: str
    name: str
    strain_type: str | None = None
    terpenes: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    flavors: tuple[str, ...] = ()


def name_key(name: str) -> str:
    """Return the key of a name: lower-case letters and digits without accents."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", plain)


@cache
def strains() -> dict[str, Strain]:
    """Return strains by key; breeders' claims of parents take precedence over others."""
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
            key = name_key(row["name"])
            strain = known.get(key, Strain(key, row["name"]))
            known[key] = replace(strain, parents=_split(row["parents"]))
    return known


@cache
def alias_groups() -> tuple[tuple[str, ...], ...]:
    """Return groups of keys that name the same strain, the usual name first."""
    return tuple(tuple(dict.fromkeys(map(name_key, names))) for names in names_of_strains())


@cache
def names_of_strains() -> tuple[tuple[str, ...], ...]:
    """Return the names of each strain that has several, the usual name first."""
    with ALIASES.open(newline="") as file:
        return tuple(
            tuple(dict.fromkeys((row["name"], *_split(row["aliases"]))))
            for row in csv.DictReader(file)
        )


def strain_flavors(name: str) -> tuple[str, ...]:
    """Return the reported flavors of a strain, by its name; sensory words, no claims."""
    strain = strains().get(name_key(name))
    return strain.flavors if strain else ()


@cache
def alias_names() -> dict[str, tuple[str, ...]]:
    """Return the other names of a strain, by the key of each of its names."""
    aliases: dict[str, tuple[str, ...]] = {}
    for names in names_of_strains():
        for name in names:
            key = name_key(name)
            aliases[key] = tuple(other for other in names if name_key(other) != key)
    return aliases


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
