"""Compile strains.csv anew: `python -m catalog.reference.compile --labs CSV [CSV …] --kushy CSV`."""

import argparse
import csv
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from catalog.reference.strains import TABLE, fold

LEAST_SAMPLES = 3
_TERPENES = {
    "beta-Myrcene": "myrcene", "delta-Limonene": "limonene", "beta-Caryophyllene": "caryophyllene",
    "Linalool": "linalool", "alpha-Pinene": "pinene", "beta-Pinene": "beta-pinene", "alpha-Humulene": "humulene",
    "Terpinolene": "terpinolene", "alpha-Bisabolol": "bisabolol", "Guaiol": "guaiol", "Camphene": "camphene",
}  # fmt: skip
# Marks a share of the total below which a terpene says little about a strain.
_LEAST_PERCENT = 0.05
_NOT_EFFECTS = {"dry mouth", "dry eyes", "dizzy", "paranoid", "anxious", "headache", "null", ""}


def main() -> None:
    """Write the table beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labs", nargs="+", type=Path, required=True)
    parser.add_argument("--kushy", type=Path, required=True)
    options = parser.parse_args()
    means, names = _means(options.labs)
    told = _kushy(options.kushy, names)
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["key", "name", "type", "terpenes", "samples", "parents", "effects", "flavors"]
        )
        for key in sorted(names):
            terpenes, samples = means.get(key, ([], 0))
            if terpenes or told.parents.get(key) or told.effects.get(key):
                lists = (told.parents, told.effects, told.flavors)
                row = [
                    "|".join(terpenes),
                    samples or "",
                    *("|".join(facts.get(key, [])) for facts in lists),
                ]
                writer.writerow([key, names[key], told.types.get(key, ""), *row])


@dataclass
class _Told:
    """What Kushy's table tells of strains, by key."""

    types: dict[str, str] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    effects: dict[str, list[str]] = field(default_factory=dict)
    flavors: dict[str, list[str]] = field(default_factory=dict)


def _means(files: list[Path]) -> tuple[dict[str, tuple[list[str], int]], dict[str, str]]:
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    counts: dict[str, int] = defaultdict(int)
    names: dict[str, str] = {}
    for file in files:
        with file.open(newline="") as handle:
            for row in csv.DictReader(handle):
                name = re.split(r"\s+-|\(|#", row["Sample Name"])[0].strip()
                if not row["Sample Type"].startswith("Flower") or len(fold(name)) < 4:
                    continue
                values = {ours: float(row[theirs] or 0) for theirs, ours in _TERPENES.items()}
                if (
                    not 0.2 < sum(values.values()) < 8
                ):  # untested, or not a flower whatever the label says
                    continue
                key = fold(name)
                names.setdefault(key, name)
                counts[key] += 1
                for terpene, value in values.items():
                    sums[key][terpene] += value
    means = {}
    for key, count in counts.items():
        if count >= LEAST_SAMPLES:
            mean = {t: s / count for t, s in sums[key].items() if s / count >= _LEAST_PERCENT}
            means[key] = (sorted(mean, key=lambda t: -mean[t])[:5], count)
    return means, names


def _kushy(file: Path, names: dict[str, str]) -> _Told:
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    by_id = {int(row["id"]): row["name"] for row in rows}
    told = _Told()
    for row in rows:
        key = fold(row["name"])
        old = [int(n) for n in re.findall(r"\d+", row["crosses"] or "") if int(n)]
        found = [by_id[new] for new in map(_renumbered, old) if new in by_id]
        if len(found) == 2 and fold(found[0]) != fold(found[1]) and key not in map(fold, found):
            told.parents[key] = found
            names.setdefault(key, row["name"])
        effects = _words(row["effects"])
        if effects:
            names.setdefault(key, row["name"])
            told.effects[key], told.flavors[key] = effects, _words(row["flavor"])
        # "Hybrid" is what the table says where nobody knew, unless somebody has described the strain.
        kind = row["type"].lower()
        if kind in ("indica", "sativa") or (kind == "hybrid" and effects):
            told.types[key] = kind
    return told


def _words(text: str | None) -> list[str]:
    words = (word.strip().lower() for word in (text or "").split(","))
    return list(dict.fromkeys(word for word in words if word not in _NOT_EFFECTS))


def _renumbered(old: int) -> int:
    """Undo the shift between the numbering crosses use and today's ids (see SOURCES.md)."""
    return old - (1 if old - 1 < 267 else 2 if old - 2 < 471 else 3)


if __name__ == "__main__":
    main()
