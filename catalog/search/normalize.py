"""Text normalization: lower-case letters and digits without accents, as `search_text` in SQL."""

import re
import unicodedata
from functools import lru_cache

# French elisions are not part of the word: l'agrume, d'orange.
_ELISION = re.compile(r"\b(?:[ldjnsmtc]|qu)'(?=[a-z])")
_WORDS = re.compile(r"[a-z0-9]+")
_LIGATURES = str.maketrans(
    {"œ": "oe", "æ": "ae", "’": "'", "‘": "'", "`": "'", "\u00a0": " ", "\u202f": " "}
)

# Stop words of both languages; "the" is tea in French, but English queries are more frequent.
_STOP_WORDS_TEXT = """
a an and any are as at but by can do for from give have i in is it me my of on or our please show
some something anything than that the their them there these this those to want we what which with
you your looking find need au aux avec c ce ces cette d dans de des donne du elle en est et il j je
l la le les leur ma mes moi mon ne nous ou par plait pour qu que quel quelle qui quoi s se sil sont
sur te tu un une veux vous y cherche voudrais aimerais quelque chose produit produits product
products cannabis weed pot stuff item items good bon bonne best meilleur meilleurs like comme same
type sorte kind style avoir gout saveur flavor flavour flavored flavoured aroma arome aromes taste
tasting smell smelling notes note odeur strain strains variete varietes terpene terpenes high low
rich riche riches eleve elevee haut haute faible dominant dominante dominance mais pas trop tres
not very too no sans under over moins plus sent smells senteur whats got get gimme gonna wanna
would could should will be being been am was were has had did does doing done who whom when where
why how here help hi hello hey bonjour allo salut thanks thank merci svp stp pls plz just really
quite kinda sorta maybe also only even around about near into onto out up off so such then if
whether however buy buying purchase order sell selling carry carrying stock available option
options choice recommend recommendation suggest suggestion gave today tonight right now yours yall
guys folks dude one ones thing things everything nothing without never neither nor either other
except votre vos ton ta tes notre nos toi lui eux elles ils suis es sommes etes etais etait ete
etre ai avons avez ont aviez auriez aurais aurait aurez peux peut pouvez pourrais pourriez veut
voulez voudrait cherchez recherche besoin faut faudrait montre montrez montrer donnez donner trouve
trouver acheter achete vends vendez vendre disponible disponibles recommande recommandez suggere
suggerez conseille conseillez choses truc trucs affaire affaires autre autres aucun aucune ni
jamais sauf autour environ vers chez donc alors puis ben bin pis faque icitte bas aussi juste
vraiment beaucoup peu ici tout tous toute toutes t kekchose pantoute co inc ltd ltee
"""
STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())


# Names of the same products are normalized for every query: uncached, a tenth of its time.
@lru_cache(20_000)
def normalize_text(text: str) -> str:
    """Return lower-case ASCII text without accents; characters beyond ASCII become blanks."""
    if text.isascii() and text.isprintable():
        return text.lower().replace("`", "'")
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_LIGATURES)).lower()
    base_characters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return "".join(c if c.isascii() and c.isprintable() else " " for c in base_characters)


def words_of(text: str) -> list[str]:
    """Return the distinct words of a text in order: `L'agrume` → agrume, `Grower's` → growers."""
    normalized = normalize_text(text)
    if "'" in normalized:
        normalized = _ELISION.sub("", normalized).replace("'", "")
    return list(dict.fromkeys(_WORDS.findall(normalized)))


def compact_key(text: str) -> str:
    """Return letters and digits only, for comparing whole names: `OS.HYBRID` → oshybrid."""
    return re.sub(r"[^a-z0-9]", "", normalize_text(text))
