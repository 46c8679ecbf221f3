"""Words that mean one thing in either language, for questions; and which terpenes smell of what."""

import csv
from functools import cache
from pathlib import Path

from catalog.reference.terpenes import terpenes

TABLE = Path(__file__).with_name("synonyms.csv")


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """Return each group's phrases by its key, folded; the words of one language stand beside those of the other."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {row["key"]: tuple(row["words"].split("|")) for row in csv.DictReader(file)}


@cache
def group_of() -> dict[str, str]:
    """Return the key of the group that a folded phrase belongs to."""
    return {phrase: key for key, phrases in groups().items() for phrase in phrases}


@cache
def aromas() -> dict[str, tuple[str, ...]]:
    """Return the terpenes that smell of a thing, by the key of its group."""
    found: dict[str, list[str]] = {}
    for terpene in terpenes().values():
        for word in terpene.aromas_en.split():
            key = group_of().get(word)
            if key:
                found.setdefault(key, []).append(terpene.key)
    return {key: tuple(keys) for key, keys in found.items()}
