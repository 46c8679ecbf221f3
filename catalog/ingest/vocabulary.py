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
    "accessories": "accessories",
    "accessoires": "accessories",
    "other": "other",  # said by staff only, never guessed
}

# Where no exact word is known: each category by the words that speak of it ...
_CATEGORY_WORDS = {
    "accessories": r"accessor|accessoire|\bgear\b|apparel|batter(?:y|ies)|merch|parapherna",
    "seeds": r"\bseeds?\b|graines?\b",
    "pre-rolls": r"pre-?\s?roll|pr[eé]-?roul|joints?\b|cones?\b|blunt|cigarette",
    "vapes": r"\bvap[eo]|vapoteu|cartridge|cartidge|cartouche|disposable",
    "topicals": r"topical|topique|\bbath|balm|lotion|\bcream|salve",
    "beverages": r"beverage|boisson|drink|\bteas?\b|\bthés?\b|soda",
    "capsules": r"capsule|softgel|\bpills?\b|g[eé]lule",
    "edibles": r"edible|comestible|mangeable|gumm|chew|chocolat|cand(?:y|ies)|baked|cookie|confiserie|snack|bouch[eé]e"
    r"|lozenge|dressing|soup|spread|\bsalt\b",
    "extracts": r"concentr|extra(?:it|ct)|\bwax\b|shatter|resin|r[eé]sine|rosin|hash|kief|budder|crumble|distill|\brso\b"
    r"|\bdabs?\b|diamonds?\b",
    "oils": r"\boils?\b|huile|tincture|teinture|sublingual|oral spray",
    "dried-flower": r"flower|fleur|\bbuds?\b|milled|moulu|\bshake\b|\bgrind\b",
}
# ... and which of two is the narrower word: "Edibles, Drink" is a beverage, "Concentrate, Oil" an extract.
_NARROWER = {
    "pre-rolls": {"dried-flower", "extracts", "edibles"},
    "vapes": {"extracts", "oils"},
    "beverages": {"edibles"},
    "capsules": {"edibles", "oils"},
    "topicals": {"oils", "extracts"},
}


def category_of(text: str) -> str | None:
    """Return our word for a source's category, in any of its words; None when it says none or several."""
    words = " ".join(text.replace("_", " ").lower().split())
    if words in CATEGORIES:
        return CATEGORIES[words]
    found = [category for category, pattern in _CATEGORY_WORDS.items() if re.search(pattern, words)]
    if words.startswith("concentr") and "oils" in found:
        found.remove("oils")
    narrowest = [c for c in found if set(found) - {c} <= _NARROWER.get(c, set())]
    return narrowest[0] if len(narrowest) == 1 else None


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
    "accessories": "accessory accessoire",
    "other": "",
    "indica": "indica",
    "sativa": "sativa",
    "hybrid": "hybrid hybride",
    "indica-dominant": "indica dominant dominance",
    "sativa-dominant": "sativa dominant dominance",
    "blend": "blend mélange",
}

_ACCENTED, _PLAIN = "àâäçéèêëîïôöùûüÿñ-", "aaaceeeeiioouuuyn "


def plain_words(text: str) -> list[str]:
    """Split into lower-case words of letters and digits without accents; each once, in order."""
    spaced = text.lower().translate(str.maketrans(_ACCENTED, _PLAIN))
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
