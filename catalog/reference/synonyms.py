"""Words that mean one thing in either language, for questions; and which terpenes smell of what."""

import csv
from functools import cache
from pathlib import Path

from catalog.reference.strains import strains
from catalog.reference.terpenes import terpenes

TABLE = Path(__file__).with_name("synonyms.csv")


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """Return each group's phrases by its key, folded; the words of one language stand beside those of the other."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {row["key"]: tuple(row["words"].split("|")) for row in csv.DictReader(file)}


@cache
def narrower() -> dict[str, tuple[str, ...]]:
    """Return the phrases of the groups that a group's meaning takes in: a lemon is a citrus, not the other way round."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        keys = {
            row["key"]: row["narrower"].split("|")
            for row in csv.DictReader(file)
            if row["narrower"]
        }
    return {
        key: tuple(phrase for part in parts for phrase in groups()[part])
        for key, parts in keys.items()
    }


@cache
def group_of() -> dict[str, str]:
    """Return the key of the group that a folded phrase belongs to."""
    return {phrase: key for key, phrases in groups().items() for phrase in phrases}


@cache
def aromas() -> dict[str, tuple[str, ...]]:
    """Return the terpenes that smell of a thing, by the key of its group; none for what only strains are said to."""
    found: dict[str, list[str]] = {}
    for terpene in terpenes().values():
        for word in terpene.aromas_en.split():
            key = group_of().get(word)
            if key:
                found.setdefault(key, []).append(terpene.key)
    flavors = {flavor for strain in strains().values() for flavor in strain.flavors}
    found.update(
        {key: [] for key in groups() if key in flavors | set(narrower()) and key not in found}
    )
    return {key: tuple(keys) for key, keys in found.items()}
