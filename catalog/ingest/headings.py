"""Headings of product sheets in English and French, and the field that each names."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

HEADINGS: dict[str, str] = {
    "id": "id|product id|id du produit|identifiant",
    "name": (
        "name|product name|product|item|item name|title|nom|nom du produit|produit|article|titre"
    ),
    "name_fr": "name_fr|french name|name fr|nom francais",
    "brand": "brand|brand name|marque",
    "sku": "sku|item number|item no|product code|code produit|numero d'article|no d'article|ugs",
    "gtin": "gtin|upc|ean|barcode|bar code|code barres|cup|code cup",
    "category": "category|product category|type of product|categorie|format de produit",
    "strain_type": "strain_type|type|plant type|species|espece|type de plante|type de souche",
    "strain": "strain|cultivar|souche|variete",
    "lineage": "lineage|parents|lignee|genetics|genetique",
    "size": "size|net weight|net size|package size|format|taille|poids net|contenance",
    "unit_count": "unit_count|units|pieces|count|units per pack|unites|nombre",
    "thc": "thc|thc content|total thc|teneur en thc|thc total",
    "cbd": "cbd|cbd content|total cbd|teneur en cbd|cbd total",
    "thc_percentage": "thc_percentage",
    "thc_percentage_low": "thc_percentage_low|thc min|min thc|minimum thc|thc low",
    "thc_percentage_high": "thc_percentage_high|thc max|max thc|maximum thc|thc high",
    "cbd_percentage": "cbd_percentage",
    "cbd_percentage_low": "cbd_percentage_low|cbd min|min cbd|minimum cbd|cbd low",
    "cbd_percentage_high": "cbd_percentage_high|cbd max|max cbd|maximum cbd|cbd high",
    "thc_mg": "thc_mg|thc mg|mg thc|mg de thc",
    "cbd_mg": "cbd_mg|cbd mg|mg cbd|mg de cbd",
    "mg_basis": "mg_basis",
    "weight_grams": "weight_grams|grams|weight g|grammes|poids g",
    "volume_ml": "volume_ml|volume|ml|millilitres|milliliters",
    "dried_equivalent_grams": "dried_equivalent_grams|dried equivalent|equivalent seche",
    "price": (
        "price|retail price|unit price|selling price|msrp|price cad|prix|"
        "prix de detail|prix unitaire|prix de vente|prix cad"
    ),
    "terpenes": "terpenes|terpene|terpenes dominants",
    "effects": "effects|effets",
}
"""Spellings of each field's heading, separated by bars, without accents and signs."""


_LIST_FIELDS = {
    "thc_percentage": "thc",
    "thc_percentage_low": "thc_low",
    "thc_percentage_high": "thc_high",
    "cbd_percentage": "cbd",
    "cbd_percentage_low": "cbd_low",
    "cbd_percentage_high": "cbd_high",
    "weight_grams": "size",
    "volume_ml": "size",
}
"""Field of a list, where the field of a product has another name."""


@dataclass(frozen=True, slots=True)
class MatchedHeadings:
    """Field by heading, and the headings that name no field or one that is named already."""

    fields: dict[str, str]
    unknown: list[str]


def match_headings(headings: Iterable[str]) -> MatchedHeadings:
    """Return the field of each heading, whatever its case, accents and units in brackets."""
    fields: dict[str, str] = {}
    unknown = []
    for heading in headings:
        field = _field_of(heading)
        if field is None or field in fields.values():
            unknown.append(heading)
        else:
            fields[heading] = field
    return MatchedHeadings(fields, unknown)


def suggest_columns(headings: Iterable[str], fields: Iterable[str]) -> dict[str, str]:
    """Return the first heading that names a field of a list, by field; others are left out."""
    wanted = {_heading_key(field): field for field in fields}
    suggested: dict[str, str] = {}
    for heading in headings:
        field = _field_of(heading) or heading
        found = wanted.get(_heading_key(_LIST_FIELDS.get(field, field)))
        if found:
            suggested.setdefault(found, heading)
    return suggested


def _field_of(heading: str) -> str | None:
    key = _heading_key(heading)
    without_unit = _heading_key(re.sub(r"\(.*?\)|\[.*?\]|[%$]|\bcad\b", " ", heading.lower()))
    return _FIELD_BY_KEY.get(key) or _FIELD_BY_KEY.get(without_unit)


def _heading_key(heading: str) -> str:
    decomposed = unicodedata.normalize("NFKD", heading.casefold().replace("\u2019", "'"))
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^a-z0-9_']+", " ", plain).replace("_", " ").split())


_FIELD_BY_KEY = {
    _heading_key(spelling): field
    for field, spellings in HEADINGS.items()
    for spelling in spellings.split("|")
}
