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
    "accessories": r"accessor|accessoire|\bgear\b|apparel|batter(?:y|ie)|\bpiles?\b|merch"
    r"|parapherna|\bpapers?$|papiers? |\bpipes?\b|\bbongs?\b|grinder|\bmoulins?\b|lighters?\b"
    r"|briquet|\btrays?\b|plateau|\brigs?\b|\btools?\b|outils?\b|\bholders?\b|roll tubes?\b|ashtray"
    r"|cendrier|\bempty\b|\bvides?\b|[àa] rouler(?<!pr[êe]t [àa] rouler)|(?:flower|herbs?) vapori"
    r"|vaporisateurs? (?:pour|[àa]) ",
    "seeds": r"\bseeds?\b|graines?\b|semences?\b",
    "pre_rolls": r"pre-?\s?roll|pr[eé]-?roul|joints?\b(?!\s*(?:&|and|et)?\s*(?:muscle|relief|pain))"
    r"|c[oô]nes?\b|blunt|cigarettes?\b(?! [eé]lectron)",
    "vapes": r"\bvap(?!or?isateurs? (?:oral|buccal))[eoi]|cartridge|cartidge|cartouche|\bcarts?\b"
    r"|disposable|\be-?cig|cigarettes? [eé]lectron|electronic cig|\bvpens?\b|\b510\b|all-in-one"
    r"|tout-en-un|closed[ -]loop|\bpods?$",
    "topicals": r"topical|topique|\bbath|\bbains?\b|balm|\bbaumes?\b|lotion|salve|transdermal"
    r"|massage|(?<!ice )(?<!and )(?<!& )\bcreams?\b(?! soda| bar)|cr[eè]mes?\b(?! glac| br[uû]l)"
    r"|skin ?care|soins (?:de la peau|corporels|du corps)|\bbody \w+$|lubri[cf]|\bintima?te?\b",
    "beverages": r"beverage|boisson|drink|\bteas?\b|\bthés?\b|soda|sparkling|p[eé]tillant|gazeu"
    r"|kombucha|seltzer|tisane|coffee|\bcaf[eé]s?\b|lemonade|limonade|\bjuices?\b|\bjus\b",
    "capsules": r"capsule|soft ?gel|\bpills?\b|g[eé]lule|\btablets?\b|comprim[eé]",
    "edibles": r"edible|comestible|mangeable|gumm|chew|chocolat|cand(?:y|ies)|baked|cookie|bonbon"
    r"|jujube|confiserie|confection|snack|bouch[eé]e|lozenge|dressing|soup|spread|\bsalt\b|biscuit"
    r"|boulangerie|^mints?$|^menthes?$|^caramels?$|ice cream|cr[eè]mes? glac|cannabutter"
    r"|infused butter|beurre infus",
    "extracts": r"concentr|extra(?:it|ct)|\bwax\b|shatter|resin|r[eé]sine|rosin|hasc?h|kief"
    r"|budder|badder|crumble|distill|\brso\b|\bdab(?:s|bables?)?\b|diamonds?\b|diamants?\b|colophane|isolat"
    r"|solventless|sans solvant",
    "oils": r"\boils?\b|huile|tincture|teinture|sublingual|oral spray|oral solution"
    r"|or(?:al |o)mucosal|\bdrops?\b|gouttes?\b|(?:vaporisateur|atomiseur)s? (?:oral|buccal)",
    "dried_flower": r"flower|fleur|dried cannabis|cannabis s[eé]ch[eé]|\bbuds?\b|milled|moulu"
    r"|\bshake\b|\bgrind\b|pr[êe]ts? [àa] rouler|ready[ -]to[ -]roll|bourgeons?\b",
}
# ... and precedence between two matches: "Edibles, Drink" is a beverage.
_TAKES_PRECEDENCE_OVER = {
    "accessories": set(_CATEGORY_WORDS),
    "pre_rolls": {"dried_flower", "extracts", "edibles"},
    "vapes": {"extracts", "oils", "beverages"},
    "beverages": {"edibles"},
    "capsules": {"edibles", "oils"},
    "topicals": {"oils", "extracts"},
}
# Food and bath products of an extract or a tea: "Live Rosin Gummies", but not "Rosin, Gummies".
_MADE_OF = {"edibles": {"extracts"}, "topicals": {"beverages"}}
_SEVERAL = re.compile(r"[,&+/;]|\b(?:and|et|or|ou)\b|\bedible|comestible|mangeable")


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
    made_of = {} if _SEVERAL.search(words) else _MADE_OF
    narrowest = [
        name
        for name in matches
        if matches - {name} <= _TAKES_PRECEDENCE_OVER.get(name, set()) | made_of.get(name, set())
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

_FORM_OF_CATEGORY = {
    "edibles": "edible",
    "beverages": "edible",
    "capsules": "edible",
    "topicals": "topical",
    "dried_flower": "flower",
    "pre_rolls": "flower",
    "vapes": "concentrate",
    "extracts": "concentrate",
}


@lru_cache(maxsize=4096)
def product_form(category: str) -> str:
    """Return the form of a supplier's category: edible, topical, flower, concentrate or ""."""
    words = category.lower()
    if re.search("infus", words) and re.search(_FORMS["flower"], words):
        return "concentrate"
    form = next((form for form, pattern in _FORMS.items() if re.search(pattern, words)), "")
    return form or _FORM_OF_CATEGORY.get(find_category(category) or "", "")
