"""What is said of why a product is recommended, in both languages: facts, no praise, nothing of effects."""

from collections.abc import Mapping

from catalog.reference.labels import label

TEXTS: Mapping[str, Mapping[str, str]] = {
    "bought_before": {"en": "You bought it before", "fr": "Vous l'avez déjà acheté"},
    "new": {"en": "New in the catalogue", "fr": "Nouveau au catalogue"},
    "category": {"en": "Category: {}", "fr": "Catégorie : {}"},
    "thc_band": {"en": "THC {} %", "fr": "THC {} %"},
    "price_band": {"en": "Price {} $", "fr": "Prix {} $"},
    "same_strain": {"en": "Same strain: {}", "fr": "Même variété : {}"},
    "same_brand": {"en": "Same brand: {}", "fr": "Même marque : {}"},
    "same_strain_type": {"en": "Same type: {}", "fr": "Même type : {}"},
    "same_category": {"en": "Same category: {}", "fr": "Même catégorie : {}"},
    "shared_terpene": {"en": "Same terpene: {}", "fr": "Même terpène : {}"},
    "shared_parent": {"en": "Same parent strain: {}", "fr": "Même variété parente : {}"},
    "near_thc": {"en": "Similar THC: {} %", "fr": "THC semblable : {} %"},
    "near_cbd": {"en": "Similar CBD: {} %", "fr": "CBD semblable : {} %"},
    "same_size": {"en": "Same size: {} g", "fr": "Même format : {} g"},
    "near_price": {"en": "Similar price: {} $", "fr": "Prix semblable : {} $"},
}
_WORDS = frozenset({"category", "same_category", "same_strain_type", "shared_terpene"})
_NUMBERS = frozenset({"near_thc", "near_cbd", "same_size", "near_price"})


def text_of(kind: str, value: str, language: str) -> str:
    """Return a reason in the language, `en` or `fr`; raises KeyError for a kind that there is not."""
    if kind in _WORDS:
        value = label(value, language)
    elif kind in _NUMBERS and language == "fr":
        value = value.replace(".", ",")
    return TEXTS[kind][language].format(value)
