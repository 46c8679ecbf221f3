"""Strains: terpenes by laboratory means, claimed parents, reported effects (the last for staff only)."""

import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("strains.csv")


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
    """Return the table by key."""
    with TABLE.open(newline="") as file:
        return {
            row["key"]: Strain(
                row["key"], row["name"], _split(row["terpenes"]), _split(row["parents"]), _split(row["effects"])
            )
            for row in csv.DictReader(file)
        }


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
