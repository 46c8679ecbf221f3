"""Stock reader: words and quantities of a stock column, in English and French."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from catalog.ingest.cleaning.numbers import (
    MAX_TEXT_LENGTH,
    NUMBER,
    normalize_text,
    normalize_value,
    read_number,
)
from mlops.pipelines.errors import RecordRejected

_FIELD = "in_stock"
# Words without accents.
_IN_STOCK_WORDS = frozenset({
    "in stock", "instock", "in-stock", "available", "yes", "true", "y", "limited", "low",
    "low stock", "limited stock", "limited quantity", "limited availability", "few left",
    "last units", "on hand", "active", "en stock", "en inventaire", "disponible", "disponibles",
    "oui", "vrai", "o", "limite", "limitee", "faible", "stock faible", "stock limite",
    "quantite limitee", "quantites limitees", "inventaire faible", "dernieres unites",
    "derniers articles", "bientot epuise", "presque epuise", "almost sold out", "back in stock",
    "de retour en stock", "de retour",
})  # fmt: skip
_OUT_OF_STOCK_WORDS = frozenset({
    "out of stock", "outofstock", "out-of-stock", "oos", "sold out", "soldout", "unavailable",
    "not available", "not in stock", "no stock", "no inventory", "no", "false", "n", "none",
    "backorder", "backordered", "back order", "on backorder", "coming soon", "discontinued",
    "delisted", "inactive", "temporarily unavailable", "temporarily out of stock", "en rupture",
    "rupture", "en rupture de stock", "rupture de stock", "epuise", "epuisee", "epuises",
    "epuisees", "indisponible", "indisponibles", "non disponible", "non disponibles",
    "pas en stock", "pas disponible", "aucun", "aucun stock", "aucun inventaire",
    "temporairement indisponible", "temporairement epuise", "non", "faux", "en commande",
    "a venir", "bientot disponible", "discontinue", "discontinuee", "retire", "retire du catalogue",
    "hors stock",
})  # fmt: skip
_QUANTITY_WORDS = frozenset({
    "qty", "quantity", "qte", "quantite", "stock", "inventory", "inventaire", "on hand",
    "only", "just", "last", "reste", "restant", "il reste", "il en reste", "plus que",
    "il ne reste que", "seulement",
})  # fmt: skip
_PIECES = r"(?:units?|unites?|pcs?|pieces?|ea|each|items?|articles?|left|restante?s?)"
_QUANTITY = re.compile(
    rf"(?P<sign>-\s?)?(?P<number>{NUMBER})(?P<more>\s?\+)?(?: ?{_PIECES}(?: left| restante?s)?)?"
)
_QUANTITY_WITH_WORD = re.compile(
    rf"(?:(?P<word>[^\W\d_][^\d:(]*?)\s*(?:[-:]\s*|\(\s*)?(?P<quantity>{_QUANTITY.pattern})\s*\)?"
    rf"|(?P<quantity2>{_QUANTITY.pattern.replace('?P<', '?P<second_')})\s+(?P<word2>[^\W\d_]\D*))"
)


@dataclass(frozen=True, slots=True)
class StockReading:
    """Whether a source has a product, and how much; None: not stated. flags: doubts."""

    in_stock: bool | None = None
    quantity: Decimal | None = None
    flags: tuple[str, ...] = ()


def read_stock(text: str, *, language: str = "") -> StockReading:
    """
    Read a stock column: "12", "0", "Limited", "VRAI", "In Stock - 4", "en rupture".

    A quantity above zero is in stock. Flags: "negative_quantity", "lower_bound" ("10+"),
    "leading_point". Raises RecordRejected: no value, unknown words, a word and a quantity that
    contradict each other.
    """
    if _plain(normalize_text(text[:MAX_TEXT_LENGTH])) in _OUT_OF_STOCK_WORDS:
        return StockReading(in_stock=False)  # "none" and "à venir" state something here
    normalized = _plain(normalize_value(text, field=_FIELD))
    if normalized in _IN_STOCK_WORDS:
        return StockReading(in_stock=True)
    if match := _QUANTITY.fullmatch(normalized):
        return _from_quantity(match["number"], match["sign"], match["more"], language)
    if match := _QUANTITY_WITH_WORD.fullmatch(normalized):
        return _from_word_and_quantity(match, language)
    raise RecordRejected("is not a known word for stock", _FIELD)


def _plain(normalized: str) -> str:
    """Return normalized text without accents: "EPUISÉE" and "epuisee" are one word."""
    decomposed = unicodedata.normalize("NFD", normalized)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _from_word_and_quantity(match: re.Match[str], language: str) -> StockReading:
    word = (match["word"] or match["word2"]).strip(" -:")
    if match["word"]:
        number, sign, more = match["number"], match["sign"], match["more"]
    else:
        number, sign, more = match["second_number"], match["second_sign"], match["second_more"]
    reading = _from_quantity(number, sign, more, language)
    if match["word2"] and word in _IN_STOCK_WORDS and reading.quantity == 0:
        return reading  # "0 in stock" counts; "in stock: 0" contradicts itself
    if word in _QUANTITY_WORDS or (word in _IN_STOCK_WORDS and reading.in_stock):
        return reading
    if word in _OUT_OF_STOCK_WORDS and not reading.in_stock:
        return reading
    is_known = word in _IN_STOCK_WORDS | _OUT_OF_STOCK_WORDS
    reason = "is contradicted by its quantity" if is_known else "is not a known word for stock"
    raise RecordRejected(reason, _FIELD)


def _from_quantity(number: str, sign: str | None, more: str | None, language: str) -> StockReading:
    reading = read_number(number, field=_FIELD, language=language)
    quantity = reading.value
    if sign and quantity:
        return StockReading(False, Decimal(0), ("negative_quantity",))
    flags = (*reading.flags, *(("lower_bound",) if more else ()))
    return StockReading(quantity > 0, quantity, flags)
