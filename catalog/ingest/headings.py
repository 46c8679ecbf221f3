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
    "brand": "brand|brand name|marque|marque de commerce|nom de la marque",
    "sku": (
        "sku|sku number|item number|item no|product number|product code|code produit|"
        "code du produit|numero d'article|no d'article|numero de produit|ugs"
    ),
    "gtin": (
        "gtin|gtin 12|gtin 13|gtin 14|upc|upc code|code upc|ean|barcode|bar code|code barres|"
        "code a barres|cup|code cup"
    ),
    "category": (
        "category|product category|type of product|categorie|categorie de produit|"
        "categorie du produit|format de produit"
    ),
    "strain_type": "strain_type|type|plant type|species|espece|type de plante|type de souche",
    "strain": "strain|cultivar|souche|variete",
    "lineage": "lineage|parents|lignee|genetics|genetique",
    "size": "size|net weight|net size|package size|format|taille|poids net|contenance",
    "unit_count": "unit_count|units|pieces|count|units per pack|unites|nombre",
    "thc": "thc|thc content|total thc|teneur en thc|thc total",
    "cbd": "cbd|cbd content|total cbd|teneur en cbd|cbd total",
    "thc_percentage": "thc_percentage",
    "thc_percentage_low": (
        "thc_percentage_low|thc min|min thc|minimum thc|thc low|thc minimum|thc minimal|"
        "teneur min en thc|teneur minimale en thc"
    ),
    "thc_percentage_high": (
        "thc_percentage_high|thc max|max thc|maximum thc|thc high|thc maximum|thc maximal|"
        "teneur max en thc|teneur maximale en thc"
    ),
    "cbd_percentage": "cbd_percentage",
    "cbd_percentage_low": (
        "cbd_percentage_low|cbd min|min cbd|minimum cbd|cbd low|cbd minimum|cbd minimal|"
        "teneur min en cbd|teneur minimale en cbd"
    ),
    "cbd_percentage_high": (
        "cbd_percentage_high|cbd max|max cbd|maximum cbd|cbd high|cbd maximum|cbd maximal|"
        "teneur max en cbd|teneur maximale en cbd"
    ),
    "thc_mg": "thc_mg|thc mg|mg thc|mg de thc",
    "cbd_mg": "cbd_mg|cbd mg|mg cbd|mg de cbd",
    "mg_basis": "mg_basis",
    "weight_grams": "weight_grams|grams|weight g|grammes|poids g",
    "volume_ml": "volume_ml|volume|ml|millilitres|milliliters",
    "dried_equivalent_grams": "dried_equivalent_grams|dried equivalent|equivalent seche",
    "price": (
        "price|retail price|unit price|selling price|msrp|price cad|prix|"
        "prix de detail|prix unitaire|prix de vente|prix cad|regular price|prix regulier|"
        "prix de detail suggere|pdsf"
    ),
    "terpenes": "terpenes|terpene|terpenes dominants",
    "effects": "effects|effets",
}
"""Spellings of each field's heading, separated by bars, without accents and signs."""

_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]")
# Units in brackets with which a column is not what its heading names: "Price (US$)", "CBD (mg/g)".
_OTHER_UNITS = {
    "price": r"\bus\b|\busd|\beur|€|£|/|\bper\b|\bpar\b|cost|co[uû]t|wholesale|gros|cents?\b",
    "thc": r"\bmg|\bg\b|ppm",
    "cbd": r"\bmg|\bg\b|ppm",
    "weight_grams": r"oz|kg|lb|mg|ml|once",
    "volume_ml": r"\bl\b|oz|cl|\bg\b|lit(?:er|re)",
}
# "Item #" is the number of an item, not the item.
_NUMBER_SIGN = re.compile(r"(?<=\w) ?#|#(?= ?\w)")

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
    """Return the field of a heading, None also where a unit in brackets is not the field's."""
    brackets = " ".join(_BRACKETS.findall(heading.lower()))
    without_unit = re.sub(rf"{_BRACKETS.pattern}|[%$]|\bcad\b", " ", heading.lower())
    field = _FIELD_BY_KEY.get(_heading_key(heading)) or _FIELD_BY_KEY.get(
        _heading_key(without_unit)
    )
    kind = (field or "").removesuffix("_low").removesuffix("_high").removesuffix("_percentage")
    other_unit = _OTHER_UNITS.get(kind)
    return None if other_unit and re.search(other_unit, brackets) else field


def _heading_key(heading: str) -> str:
    named = _NUMBER_SIGN.sub(" number ", heading.casefold().replace("\u2019", "'"))
    decomposed = unicodedata.normalize("NFKD", named)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^a-z0-9_']+", " ", plain).replace("_", " ").split())


_FIELD_BY_KEY = {
    _heading_key(spelling): field
    for field, spellings in HEADINGS.items()
    for spelling in spellings.split("|")
}
