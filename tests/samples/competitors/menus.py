"""
Menus of a file: real Weedmaps menu items, one JSON object a line, with the file of their store.

A line is a menu item (JSON:API) with `store_file`; the file may be compressed by gzip. A file
`stats.json` beside it may state the number of stores without items as `empty_store_files`.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.samples.competitors.server import SampleShop

SHOP = "menus"
MAX_ID_LENGTH = 60


def load_menus(file: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Return the items of each store by its id. Raises ValueError: not such a file."""
    menus: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    is_packed = file.suffix == ".gz"
    with gzip.open(file, "rt") if is_packed else file.open(encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            if "store_file" not in item or "attributes" not in item:
                raise ValueError(f"{file} has a line that is no menu item with a store")
            menus[store_id(item.pop("store_file"))].append(item)
    stats = file.parent / "stats.json"
    if stats.is_file():
        for number in range(json.loads(stats.read_text()).get("empty_store_files", 0)):
            menus[f"empty-{number + 1:03}"] = []
    return dict(menus)


def store_id(store_file: str) -> str:
    """Return the id of a store from the name of its file."""
    return re.sub(r"[^a-z0-9]+", "-", Path(store_file).stem.lower()).strip("-")[:MAX_ID_LENGTH]


def menu_shop(menus: Mapping[str, list[Mapping[str, Any]]]) -> SampleShop:
    """Return a shop with a location for each store."""
    items = {store: (lambda store=store: menus[store]) for store in menus}
    return SampleShop(platform="weedmaps", items=items)
