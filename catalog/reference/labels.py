"""Display labels of categories, strain types and terpenes in English and French."""

from collections.abc import Mapping

from catalog.reference.terpenes import terpenes

_LABELS: Mapping[str, tuple[str, str]] = {
    "dried_flower": ("dried flower", "fleurs séchées"),
    "pre_rolls": ("pre-rolls", "préroulés"),
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
    "indica_dominant": ("indica dominant", "dominance indica"),
    "sativa_dominant": ("sativa dominant", "dominance sativa"),
    "blend": ("blend", "mélange"),
}


def label(word: str, language: str) -> str:
    """Return a catalogue word in the language, "en" or "fr"; unknown words unchanged."""
    if word in _LABELS:
        english, french = _LABELS[word]
        return french if language == "fr" else english
    terpene = terpenes().get(word)
    return terpene.fr if terpene and language == "fr" else word
