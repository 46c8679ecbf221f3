"""English texts on French pages, found by comparison with the catalogue and the English page."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import lxml.html  # type: ignore[import-untyped]  # its stubs are a package of their own
from django.utils.translation import trans_real

from mlops.privacy.retention import retention_rules

# Names of fields, columns, sections and actions: they come from the code, never from rows.
_CAPTIONS = "//label | //thead//th | //h2 | //h3 | //button | //legend | //summary | //dt"
_ICON = "material-symbols-outlined"
# Parts whose language a page states, such as what customers see in each language.
_HAS_OWN_LANGUAGE = "ancestor-or-self::*[@lang][not(self::html)]"
_SHOWN_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt")
_NOT_TEXT = ("script", "style", "noscript")
_SAME_IN_FRENCH = frozenset(
    {
        *("Action", "CBD", "CBD mg", "CBD, %", "Catalogue", "Code", "Collection"),
        *("Condition", "Conditions"),
        *(
            "Conversation",
            "Description",
            "Dimension",
            "English en",
            "Format",
            "GTIN",
            "Interactions",
        ),
        *(
            "Lots",
            "Menu",
            "Message",
            "Messages",
            "Note",
            "Options",
            "Parents",
            "Permissions",
            "Promotions",
        ),
        *("Province", "Provinces", "Robots.txt", "Segment", "Sha256", "Signature", "Source"),
        *("Sources", "Stock", "Suggestion", "THC", "THC mg", "THC, %", "Table", "Type", "URL"),
        *("Version", "Volume, ml", "Webhook", "français fr", "position", "province", "source"),
        *("stock", "temperature", "version"),
    }
)
"""Captions that are the same in both languages, names of languages and of a metric."""
_CODES = frozenset(
    {
        *("English", "brand", "category", "cbd high", "cbd low", "chat messages", "chat sessions"),
        *("consents", "critical", "drift measurements", "effects", "error", "face templates"),
        *("in stock", "lineage", "lot cbd", "lot thc", "name", "percent", "price", "producer"),
        *("products", "purchases", "recommendation", "recommendations", "retention sweeps", "size"),
        *("sku", "strain", "strain type", "succeeded", "terpenes", "thc high", "thc low"),
        *(
            "retail",
            "sample",
            "unit count",
            "unknown",
            "url",
            "warning",
            "webhook deliveries",
            "words",
        ),
    }
)
"""Names of columns, tables, rules and log levels, shown as they are written in files and calls."""
_ROW_TEXTS = frozenset({"E editor", "Human readable", "Name", "Price", "Similar products"})
"""Texts of the rows of the tests, and one that Django's schedules do not let translate."""


def untranslated_texts(english: str, french: str) -> set[str]:
    """Return the English texts of a French page, given the HTML of the page in both languages."""
    english_page, french_page = (
        lxml.html.fromstring(html or "<p></p>") for html in (english, french)
    )
    texts = {text.strip() for text in _texts(french_page)}
    captions = _captions(english_page) & _captions(french_page)
    same = {re.sub(r" \d+$", "", text) for text in captions}
    left = (texts & _translatable()) | (same - _SAME_IN_FRENCH)
    return left - _CODES - _ROW_TEXTS - {rule.name for rule in retention_rules()}


@cache
def _translatable() -> frozenset[str]:
    """Return the English texts of all applications that differ from their French."""
    catalogue: Any = trans_real.translation("fr")._catalog  # type: ignore[attr-defined]
    return frozenset(
        english
        for english, french in catalogue.items()
        if isinstance(english, str)
        and re.search(r"[A-Za-z]{3}", english)
        and french.casefold() != english.casefold()
    )


def _texts(page: Any) -> Iterator[str]:
    """Yield the texts of a page that a person reads or hears."""
    for element in page.iter():
        yield element.tail or ""
        if element.tag in _NOT_TEXT or not isinstance(element.tag, str):
            continue
        if element.xpath(_HAS_OWN_LANGUAGE):
            continue
        if _ICON not in element.get("class", ""):
            yield element.text or ""
            yield from (element.get(name, "") for name in _SHOWN_ATTRIBUTES)


def _captions(page: Any) -> set[str]:
    """Return the captions that have words, without icons, colons and marks of required fields."""
    captions = set()
    for element in page.xpath(_CAPTIONS):
        if element.xpath(_HAS_OWN_LANGUAGE):
            continue
        texts = element.xpath(f".//text()[not(ancestor::*[contains(@class, '{_ICON}')])]")
        captions.add(" ".join("".join(texts).split()).rstrip("\xa0:* "))
    return {caption for caption in captions if re.search(r"[A-Za-z]{3}", caption)}
