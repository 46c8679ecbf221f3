"""Audiences: who may see a field, and what a client may see."""

from enum import IntEnum


class Audience(IntEnum):
    """Audience of a field or client; a higher one sees everything that a lower one sees."""

    PUBLIC = 0
    VERIFIED = 1
    STAFF = 2
