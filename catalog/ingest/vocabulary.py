"""Our words for what products are, and theirs in both languages."""

import re

STRAIN_TYPES = {
    "indica": "indica",
    "sativa": "sativa",
    "hybrid": "hybrid",
    "hybride": "hybrid",
    "indica dominant": "indica-dominant",
    "indica-dominant": "indica-dominant",
    "dominante indica": "indica-dominant",
    "dominance indica": "indica-dominant",
    "sativa dominant": "sativa-dominant",
    "sativa-dominant": "sativa-dominant",
    "dominante sativa": "sativa-dominant",
    "dominance sativa": "sativa-dominant",
    "blend": "blend",
    "mélange": "blend",
}

CATEGORIES = {
    "dried flower": "dried-flower",
    "flower": "dried-flower",
    "milled flower": "dried-flower",
    "concentrate": "extracts",
    "fleurs séchées": "dried-flower",
    "fleur séchée": "dried-flower",
    "pre-rolls": "pre-rolls",
    "pre-rolled": "pre-rolls",
    "préroulé": "pre-rolls",
    "préroulés": "pre-rolls",
    "vapes": "vapes",
    "extracts": "extracts",
    "concentrates": "extracts",
    "hashish": "extracts",
    "edibles": "edibles",
    "mangeable": "edibles",
    "beverages": "beverages",
    "oils": "oils",
    "oil": "oils",
    "huile": "oils",
    "capsules": "capsules",
    "topicals": "topicals",
    "seeds": "seeds",
}

# Potency of these is milligrams in the package, of all others percent by mass.
BY_MILLIGRAMS = frozenset({"edibles", "beverages", "capsules"})

# What people type or read, for the lexical index.
WORDS = {
    "dried-flower": "dried flower fleur séchée",
    "pre-rolls": "pre-roll joint préroulé",
    "vapes": "vape cartridge vapoteuse",
    "extracts": "extract concentrate hash extrait concentré",
    "edibles": "edible chew mangeable",
    "beverages": "beverage drink boisson",
    "oils": "oil huile",
    "capsules": "capsule",
    "topicals": "topical topique",
    "seeds": "seed graine",
    "indica": "indica",
    "sativa": "sativa",
    "hybrid": "hybrid hybride",
    "indica-dominant": "indica dominant dominance",
    "sativa-dominant": "sativa dominant dominance",
    "blend": "blend mélange",
}

# Words are compared without accents, and with hyphens as spaces, on the side of the rows and of the question alike.
ACCENTED, PLAIN = "àâäçéèêëîïôöùûüÿñ-", "aaaceeeeiioouuuyn "


def plain_words(text: str) -> list[str]:
    """Split into lower-case words of letters and digits without accents; each once, in order."""
    spaced = text.lower().translate(str.maketrans(ACCENTED, PLAIN))
    words = ("".join(c for c in word if c.isalnum()) for word in spaced.split())
    return list(dict.fromkeys(word for word in words if word))


_FORMS = {
    "edible": r"edible|comestible|mangeable|beverage|boisson|drink|gumm|chew|chocolat|candy|capsule|pill|softgel|tea\b|baked|bouchée|confiserie|cookie|tablet|lozenge|oral",
    "topical": r"topical|topique|bath|balm|lotion|tincture|teinture|spray|oral solution",
    "flower": r"flower|fleur|pre-?roll|préroul|joint|bud|milled|moulu|shake|raw material",
    "concentrate": r"vape|vapo|concentrat|extra[ic]t|cartridge|cartouche|wax|shatter|resin|rosin|hash|kief|dab|budder|distillat",
}


def form_of(category: str) -> str:
    """Return what a category in any source's words is for potency and size: edible, topical, flower, concentrate or ""."""
    words = category.lower()
    if re.search("infus", words) and re.search(_FORMS["flower"], words):
        return "concentrate"
    return next((form for form, pattern in _FORMS.items() if re.search(pattern, words)), "")
