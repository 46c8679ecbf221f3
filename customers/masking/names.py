"""What people are called and written to by: names that are introduced, e-mail addresses, names in networks."""

import re
from collections.abc import Iterator

from customers.masking.normalize import Found

# --- e-mail, networks ------------------------------------------------------------------------------------------------
_LOCAL = r"[^\s@<>()\[\],;:\"\\\ue000]"
_EMAIL = re.compile(rf"(?<!{_LOCAL}){_LOCAL}+@(?:[\w-]+\.)+[\w-]*\w")
_DOMAINS = r"(?:com|ca|net|org|fr|qc|edu|gov|info|io|me|co|biz)"
_SPELLED_EMAIL = re.compile(
    rf"[\w.+-]{{1,64}}(?:\s*[(\[]\s?(?:at|arobase?|a)\s?[)\]]\s*|\s+arobase?\s+)[\w-]{{1,63}}"
    rf"(?:\s*[(\[]?\s*(?:dot|point|\.)\s*[)\]]?\s*[\w-]{{1,63}}){{0,2}}\s*[(\[]?\s*(?:dot|point|\.)\s*[)\]]?\s*{_DOMAINS}\b"
    rf"|[\w.+-]{{1,64}}\s+at\s+[\w-]{{1,63}}\s+dot\s+{_DOMAINS}\b",
    re.IGNORECASE,
)
_HANDLE = re.compile(
    r"(?<![\w@.])@(?=[\w.]*[A-Za-z])\w[\w.]{2,}"
    r"|\b(?:facebook|instagram|twitter|x|linkedin|tiktok|snapchat)\.com/[\w./-]+",
    re.IGNORECASE,
)


def emails(text: str) -> Iterator[Found]:
    """Find e-mail addresses, also as they are spelled out."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Found(match.start(), match.end(), "EMAIL")
    for match in _SPELLED_EMAIL.finditer(text):
        yield Found(match.start(), match.end(), "EMAIL")


def handles(text: str) -> Iterator[Found]:
    """Find names in social networks."""
    return (Found(match.start(), match.end(), "HANDLE") for match in _HANDLE.finditer(text))


# --- names -----------------------------------------------------------------------------------------------------------
_NOT_WORDS = """
a about after again also am an and any are around as asap at back be because but by call calling can could did do does
don't for from get got had has have he hello her here hey hi his i i'd i'll i'm if in is it it's just later like
living looking maybe me my need no not now of ok on or order our out please she so some speaking that thanks the
their there they this to today tomorrow too under up us very wanting want was we what when where which who why will
with wondering would yes you your
alors appelle au aussi aux avec bien bonjour car ce cela c'est comme dans de depuis des donc du elle en est et ici
il j'ai j'aimerais je j'habite la le les leur lui ma mais me merci mes moi mon nous on ou où par parce pas plus pour
pouvez que quel qui sa salut se ses si son suis sur très tu un une veux vos votre voudrais vous y à
"""
_NOT = frozenset(_NOT_WORDS.split())
_PARTICLE_WORDS = "de du des la le da di van von der den st st. ste saint el al bin ibn mac mc"
_PARTICLES = frozenset(_PARTICLE_WORDS.split())
_LETTERS = r"[^\W\d_][^\W\d_'.-]*(?:['.-][^\W\d_]+)*"
_NAME = rf"(?P<name>{_LETTERS}(?:\s+{_LETTERS}){{0,3}})"
_CAPITAL = r"[A-ZÀ-Þ][^\W\d_]*(?:['.-][^\W\d_]+)*"
_CAPITALS = rf"(?P<name>{_CAPITAL}(?:\s+{_CAPITAL}){{0,2}})"

_INTRODUCED = tuple(
    re.compile(rf"{words}\s+{_NAME}", re.IGNORECASE)
    for words in (
        r"\b(?:my|our|his|her|whose) (?:full |first |last |family |real )?name(?:'s| is|:)(?: spelled)?",
        r"\b(?<!product )(?<!strain )(?<!brand )(?:first|last|full|family|customer) name\s?(?:is|:)",
        r"\bthe name on (?:the|my) (?:order|card|account|licen[cs]e) is",
        r"\b(?:je m'appelle|je me nomme|je me pr[ée]nomme|moi,? c'est)",
        r"\bmon (?:nom(?: de famille| complet)?|pr[ée]nom)\s?(?:est|c'est|:)(?: le)?",
        r"\b(?:nom de famille|pr[ée]nom)\s?:",
        r"\b(?:under|in) the name(?: of)?",
        r"\bau nom d[e']\s?",
        r"\bmon (?:mari|conjoint|ami|fils|père|frère) s'appelle",
        r"\bma (?:femme|conjointe|amie|fille|mère|sœur) s'appelle",
    )
)
_CALLING = re.compile(
    rf"\b(?:this is|it's|i am|i'm|c'est|ici|je suis) {_NAME}(?=,? (?:calling|speaking|on the line|à l'appareil|qui appelle"
    r"|au t[ée]l[ée]phone))",
    re.IGNORECASE,
)
_WRITTEN = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?i:call me) {_CAPITALS}",
        rf"\b(?:I'm|I am|i'm|i am|Je suis|je suis) (?P<name>{_CAPITAL}\s+{_CAPITAL})(?=[,.!]|$|\s(?:and|et|from|de|my|mon)\b)",
        rf"(?<!\w)(?:Mr|Mrs|Ms|Dr|Mme|Mlle|MME|MR|MRS)\.?\s+{_CAPITALS}",
        rf"(?<!\w)M\.\s+{_CAPITALS}",
        rf"(?i:\b(?:regards|sincerely|cordialement|salutations|bien à vous))[,.!]?\s+{_CAPITALS}\s*$",
        rf"(?i:\b(?:thanks|thank you|merci|cheers))[,.!]?\s*\n\s*{_CAPITALS}\s*$",
    )
)


def names(text: str) -> Iterator[Found]:
    """Find names that words introduce, and each of their parts wherever else they stand."""
    found = [
        span for pattern in (*_INTRODUCED, _CALLING, *_WRITTEN) for span in _named(text, pattern)
    ]
    yield from (Found(start, end, "NAME") for start, end in found)
    for part in sorted(
        {part for start, end in found for part in text[start:end].split() if len(part) > 2}
    ):
        if part.casefold() not in _NOT | _PARTICLES:
            for match in re.finditer(rf"(?<!\w){re.escape(part)}(?!\w)", text):
                if not any(start <= match.start() < end for start, end in found):
                    yield Found(match.start(), match.end(), "NAME")


def _named(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        length = _length(match["name"])
        if length:
            yield match.start("name"), match.start("name") + length


def _length(words: str) -> int:
    """Return how many characters of these words are a name: up to the first that is none."""
    end, is_capital = 0, words[0].isupper() and not words.split()[0].isupper()
    for place, match in enumerate(re.finditer(r"\S+", words)):
        word = match[0].rstrip(".")
        is_particle = word.casefold() in _PARTICLES and place
        if not is_particle and (
            word.casefold() in _NOT or (place and is_capital and not word[0].isupper())
        ):
            break
        if not is_particle:
            end = match.start() + len(word)
    return end
