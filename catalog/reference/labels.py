"""Our words for kinds of products, as people read them in either language."""

from collections.abc import Mapping

from catalog.reference.terpenes import terpenes

_KINDS: Mapping[str, tuple[str, str]] = {
    "dried-flower": ("dried flower", "fleurs séchées"),
    "pre-rolls": ("pre-rolls", "préroulés"),
    "vapes": ("vapes", "vapoteuses"),
    "extracts": ("extracts", "extraits"),
    "edibles": ("edibles", "mangeables"),
    "beverages": ("beverages", "boissons"),
    "oils": ("oils", "huiles"),
    "capsules": ("capsules", "capsules"),
    "topicals": ("topicals", "produits topiques"),
    "seeds": ("seeds", "graines"),
    "accessories": ("accessories", "accessoires"),
    "other": ("other", "autre"),
    "indica": ("indica", "indica"),
    "sativa": ("sativa", "sativa"),
    "hybrid": ("hybrid", "hybride"),
    "indica-dominant": ("indica dominant", "dominance indica"),
    "sativa-dominant": ("sativa dominant", "dominance sativa"),
    "blend": ("blend", "mélange"),
}


def label(word: str, language: str) -> str:
    """Return a category, strain type or terpene of ours in the language, `en` or `fr`; other words as they are."""
    if kind := _KINDS.get(word):
        return kind[language == "fr"]
    terpene = terpenes().get(word)
    return terpene.fr if terpene and language == "fr" else word
