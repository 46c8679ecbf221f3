"""Detection of personal names, email addresses and social media handles."""

import re
from collections.abc import Iterator

from customers.masking.normalize import EntitySpan

# --- email addresses and handles ---
_LOCAL = r"[^\s@<>()\[\],;:\"\\\ue000]"
_EMAIL = re.compile(rf"(?<!{_LOCAL}){_LOCAL}+@(?:[\w-]+\.)+[\w-]*\w")
_DOMAINS = r"(?:com|ca|net|org|fr|qc|edu|gov|info|io|me|co|biz)"
_SPELLED_EMAIL = re.compile(
    r"[\w.+-]{1,64}(?:\s*[(\[]\s?(?:at|arobase?|a)\s?[)\]]\s*|\s+arobase?\s+)[\w-]{1,63}"
    r"(?:\s*[(\[]?\s*(?:dot|point|\.)\s*[)\]]?\s*[\w-]{1,63}){0,2}"
    rf"\s*[(\[]?\s*(?:dot|point|\.)\s*[)\]]?\s*{_DOMAINS}\b"
    rf"|[\w.+-]{{1,64}}\s+at\s+[\w-]{{1,63}}\s+dot\s+{_DOMAINS}\b",
    re.IGNORECASE,
)
_HANDLE = re.compile(
    r"(?<![\w@.])@(?=[\w.]*[A-Za-z])\w[\w.]{2,}"
    r"|\b(?:facebook|instagram|twitter|x|linkedin|tiktok|snapchat)\.com/[\w./-]+",
    re.IGNORECASE,
)


def detect_emails(text: str) -> Iterator[EntitySpan]:
    """Detect email addresses, also when "at" and "dot" are spelled out."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield EntitySpan(match.start(), match.end(), "EMAIL")
    for match in _SPELLED_EMAIL.finditer(text):
        yield EntitySpan(match.start(), match.end(), "EMAIL")


def detect_handles(text: str) -> Iterator[EntitySpan]:
    """Detect handles and profile addresses of social networks."""
    for match in _HANDLE.finditer(text):
        yield EntitySpan(match.start(), match.end(), "HANDLE")


# --- names ---
_COMMON_WORDS_TEXT = """
a about after again also am an and any are around as asap at back be because but by call calling
can could did do does don't for from get got had has have he hello her here hey hi his i i'd i'll
i'm if in is it it's just later like living looking maybe me my need no not now of ok on or order
our out please she so some speaking that thanks the their there they this to today tomorrow too
under up us very wanting want was we what when where which who why will with wondering would yes
you your
alors appelle au aussi aux avec bien bonjour car ce cela c'est comme dans de depuis des donc du
elle en est et ici il j'ai j'aimerais je j'habite la le les leur lui ma mais me merci mes moi mon
nous on ou où par parce pas plus pour pouvez que quel qui sa salut se ses si son suis sur très tu
un une veux vos votre voudrais vous y à
"""
_COMMON_WORDS = frozenset(_COMMON_WORDS_TEXT.split())
_PARTICLES_TEXT = "de du des la le da di van von der den st st. ste saint el al bin ibn mac mc"
_PARTICLES = frozenset(_PARTICLES_TEXT.split())
_MIN_PART_LENGTH = 3
_LETTERS = r"[^\W\d_][^\W\d_'.-]*(?:['.-][^\W\d_]+)*"
_NAME = rf"(?P<name>{_LETTERS}(?:\s+{_LETTERS}){{0,3}})"
_CAPITAL = r"[A-ZÀ-Þ][^\W\d_]*(?:['.-][^\W\d_]+)*"
_CAPITALS = rf"(?P<name>{_CAPITAL}(?:\s+{_CAPITAL}){{0,2}})"

_INTRODUCTIONS = tuple(
    re.compile(rf"{words}\s+{_NAME}", re.IGNORECASE)
    for words in (
        r"\b(?:my|our|his|her|whose) (?:full |first |last |family |real )?name"
        r"(?:'s| is|:)(?: spelled)?",
        r"\b(?<!product )(?<!strain )(?<!brand )"
        r"(?:first|last|full|family|customer) name\s?(?:is|:)",
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
_CALLER = re.compile(
    rf"\b(?:this is|it's|i am|i'm|c'est|ici|je suis) {_NAME}"
    r"(?=,? (?:calling|speaking|on the line|à l'appareil|qui appelle|au t[ée]l[ée]phone))",
    re.IGNORECASE,
)
_CAPITALIZED_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?i:call me) {_CAPITALS}",
        rf"\b(?:I'm|I am|i'm|i am|Je suis|je suis) (?P<name>{_CAPITAL}\s+{_CAPITAL})"
        r"(?=[,.!]|$|\s(?:and|et|from|de|my|mon)\b)",
        rf"(?<!\w)(?:Mr|Mrs|Ms|Dr|Mme|Mlle|MME|MR|MRS)\.?\s+{_CAPITALS}",
        rf"(?<!\w)M\.\s+{_CAPITALS}",
        r"(?i:\b(?:regards|sincerely|cordialement|salutations|bien à vous))[,.!]?"
        rf"\s+{_CAPITALS}\s*$",
        rf"(?i:\b(?:thanks|thank you|merci|cheers))[,.!]?\s*\n\s*{_CAPITALS}\s*$",
    )
)


def detect_names(text: str) -> Iterator[EntitySpan]:
    """Detect names that words introduce, and their parts wherever else they occur in the text."""
    patterns = (*_INTRODUCTIONS, _CALLER, *_CAPITALIZED_PATTERNS)
    names = [span for pattern in patterns for span in _introduced_names(text, pattern)]
    for start, end in names:
        yield EntitySpan(start, end, "NAME")
    parts = {part for start, end in names for part in text[start:end].split()}
    for part in sorted(parts):
        if len(part) < _MIN_PART_LENGTH or part.casefold() in _COMMON_WORDS | _PARTICLES:
            continue
        for match in re.finditer(rf"(?<!\w){re.escape(part)}(?!\w)", text):
            if not any(start <= match.start() < end for start, end in names):
                yield EntitySpan(match.start(), match.end(), "NAME")


def _introduced_names(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        length = _name_length(match["name"])
        if length:
            yield match.start("name"), match.start("name") + length


def _name_length(words: str) -> int:
    """Return the number of characters that form a name: up to the first word that is not part."""
    end = 0
    is_capitalized = words[0].isupper() and not words.split(maxsplit=1)[0].isupper()
    for index, match in enumerate(re.finditer(r"\S+", words)):
        word = match[0].rstrip(".")
        is_first = index == 0
        if word.casefold() in _PARTICLES and not is_first:
            continue
        is_lowercase_word = is_capitalized and not is_first and not word[0].isupper()
        if word.casefold() in _COMMON_WORDS or is_lowercase_word:
            break
        end = match.start() + len(word)
    return end
