"""Parsing rules for types, formats, terpenes, strength, similarity and parents; both languages."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.reference.synonyms import group_by_phrase, terpenes_by_aroma
from catalog.reference.terpenes import terpenes
from catalog.search.amount_rules import TermBuilder, pattern_rule
from catalog.search.normalize import STOP_WORDS, words_of
from catalog.search.parsed_query import QueryTerm, TermMatches, TermRule, TermType

_NOT = (
    r"(?:not(?: too| very| so)?|no|without|never|isn't|non|nothing|anything but|other than"
    r"|pas(?: trop| tres| si)?(?: d[e'] ?)?|rien de(?: trop)?|sans|moins|jamais(?: de)?)"
)
_STRONG = (
    r"strong(?:est)?|potent|powerful|heavy|fort|forte|forts|fortes|puissant|puissante|costaud"
    r"|intense"
)
_MILD = (
    r"mild|light|gentle|weak|doux|douce|leger|legere|faible|low[- ]?potency|low[- ]?dose"
    r"|moderate|modere|moderee"
)
_HIGH = r"high|higher|rich|elevee?|haute?|hautes?|fort|forte|riche|strong|beaucoup"
_LOW = r"low|lower|bas|basse|faible|peu"
_CBD_DOMINANT = r"dominante?|rich|heavy|forward|riche"
_CBD_RICH = (
    rf"\b(?:(?:{_HIGH})(?: en| in)? cbd|cbd (?:{_HIGH})|cbd[- ]?(?:{_CBD_DOMINANT})"
    r"|(?:dominance|dominante?) (?:en )?cbd)\b"
)
_THC_LOW = rf"\b(?:(?:{_LOW})(?: en| in)? thc|(?:teneur|taux) (?:{_LOW}) en thc|thc (?:{_LOW}))\b"
_THC_HIGH = (
    rf"\b(?:(?:{_HIGH})(?: en| in| de)? thc|(?:teneur|taux) (?:elevee?) en thc|thc (?:{_HIGH}))\b"
)
_CHEAP = (
    r"\b(?:pas (?:trop )?chere?s?|bon marche|abordables?|economiques?|a petit prix"
    r"|petit budget|budget|cheap(?:er|est)?|inexpensive|affordable|value|bargain|moins chere?s?"
    r"|aubaine|low price)\b"
)


def _term(term_type: TermType, value: str = "") -> TermBuilder:
    return lambda m: QueryTerm(type=term_type, matched_text=m.group().strip(), value=value)


# Superlatives order the products that meet all other terms.
_THE = r"(?:\b(?:the|le|la|les|ton|ta|your|votre|vos) )?"
_STRONGEST = (
    r"strongest|most potent|most powerful|heaviest|highest (?:in )?(?:thc|potency)|most thc"
    r"|(?:le|la|les) plus (?:fort|forte|forts|fortes|puissant|puissante|puissants|puissantes)"
    r"|(?:le )?plus de thc|plus (?:haut|haute|eleve|elevee|gros)s? (?:taux|teneur) (?:de|en) thc"
    r"|(?:le |la |les )?plus (?:eleve|elevee|riche|haut|haute)s? en thc"
    r"|thc (?:le )?plus (?:eleve|haut)"
)
_WEAKEST = (
    r"weakest|mildest|lightest|least (?:strong|potent|powerful|thc)|lowest (?:in )?(?:thc|potency)"
    r"|(?:le|la|les) moins (?:fort|forte|forts|fortes|puissant|puissante|puissants|puissantes)"
    r"|(?:le|la|les) plus (?:faible|doux|douce|leger|legere)s?(?: en thc)?"
    r"|(?:le )?moins de thc|plus (?:bas|basse|faible)s? (?:taux|teneur) (?:de|en) thc"
)
_CBD_RICHEST = (
    r"highest (?:in )?cbd|most cbd|le plus de cbd"
    r"|plus (?:haut|haute|eleve|elevee)s? (?:taux|teneur) (?:de|en) cbd"
    r"|(?:le |la |les )?plus (?:riche|eleve|elevee)s? en cbd"
)
_CHEAPEST = (
    r"cheapest|least expensive|lowest pric(?:e|ed)|best price"
    r"|(?:le|la|les) moins (?:cher|chere|chers|cheres|dispendieux|dispendieuse)"
    r"|(?:le )?(?:plus bas|meilleur) prix|prix le plus bas"
    r"|(?:le|la|les) plus (?:abordable|economique)s?"
)
_DEAREST = (
    r"most expensive|priciest|dearest|highest pric(?:e|ed)"
    r"|(?:le|la|les) plus (?:cher|chere|chers|cheres|dispendieux|dispendieuse)"
)
_NONE = r"(?:sans|no|not any|without(?: any)?|zero|0|pas de|aucun|jamais de|non)"


def strength_rules() -> Iterator[TermRule]:
    """Yield rules for superlatives, strength, CBD, balanced ratios and low prices."""
    superlatives: tuple[tuple[str, TermType, str], ...] = (
        (_STRONGEST, "strength", "highest"),
        (_WEAKEST, "strength", "lowest"),
        (_CBD_RICHEST, "cbd_rich", "highest"),
        (_CHEAPEST, "cheap", "cheapest"),
        (_DEAREST, "cheap", "dearest"),
    )
    for pattern, term_type, value in superlatives:
        yield pattern_rule(rf"{_THE}\b(?:{pattern})\b", _term(term_type, value))
    yield pattern_rule(
        r"\b(?:balanced|equilibree?s?)(?! hybrid)(?: thc)?(?: ?(?:/|and|et|-) ?cbd)?\b",
        _term("ratio", "1:1"),
    )
    yield pattern_rule(_CBD_RICH, _term("cbd_rich", "high"))
    yield pattern_rule(rf"\b(?:{_NONE}[- ]thc|thc[- ](?:free|less))\b", _term("strength", "none"))
    yield pattern_rule(
        rf"\b(?:(?:{_NONE}|other than|except|excluding|anything but|sauf|tout sauf)(?: le| du)?"
        r"[- ]cbd|cbd[- ](?:free|less)|ni cbd)\b",
        lambda m: QueryTerm(
            type="cbd_rich", matched_text=m.group().strip(), value="some", is_negated=True
        ),
    )
    yield pattern_rule(_THC_LOW, _term("strength", "low"))
    yield pattern_rule(_THC_HIGH, _term("strength", "high"))
    yield pattern_rule(rf"\b{_NOT} (?:{_STRONG})\b", _term("strength", "low"))
    yield pattern_rule(rf"\b{_NOT} (?:{_MILD})\b", _term("strength", "high"))
    yield pattern_rule(rf"\b(?:plus )?(?:{_MILD})\b", _term("strength", "low"))
    yield pattern_rule(rf"\b(?:tres |very |plus |more )?(?:{_STRONG})\b", _term("strength", "high"))
    yield pattern_rule(r"\bcbd\b", _term("cbd_rich", "some"))
    yield pattern_rule(_CHEAP, _term("cheap"))


# Category phrases that no supplier uses; normalized.
_CATEGORY_PHRASES: Mapping[str, tuple[str, ...]] = {
    "dried_flower": (
        "flowers",
        "bud",
        "buds",
        "fleur",
        "fleurs",
        "cocottes",
        "cocotte",
        "cannabis seche",
        "milled",
        "pre milled",
        "moulu",
        "moulue",
        "pret a rouler",
        "ready to roll",
        "seche",
        "sechee",
        "dried cannabis",
    ),
    "pre_rolls": (
        "pre roll",
        "preroll",
        "prerolls",
        "preroules",
        "pre roule",
        "pre roules",
        "joint",
        "joints",
        "pre rolled",
        "prerolled",
        "prerolle",
        "blunt",
        "blunts",
        "doobie",
        "doobies",
        "doob",
        "doobs",
        "spliff",
        "spliffs",
    ),
    "vapes": (
        "vape",
        "cartridge",
        "cartridges",
        "cart",
        "carts",
        "vaporizer",
        "vape pen",
        "vaporisateur",
        "vaporisateurs",
        "vapoteuse",
        "vapoteuses",
        "vapoteur",
        "cartouche",
        "cartouches",
        "vapes",
        "vape pens",
        "pen",
        "pens",
        "stylo",
        "stylos",
        "dispo",
        "dispos",
        "all in one",
        "all in ones",
        "aio",
        "tout en un",
        "disposable",
        "disposables",
        "jetable",
        "jetables",
    ),
    "extracts": ("extract", "extrait", "extraits", "concentre", "concentres", "dabs"),
    "edibles": (
        "edible",
        "comestible",
        "comestibles",
        "mangeables",
        "gummies",
        "gummy",
        "jujube",
        "jujubes",
        "soft chews",
        "chews",
        "gelifies",
        "confiseries molles",
        "bonbons gelifies",
        "oursons gelifies",
        "chocolate bar",
        "chocolate bars",
        "tablette de chocolat",
        "tablettes de chocolat",
        "hard candy",
        "hard candies",
        "bonbons durs",
        "bonbon",
        "bonbons",
        "candy",
        "candies",
        "friandise",
        "friandises",
    ),
    "beverages": (
        "beverage",
        "drink",
        "drinks",
        "boisson",
        "boissons",
        "breuvage",
        "breuvages",
        "soda",
        "sodas",
        "seltzer",
        "seltzers",
        "eau petillante",
        "boisson gazeuse",
        "iced tea",
        "cold brew",
        "hot chocolate",
        "chocolat chaud",
        "cocoa",
        "cacao",
        "kombucha",
        "sparkling water",
        "eau gazeifiee",
        "the glace",
        "tea glace",
        "tea",
        "teas",
        "tisane",
        "tisanes",
        "concentre liquide",
        "concentres liquides",
    ),
    "oils": ("huiles", "tincture", "tinctures", "teinture", "teintures", "drops", "gouttes"),
    "capsules": (
        "capsule",
        "gelule",
        "gelules",
        "softgel",
        "softgels",
        "pills",
        "pilules",
        "tablets",
        "comprimes",
    ),
    "topicals": (
        "topical",
        "topique",
        "topiques",
        "lotion",
        "lotions",
        "body cream",
        "pain cream",
        "muscle cream",
        "muscle rub",
        "lubricant",
        "lube",
        "lubrifiant",
        "intimate oil",
        "huile intime",
        "bath soak",
        "sel de bain",
        "transdermal patch",
        "timbre transdermique",
        "skin care",
        "roll on",
        "hand cream",
        "creme topique",
        "balm",
        "balms",
        "ointment",
        "onguent",
        "onguents",
        "pommade",
        "pommades",
        "baume",
        "baumes",
        "salve",
        "bath bomb",
        "bath bombs",
        "bombe de bain",
        "bombes de bain",
        "bath salts",
        "sels de bain",
        "massage oil",
        "massage oils",
        "huile a massage",
        "huile de massage",
    ),
    "seeds": ("seed", "graine", "graines", "semence", "semences"),
    "accessories": (
        "accessory",
        "accessoire",
        "grinder",
        "grinders",
        "moulin",
        "broyeur",
        "rolling papers",
        "blunt wrap",
        "blunt wraps",
        "hemp wrap",
        "hemp wraps",
        "feuilles de chanvre",
        "papers",
        "papier a rouler",
        "papiers a rouler",
        "pipe",
        "pipes",
        "bong",
        "bongs",
        "battery",
        "batteries",
        "batterie",
        "pile",
        "piles",
        "lighter",
        "briquet",
        "rolling tray",
        "rolling trays",
        "rolling paper",
        "skins",
        "ash tray",
        "ashtray",
        "ashtrays",
        "cendrier",
        "cendriers",
        "torch",
        "torches",
        "chalumeau",
        "chalumeaux",
        "stash jar",
        "stash jars",
        "bocal",
        "dab rig",
        "dab rigs",
        "empty cones",
        "paper cones",
        "cones a rouler",
        "cones vides",
        "rolling machine",
        "allumettes",
        "dab tool",
        "dab tools",
        "outil a concentres",
        "outils a concentres",
        "plateau a rouler",
    ),
}
# Phrases that name a whole category; all other phrases of a category name a form within it, whose
# words are searched for too.
_WHOLE_CATEGORY_PHRASES_TEXT = """
flowers bud buds fleur fleurs cocottes cocotte cannabis_seche seche sechee dried_cannabis
pre_roll preroll prerolls preroules pre_roule pre_roules joint joints pre_rolled prerolled
prerolle vape vapes vaporizer vape_pen vape_pens pen pens stylo stylos doobie doobies
doob doobs spliff spliffs vaporisateur vaporisateurs vapoteuse
vapoteuses vapoteur extract extrait extraits concentre concentres dabs edible comestible
comestibles mangeables beverage drink drinks boisson boissons breuvage breuvages huiles capsule
gelule gelules softgel softgels pills pilules tablets comprimes topical topique topiques seed
graine graines semence semences accessory accessoire
"""
_WHOLE_CATEGORY_PHRASES = frozenset(_WHOLE_CATEGORY_PHRASES_TEXT.split())
# Supplier vocabulary that is too vague to be a filter.
_AMBIGUOUS_PHRASES = ("milled flower", "other", "blend", "melange", "gear")
_MAX_PHRASE_WORDS = 3


@cache
def _phrases() -> dict[str, tuple[TermType, str]]:
    """Return the normalized phrases that name a type, a category, a terpene or an aroma."""
    phrases: dict[str, tuple[TermType, str]] = {}
    for supplier_word, category in CATEGORIES.items():
        phrases[" ".join(words_of(supplier_word))] = ("category", category)
    for category, extra_phrases in _CATEGORY_PHRASES.items():
        phrases.update(dict.fromkeys(extra_phrases, ("category", category)))
    for supplier_word, strain_type in STRAIN_TYPES.items():
        phrases[" ".join(words_of(supplier_word))] = ("strain_type", strain_type)
    for strain_type in ("indica", "sativa"):
        phrases[f"{strain_type} dominante"] = ("strain_type", f"{strain_type}_dominant")
    for plural in ("indicas", "sativas", "hybrids", "hybrides"):
        phrases[plural] = ("strain_type", STRAIN_TYPES[plural[:-1]])
    for terpene in terpenes().values():
        for name in (terpene.key, terpene.fr, *terpene.aliases):
            phrases[" ".join(words_of(name))] = ("terpene", terpene.key)
    for aroma in terpenes_by_aroma():
        for phrase, group in group_by_phrase().items():
            if group == aroma:
                phrases.setdefault(phrase, ("aroma", aroma))
    for phrase in _AMBIGUOUS_PHRASES:
        phrases.pop(phrase, None)
    return phrases


def is_form_phrase(text: str) -> bool:
    """Return whether a phrase of a category names a form within it, such as "gummies"."""
    return "_".join(words_of(text)) not in _phrases_of_whole_categories()


@cache
def _phrases_of_whole_categories() -> frozenset[str]:
    return _WHOLE_CATEGORY_PHRASES | {"_".join(words_of(word)) for word in CATEGORIES}


_NEGATION_WORDS = (
    r"not|no|non|nor|neither|without|except(?: for)?|excluding|minus|never|avoid|skip|hate"
    r"|other than|anything but|everything but|all but|nothing|sans|sauf|ni|aucune?s?|jamais"
    r"|autres? qu[e']|tout sauf|excepte|hormis|hors|pas|a l'exception d[eu']|evite(?:r|z)?"
)
_NEGATION_FILLERS = (
    r"any|a|an|the|too|very|of|in|with|more|kind of|type of|d[e']|des|du|la|le|les|l'|trop|tres|en"
    r"|aux?|avec|une?|que|type"
)
_NEGATION_BEFORE = re.compile(
    rf"(?:(?<=\s)|(?<=^))(?:{_NEGATION_WORDS})[- ]+(?:(?:{_NEGATION_FILLERS})[- ]*)*$"
)
# A negation covers the alternatives behind it: "no indica or sativa".
_NEGATED_ALTERNATIVE = re.compile(rf" ?(?:,|or|nor|ou|ni) ?(?:(?:{_NEGATION_FILLERS})[- ]*)*$")
_NEGATION_BEHIND = re.compile(r"[- ]free\b")


def phrase_rule(text: str) -> TermMatches:
    """Find known phrases, the longest first; a negation beside a phrase negates its term."""
    previous_end = -1
    is_previous_negated = False
    phrases = _phrases()
    words = [(m.group(), m.start(), m.end()) for m in re.finditer(r"[a-z0-9]+", text)]
    position = 0
    while position < len(words):
        for length in range(_MAX_PHRASE_WORDS, 0, -1):
            chunk = words[position : position + length]
            phrase = " ".join(word for word, _, _ in chunk)
            if len(chunk) == length and phrase in phrases:
                break
        else:
            position += 1
            continue
        term_type, value = phrases[phrase]
        start = chunk[0][1]
        end = chunk[-1][2]
        negation = _NEGATION_BEFORE.search(text[:start])
        if not negation and is_previous_negated:
            alternative = _NEGATED_ALTERNATIVE.search(text[:start])
            negation = alternative if alternative and alternative.start() == previous_end else None
        behind = _NEGATION_BEHIND.match(text[end:])
        if negation:
            start = negation.start()
        if behind:
            end += behind.end()
        is_negated = bool(negation or behind)
        if is_negated and term_type == "category" and is_form_phrase(phrase):
            # "Not disposable" excludes a form, not all vapes.
            term_type, value = "name", phrase
        term = QueryTerm(
            type=term_type,
            matched_text=text[start:end].strip(" ,"),
            value=value,
            is_negated=is_negated,
        )
        previous_end = end
        is_previous_negated = term.is_negated
        yield start, end, term
        position += length


_WORD = r"[a-z0-9][a-z0-9'&.]*"
_NAME_END_WORDS = (
    r"but|and|mais|et|under|moins|sous|over|cheaper|plus|in|en|or|ou|with|avec|for|pour|without"
    r"|sans|not|pas|around|environ|please|svp|less|more"
)
_EXCLUDED_NAME = re.compile(
    r"(?<=\s)(?:not|no|without|except(?: for)?|excluding|other than|anything but|nothing|sans|sauf"
    r"|tout sauf|autres? qu[e']|aucune?|jamais|ni|pas|hormis|non)[- ]+"
    r"(?:(?:any|the|of|from|by|de|d'|du|des|la|le|les|une?|a|infused with|saveurs?|gout|aromes?"
    r"|flavou?rs?)[- ]*(?![a-z0-9]*$)\b ?)*"
    # A brand name of several words, which the parser replaced by a token, stands alone.
    rf"(?P<name>zz[a-z]zz|{_WORD}(?: (?!(?:{_NAME_END_WORDS}) ){_WORD}){{0,2}})(?=\s)"
)


def excluded_name_rule(text: str) -> TermMatches:
    """Find a name behind a negation, such as a brand; runs when all other terms are removed."""
    for match in _EXCLUDED_NAME.finditer(text):
        name = _without_fillers(match["name"])
        words = name.split()
        if not STOP_WORDS.issuperset(words) and not words[0].isdigit():
            term = QueryTerm(
                type="name", matched_text=match.group().strip(), value=name, is_negated=True
            )
            yield match.start(), match.end(), term


# A name ends before a conjunction, an amount or the end of the query.
_NAME = rf" ?(.+?)(?= (?:(?:{_NAME_END_WORDS}) |[$<>]|\d+(?:[.,]\d+)? ?(?:g|mg|ml|%|\$))|\s*$)"
_NAME_FILLERS_TEXT = """
a an the my your that this some le la les l un une du de des mon ma mes ce cette please svp stp
fleur flower weed strain strains variete cannabis product produit thing things one
"""
_NAME_FILLERS = frozenset(_NAME_FILLERS_TEXT.split())
_PARENT = (
    r"child(?:ren)? of|offspring of|descend(?:ed|ant|ants) (?:from|of|d[eu'])|bred from"
    r"|cross(?:es)? (?:of|with)|parent(?:ed)? (?:is|by)|enfants? d[eu']|issue? d[eu']"
    r"|croisements? (?:d[eu']|avec)|lignee d[eu']"
)
_SIMILAR_TO = (
    r"similar to|something like|anything like|products? like|strains? like|alternatives? to|like"
    r"|close to|reminds? me of|ressembl(?:e|ant|ent) a|pareil(?:le)?s? (?:a|que)|proches? d[eu']"
    r"|semblables? a|similaires? a|dans le genre d[eu']|du genre(?: d[eu'])?|quelque chose comme"
    r"|genre|comme"
)


def _name_after(term_type: TermType, lead: str) -> TermRule:
    """Return a rule for the name that follows a lead phrase."""

    def build(match: re.Match[str]) -> QueryTerm | None:
        name = _without_fillers(match[1])
        if not name:
            return None
        return QueryTerm(type=term_type, matched_text=match.group().strip(), value=name)

    return pattern_rule(rf"\b(?:{lead}){_NAME}", build)


def _without_fillers(text: str) -> str:
    """Return the words of a name without articles before it and fillers around it."""
    words = words_of(text)
    while words and words[0] in _NAME_FILLERS:
        del words[0]
    while len(words) > 1 and words[-1] in _NAME_FILLERS:
        del words[-1]
    return " ".join(words)


def name_rules() -> Iterator[TermRule]:
    """Yield rules for names: a parent strain, or a product to resemble."""
    yield _name_after("parent", _PARENT)
    yield _name_after("similar_to", _SIMILAR_TO)
