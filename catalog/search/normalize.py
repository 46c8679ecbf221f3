"""Text as it is compared: lower-case letters and digits without accents, in PostgreSQL and here alike."""

import re
import unicodedata

# What joins words in French is no part of them: l'agrume, d'orange.
_ELISION = re.compile(r"\b(?:[ldjnsmtc]|qu)'(?=[a-z])")
_LIGATURES = str.maketrans(
    {"œ": "oe", "æ": "ae", "’": "'", "‘": "'", "`": "'", "\u00a0": " ", "\u202f": " "}
)

# Words that carry no meaning for a product, in both languages; "the" is tea in French and nothing in English.
_EMPTY = """
a an and any are as at but by can do for from give have i in is it me my of on or our please show some something
anything than that the their them there these this those to want we what which with you your looking find need au aux
avec c ce ces cette d dans de des donne du elle en est et il j je l la le les leur ma mes moi mon ne nous ou par plait
pour qu que quel quelle qui quoi s se sil sont sur te tu un une veux vous y cherche voudrais aimerais quelque chose
produit produits product products cannabis weed pot stuff item items good bon bonne best meilleur meilleurs like comme
same type sorte kind style avoir gout saveur flavor flavour flavored flavoured aroma arome aromes taste tasting smell
smelling notes note odeur strain strains variete varietes terpene terpenes high low rich riche riches eleve elevee
haut haute faible dominant dominante dominance mais pas trop tres not very too no sans under over moins plus sent
smells senteur
"""
STOP_WORDS = frozenset(_EMPTY.split())


def folded(text: str) -> str:
    """Return lower-case text without accents; punctuation stays. Characters that are no letters of ours become blanks."""
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LIGATURES)).lower()
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return "".join(c if c.isascii() and c.isprintable() else " " for c in kept)


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, each once: `L'agrume` → agrume, `Grower's` → growers."""
    plain = _ELISION.sub("", folded(text)).replace("'", "")
    return list(dict.fromkeys(re.findall(r"[a-z0-9]+", plain)))


def key_of(text: str) -> str:
    """Return the words of a text run together, for comparing whole names: `OS.HYBRID` → oshybrid."""
    return re.sub(r"[^a-z0-9]", "", folded(text))
