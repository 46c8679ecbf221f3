"""Texts of recommendation reasons in both languages: facts without promotion or effects."""

from collections.abc import Mapping

from catalog.reference.labels import label

REASON_TEXTS: Mapping[str, Mapping[str, str]] = {
    "previously_purchased": {"en": "You bought it before", "fr": "Vous l'avez déjà acheté"},
    "new_arrival": {"en": "New in the catalogue", "fr": "Nouveau au catalogue"},
    "category": {"en": "Category: {}", "fr": "Catégorie : {}"},
    "thc_band": {"en": "THC {} %", "fr": "THC {} %"},
    "price_band": {"en": "Price {} $", "fr": "Prix {} $"},
    "same_strain": {"en": "Same strain: {}", "fr": "Même variété : {}"},
    "same_brand": {"en": "Same brand: {}", "fr": "Même marque : {}"},
    "same_strain_type": {"en": "Same type: {}", "fr": "Même type : {}"},
    "same_category": {"en": "Same category: {}", "fr": "Même catégorie : {}"},
    "shared_terpene": {"en": "Same terpene: {}", "fr": "Même terpène : {}"},
    "shared_parent": {"en": "Same parent strain: {}", "fr": "Même variété parente : {}"},
    "similar_thc": {"en": "Similar THC: {} %", "fr": "THC semblable : {} %"},
    "similar_cbd": {"en": "Similar CBD: {} %", "fr": "CBD semblable : {} %"},
    "same_size": {"en": "Same size: {} g", "fr": "Même format : {} g"},
    "similar_price": {"en": "Similar price: {} $", "fr": "Prix semblable : {} $"},
}
_LABELLED = frozenset({"category", "same_category", "same_strain_type", "shared_terpene"})
_NUMERIC = frozenset({"similar_thc", "similar_cbd", "same_size", "similar_price"})


def reason_text(reason_type: str, value: str, language: str) -> str:
    """Return a reason in a language, `en` or `fr`. Raises KeyError: unknown reason type."""
    if reason_type in _LABELLED:
        value = label(value, language)
    elif reason_type in _NUMERIC and language == "fr":
        value = value.replace(".", ",")
    return REASON_TEXTS[reason_type][language].format(value)
