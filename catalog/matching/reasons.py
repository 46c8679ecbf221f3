"""Reasons of a comparison, in English and French."""

from dataclasses import dataclass

_FRENCH = {
    "other GTIN": "autre GTIN",
    "same GTIN": "même GTIN",
    "other category": "autre catégorie",
    "other cannabinoid": "autre cannabinoïde",
    "other ratio": "autre rapport",
    "other dose": "autre dose",
    "other weight": "autre poids",
    "other volume": "autre volume",
    "other number of pieces": "autre nombre d'unités",
    "other form": "autre forme",
    "other brand": "autre marque",
    "other strain type": "autre type de variété",
    "other THC": "autre taux de THC",
    "other CBD": "autre taux de CBD",
    "other words": "autres mots",
    "an extra word": "un mot de plus",
    "same name": "même nom",
    "same name, other order": "même nom, autre ordre",
    "misspelled": "faute de frappe",
    "abbreviated": "abrégé",
    "same brand": "même marque",
    "related brand": "marque apparentée",
    "brand named": "marque nommée dans l'autre nom",
    "brand unknown": "marque inconnue",
    "same weight": "même poids",
    "same dose": "même dose",
    "same number of pieces": "même nombre d'unités",
    "size of one unknown": "format inconnu d'un côté",
    "no size known": "aucun format connu",
    "name and size disagree": "le nom et le format se contredisent",
    "pre-roll or not": "préroulé ou non",
    "infused or not": "infusé ou non",
    "type of one unknown": "type inconnu d'un côté",
    "cannabinoid of one": "cannabinoïde d'un seul côté",
    "same price": "même prix",
    "other price": "autre prix",
    "same strain": "même variété",
    "ambiguous match": "correspondance ambiguë",
    "merged by staff": "fusionné par le personnel",
    "same description confirmed": "même description confirmée",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason by its English label, with the words or figures it refers to."""

    label: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.label}: {self.detail}" if self.detail else self.label


def translate_reason(text: str, language: str) -> str:
    """Return a reason, as stored in English, in the language, "en" or "fr"."""
    label, separator, detail = text.partition(": ")
    if not language.startswith("fr"):
        return text
    return f"{_FRENCH.get(label, label)}{' : ' if separator else ''}{detail}"
