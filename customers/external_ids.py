"""
External ids: the loyalty numbers and accounts that clients know customers by.

One notation for registration, look-up and events, so that a customer is one customer whichever
client sends the number. Case is significant: some systems issue ids that differ in nothing else,
and to take two people for one would show one of them what the other buys.
"""

import unicodedata

MAX_EXTERNAL_ID_LENGTH = 100
_LINE_SPACES = "\t\n\v\f\r"
_REMOVED_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn"}


def normalize_external_id(text: str) -> str:
    """
    Return an external id in the notation in which it is stored.

    Composed Unicode (NFC), without control, format and unassigned characters, with single spaces
    within and none around. Empty when nothing is left.
    """
    visible = "".join(
        character
        for character in text
        if character in _LINE_SPACES or unicodedata.category(character) not in _REMOVED_CATEGORIES
    )
    return " ".join(unicodedata.normalize("NFC", visible).split())
