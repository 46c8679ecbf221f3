"""Synonyms of search words in both languages, and the terpenes of each aroma."""

import csv
import re
from functools import cache
from pathlib import Path

from catalog.reference.strains import strains
from catalog.reference.terpenes import terpenes

TABLE = Path(__file__).with_name("synonyms.csv")
PRODUCT_WORDS = Path(__file__).with_name("product_words.csv")
_SHARED_KINDS = ("flavor", "word", "phrase")
_PHRASE = re.compile(r"[a-z0-9]+(?: [a-z0-9]+)*")


@cache
def _search_groups() -> dict[str, tuple[str, ...]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {row["key"]: tuple(row["words"].split("|")) for row in csv.DictReader(file)}


@cache
def synonym_groups() -> dict[str, tuple[str, ...]]:
    """
    Return the normalized phrases of each synonym group, of both languages, by group key.

    Flavors and other words of product names, which matching reads too, extend the groups that have
    one of their phrases, or form groups of their own.
    """
    groups = dict(_search_groups())
    key_by_phrase = {phrase: key for key, phrases in groups.items() for phrase in phrases}
    with PRODUCT_WORDS.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] in _SHARED_KINDS]
    for row in rows:
        phrases = dict.fromkeys((row["key"], *row["words"].split("|")))
        words = [phrase for phrase in phrases if _PHRASE.fullmatch(phrase)]
        key = next((key_by_phrase[word] for word in words if word in key_by_phrase), row["key"])
        unused = [word for word in words if word not in key_by_phrase]
        groups[key] = (*groups.get(key, ()), *unused)
        key_by_phrase.update(dict.fromkeys(unused, key))
    return groups


@cache
def narrower_phrases() -> dict[str, tuple[str, ...]]:
    """Return the phrases of narrower groups by group key: "citrus" includes "lemon"."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        keys = {
            row["key"]: row["narrower"].split("|")
            for row in csv.DictReader(file)
            if row["narrower"]
        }
    return {
        key: tuple(phrase for part in parts for phrase in synonym_groups()[part])
        for key, parts in keys.items()
    }


@cache
def group_by_phrase() -> dict[str, str]:
    """Return the group key of each normalized phrase."""
    return {phrase: key for key, phrases in synonym_groups().items() for phrase in phrases}


@cache
def terpenes_by_aroma() -> dict[str, tuple[str, ...]]:
    """
    Return the terpenes with an aroma, by group key.

    An aroma that is known as a flavor of strains only has none.
    """
    terpenes_by_group: dict[str, list[str]] = {}
    for terpene in terpenes().values():
        for word in terpene.aromas_en.split():
            key = group_by_phrase().get(word)
            if key:
                terpenes_by_group.setdefault(key, []).append(terpene.key)
    flavors = {flavor for strain in strains().values() for flavor in strain.flavors}
    for key in _search_groups():
        if key in flavors or key in narrower_phrases():
            terpenes_by_group.setdefault(key, [])
    return {key: tuple(keys) for key, keys in terpenes_by_group.items()}
