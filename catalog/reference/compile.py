"""Rebuild strains.csv: `python -m catalog.reference.compile --labs CSV [CSV …] --kushy CSV`."""

import argparse
import csv
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from catalog.reference.strains import TABLE, name_key

MIN_SAMPLES = 3
_TERPENES = {
    "beta-Myrcene": "myrcene",
    "delta-Limonene": "limonene",
    "beta-Caryophyllene": "caryophyllene",
    "Linalool": "linalool",
    "alpha-Pinene": "pinene",
    "beta-Pinene": "beta-pinene",
    "alpha-Humulene": "humulene",
    "Terpinolene": "terpinolene",
    "alpha-Bisabolol": "bisabolol",
    "Guaiol": "guaiol",
    "Camphene": "camphene",
}
# Percent by mass below which a terpene does not characterize a strain.
_MIN_PERCENT = 0.05
_NOT_EFFECTS = {"dry mouth", "dry eyes", "dizzy", "paranoid", "anxious", "headache", "null", ""}


def main() -> None:
    """Write the table beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labs", nargs="+", type=Path, required=True)
    parser.add_argument("--kushy", type=Path, required=True)
    options = parser.parse_args()
    means, names = _laboratory_means(options.labs)
    kushy = _kushy(options.kushy, names)
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["key", "name", "type", "terpenes", "samples", "parents", "effects", "flavors"]
        )
        for key in sorted(names):
            terpenes, samples = means.get(key, ([], 0))
            if terpenes or kushy.parents.get(key) or kushy.effects.get(key):
                lists = (kushy.parents, kushy.effects, kushy.flavors)
                row = [
                    "|".join(terpenes),
                    samples or "",
                    *("|".join(facts.get(key, [])) for facts in lists),
                ]
                writer.writerow([key, names[key], kushy.types.get(key, ""), *row])


@dataclass
class _KushyFacts:
    """Facts of Kushy's table, by strain key."""

    types: dict[str, str] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    effects: dict[str, list[str]] = field(default_factory=dict)
    flavors: dict[str, list[str]] = field(default_factory=dict)


def _laboratory_means(files: list[Path]) -> tuple[dict[str, tuple[list[str], int]], dict[str, str]]:
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    counts: dict[str, int] = defaultdict(int)
    names: dict[str, str] = {}
    for file in files:
        with file.open(newline="") as handle:
            for row in csv.DictReader(handle):
                name = re.split(r"\s+-|\(|#", row["Sample Name"])[0].strip()
                if not row["Sample Type"].startswith("Flower") or len(name_key(name)) < 4:
                    continue
                values = {key: float(row[column] or 0) for column, key in _TERPENES.items()}
                if not 0.2 < sum(values.values()) < 8:  # untested, or labeled flower by mistake
                    continue
                key = name_key(name)
                names.setdefault(key, name)
                counts[key] += 1
                for terpene, value in values.items():
                    sums[key][terpene] += value
    means = {}
    for key, count in counts.items():
        if count >= MIN_SAMPLES:
            mean = {t: s / count for t, s in sums[key].items() if s / count >= _MIN_PERCENT}
            means[key] = (sorted(mean, key=lambda t: -mean[t])[:5], count)
    return means, names


def _kushy(file: Path, names: dict[str, str]) -> _KushyFacts:
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    by_id = {int(row["id"]): row["name"] for row in rows}
    kushy = _KushyFacts()
    for row in rows:
        key = name_key(row["name"])
        old = [int(n) for n in re.findall(r"\d+", row["crosses"] or "") if int(n)]
        parents = [by_id[new] for new in map(_current_id, old) if new in by_id]
        parent_keys = {name_key(parent) for parent in parents}
        if len(parents) == 2 and len(parent_keys) == 2 and key not in parent_keys:
            kushy.parents[key] = parents
            names.setdefault(key, row["name"])
        effects = _split_words(row["effects"])
        if effects:
            names.setdefault(key, row["name"])
            kushy.effects[key] = effects
            kushy.flavors[key] = _split_words(row["flavor"])
        # "Hybrid" is the table's default for unknown; it counts only for strains with effects.
        kind = row["type"].lower()
        if kind in ("indica", "sativa") or (kind == "hybrid" and effects):
            kushy.types[key] = kind
    return kushy


def _split_words(text: str | None) -> list[str]:
    words = (word.strip().lower() for word in (text or "").split(","))
    return list(dict.fromkeys(word for word in words if word not in _NOT_EFFECTS))


def _current_id(old: int) -> int:
    """Convert an id of the numbering used in `crosses` to a current id (see SOURCES.md)."""
    return old - (1 if old - 1 < 267 else 2 if old - 2 < 471 else 3)


if __name__ == "__main__":
    main()
