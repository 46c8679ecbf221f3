"""Catalogue vocabulary: categories, strain types, product forms, and suppliers' words for them."""

import re
from functools import lru_cache

STRAIN_TYPES = {
    "indica": "indica",
    "sativa": "sativa",
    "hybrid": "hybrid",
    "hybride": "hybrid",
    "indica dominant": "indica_dominant",
    "indica-dominant": "indica_dominant",
    "dominante indica": "indica_dominant",
    "dominance indica": "indica_dominant",
    "sativa dominant": "sativa_dominant",
    "sativa-dominant": "sativa_dominant",
    "dominante sativa": "sativa_dominant",
    "dominance sativa": "sativa_dominant",
    "blend": "blend",
    "mélange": "blend",
}

CATEGORIES = {
    "dried flower": "dried_flower",
    "flower": "dried_flower",
    "dried": "dried_flower",
    "milled flower": "dried_flower",
    "concentrate": "extracts",
    "fleurs séchées": "dried_flower",
    "fleur séchée": "dried_flower",
    "pre-rolls": "pre_rolls",
    "pre-rolled": "pre_rolls",
    "préroulé": "pre_rolls",
    "préroulés": "pre_rolls",
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
    "other": "other",  # set by staff only, never inferred
}

# Patterns of each category, for texts without an exact match ...
_CATEGORY_WORDS = {
    "accessories": r"accessor|accessoire|\bgear\b|apparel|batter(?:y|ies)|merch|parapherna"
    r"|\bpapers?$|\bpipes?$",
    "seeds": r"\bseeds?\b|graines?\b",
    "pre_rolls": r"pre-?\s?roll|pr[eé]-?roul|joints?\b|cones?\b|blunt|cigarette",
    "vapes": r"\bvap[eo]|vapoteu|cartridge|cartidge|cartouche|disposable|\be-?cig"
    r"|\bvpens?\b|\b510\b|all-in-one|tout-en-un",
    "topicals": r"topical|topique|\bbath|\bbains?\b|balm|lotion|\bcream|cr[eè]mes?\b|salve"
    r"|transdermal",
    "beverages": r"beverage|boisson|drink|\bteas?\b|\bthés?\b|soda"
    r"|sparkling|p[eé]tillant|gazeu|kombucha",
    "capsules": r"capsule|soft ?gel|\bpills?\b|g[eé]lule|\btablets?\b|comprim[eé]",
    "edibles": r"edible|comestible|mangeable|gumm|chew|chocolat|cand(?:y|ies)|baked|cookie"
    r"|bonbon|jujube|confiserie|snack|bouch[eé]e|lozenge|dressing|soup|spread|\bsalt\b",
    "extracts": r"concentr|extra(?:it|ct)|\bwax\b|shatter|resin|r[eé]sine|rosin|hash|kief|budder"
    r"|crumble|distill|\brso\b|\bdabs?\b|diamonds?\b",
    "oils": r"\boils?\b|huile|tincture|teinture|sublingual|oral spray|oral solution"
    r"|or(?:al |o)mucosal|\bdrops?\b|gouttes?\b",
    "dried_flower": r"flower|fleur|dried cannabis|cannabis s[eé]ch[eé]|\bbuds?\b|milled|moulu"
    r"|\bshake\b|\bgrind\b",
}
# ... and precedence between two matches: "Edibles, Drink" is a beverage.
_TAKES_PRECEDENCE_OVER = {
    "accessories": set(_CATEGORY_WORDS),
    "pre_rolls": {"dried_flower", "extracts", "edibles"},
    "vapes": {"extracts", "oils"},
    "beverages": {"edibles"},
    "capsules": {"edibles", "oils"},
    "topicals": {"oils", "extracts"},
}


# "10 Capsules: …, =1.13g flower" states an equivalent, not flower.
_DRIED_EQUIVALENT = re.compile(r"(?:=|;|\(|equal to)\s*[\d.,]+\s*g\s*(?:raw |dried )?flower")


@lru_cache(maxsize=4096)  # a feed has few categories and many products
def find_category(text: str) -> str | None:
    """Return the catalogue category of a supplier's text; None when it names none or several."""
    words = " ".join(_DRIED_EQUIVALENT.sub(" ", text.replace("_", " ").lower()).split())
    if words in CATEGORIES:
        return CATEGORIES[words]
    matches = {name for name, pattern in _CATEGORY_WORDS.items() if re.search(pattern, words)}
    if words.startswith("concentr"):
        matches.discard("oils")  # "Concentrate, Oil" is an extract
    narrowest = [
        name for name in matches if matches - {name} <= _TAKES_PRECEDENCE_OVER.get(name, set())
    ]
    return narrowest[0] if len(narrowest) == 1 else None


# Categories labeled in milligrams per package; all others in percent by mass.
MILLIGRAM_CATEGORIES = frozenset({"edibles", "beverages", "capsules"})

# Words of each category and strain type for the full-text index, in both languages.
SEARCH_WORDS = {
    "dried_flower": "dried flower fleur séchée",
    "pre_rolls": "pre-roll joint préroulé",
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
    "indica_dominant": "indica dominant dominance",
    "sativa_dominant": "sativa dominant dominance",
    "blend": "blend mélange",
}

_WITHOUT_ACCENTS = str.maketrans("àâäçéèêëîïôöùûüÿñ-", "aaaceeeeiioouuuyn ")


def plain_words(text: str) -> list[str]:
    """Return lower-case words of letters and digits without accents; unique, in order."""
    words = text.lower().translate(_WITHOUT_ACCENTS).split()
    plain = [word if word.isalnum() else "".join(filter(str.isalnum, word)) for word in words]
    return list(dict.fromkeys(filter(None, plain)))


_FORMS = {
    "edible": r"edible|comestible|mangeable|beverage|boisson|drink|gumm|chew|chocolat|candy|capsule"
    r"|pill|softgel|tea\b|baked|bouchée|confiserie|cookie|tablet|lozenge|oral",
    "topical": r"topical|topique|bath|balm|lotion|tincture|teinture|spray|oral solution",
    "flower": r"flower|fleur|pre-?roll|préroul|joint|bud|milled|moulu|shake|raw material",
    "concentrate": r"vape|vapo|concentrat|extra[ic]t|cartridge|cartouche|wax|shatter|resin|rosin"
    r"|hash|kief|dab|budder|distillat",
}


@lru_cache(maxsize=4096)
def product_form(category: str) -> str:
    """Return the form of a supplier's category: edible, topical, flower, concentrate or ""."""
    words = category.lower()
    if re.search("infus", words) and re.search(_FORMS["flower"], words):
        return "concentrate"
    return next((form for form, pattern in _FORMS.items() if re.search(pattern, words)), "")
