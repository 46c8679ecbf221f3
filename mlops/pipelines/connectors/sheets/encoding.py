"""Encoding of a text file: from its whole content, so that one wrong byte does not decide it."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

STRAY_BYTES = "surrogateescape"
"""Error handler that keeps bytes which are not of the encoding, one surrogate each."""
_CHUNK_BYTES = 2**20
_UTF_16_SAMPLE_BYTES = 4096
# The longest incomplete UTF-8 character at the end of a chunk.
_MAX_CARRY_BYTES = 3
_HIGH_BYTES = re.compile(rb"[\x80-\xff]")
# Of two bytes: Latin, Greek and Cyrillic alone, since an apostrophe before é is Armenian.
_UTF8_CHARACTERS = re.compile(
    rb"[\xc2-\xc5\xce-\xd1][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Stray bytes are at most this many times as frequent as the UTF-8 characters around them.
_MAX_STRAY_RATIO = 3
_MAX_SAMPLES = 20_000
SINGLE_BYTE_ENCODINGS = {"cp1252": 0, "mac_roman": 0, "cp850": 1}
"""
Candidates with the margin by which one must fit better: the most frequent first, which is taken
when several fit equally. Tills export in the code page of DOS (cp850).
"""
_ACCENTED = frozenset("éèêëàâäçîïôöùûüœæñáíóúÉÈÊËÀÂÄÇÎÏÔÖÙÛÜŒÆÑ")
_AFTER_DIGIT = frozenset("°½¼¢€%×–—\xa0")
_AT_WORD = frozenset("®™©°²³½¼¾«»“”‘’–—•…\xa0·")
# Text that was decoded with another encoding than it was written in: UTF-8 read as Windows or as
# Mac, or characters replaced already.
_GARBLED = re.compile(
    "[ÃÂ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œ]|â€|ï»¿|√[\u00a0-\uffff]|‚Ä|\ufffd|[\u0080-\u009f]"
)
_BEYOND_ASCII = re.compile(r"[\x00-\x7f]+")
_UNLIKELY_IN_UTF8 = re.compile("[\u0180-\u037f\u0480-\u07ff]")
_STRAY = re.compile("[\udc80-\udcff]")
_LOST_LETTER = re.compile(r"[A-Za-zÀ-ÿ]\?[a-zà-ÿ]")


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """
    Encoding of a file, and the single-byte encoding of bytes that are not of it.

    stray_bytes: number of bytes that are not of the encoding. has_characters: the file has UTF-8
    characters of several bytes; without any, it is ASCII.
    """

    name: str
    stray_name: str = "cp1252"
    stray_bytes: int = 0
    has_characters: bool = False

    def decode(self, body: bytes) -> str:
        """Decode; stray bytes stay as surrogates (see `repair`). Raises UnicodeError."""
        return body.decode(self.name, STRAY_BYTES)

    def encode(self, text: str) -> bytes:
        """Return the bytes that `decode` was given."""
        return text.encode(self.name, STRAY_BYTES)

    def repair(self, text: str) -> str:
        """Replace the surrogates of stray bytes by the characters of their own encoding."""
        return _STRAY.sub(
            lambda match: bytes([ord(match[0]) - 0xDC00]).decode(self.stray_name, "replace"), text
        )


@dataclass(slots=True)
class _ByteCounts:
    """UTF-8 characters of several bytes, other high bytes, and these with their neighbors."""

    characters: int = 0
    stray: int = 0
    samples: list[bytes] = field(default_factory=list)


def detect_encoding(file: BinaryIO) -> TextEncoding:
    """
    Return the encoding of a file, read from its start to its end.

    A byte order mark decides; else UTF-16 by its zero bytes; else UTF-8 where its characters
    outweigh the bytes that are not of it; else Windows (cp1252), Mac Roman or DOS (cp850),
    whichever gives likelier English and French words.
    """
    file.seek(0)
    start = file.read(_UTF_16_SAMPLE_BYTES)
    file.seek(0)
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), "")
    marked = marked or _utf_16_by_zero_bytes(start)
    if marked and marked != "utf-8":
        return TextEncoding(marked, has_characters=True)
    counts = _count_bytes(file)
    file.seek(0)
    single_byte = _likeliest_single_byte_encoding(counts.samples)
    is_utf8 = marked or not counts.stray or counts.stray <= _MAX_STRAY_RATIO * counts.characters
    if is_utf8:
        return TextEncoding(
            "utf-8",
            stray_name=single_byte,
            stray_bytes=counts.stray,
            has_characters=counts.characters > 0,
        )
    return TextEncoding(single_byte, stray_name=single_byte)


def has_stray_bytes(text: str) -> bool:
    """Return whether a decoded text contains bytes that are not of its encoding."""
    return not text.isascii() and _STRAY.search(text) is not None


def is_garbled(text: str) -> bool:
    """Return whether a text was decoded with another encoding than it was written in."""
    if "?" in text and "://" not in text and _LOST_LETTER.search(text):
        return True
    return not text.isascii() and _GARBLED.search(text) is not None


def _utf_16_by_zero_bytes(start: bytes) -> str:
    """Return UTF-16 of either byte order when every second byte is mostly zero."""
    if b"\0" not in start:
        return ""
    first, second = start[::2], start[1::2]
    shares = [half.count(0) / max(len(half), 1) for half in (first, second)]
    if max(shares) < 0.5 or min(shares) > 0.1:  # shares of Latin text
        return ""
    return "utf-16-be" if shares[0] > shares[1] else "utf-16-le"


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file in chunks that do not end within a UTF-8 character."""
    carry = b""
    while chunk := file.read(_CHUNK_BYTES):
        chunk = carry + chunk
        cut = len(chunk)
        while cut > len(chunk) - _MAX_CARRY_BYTES and cut > 0 and chunk[cut - 1] >= 0x80:
            cut -= 1
        carry = chunk[cut:]
        yield chunk[:cut]
    yield carry


def _count_bytes(file: BinaryIO) -> _ByteCounts:
    counts = _ByteCounts()
    for chunk in _chunks(file):
        if chunk.isascii():
            continue
        if text := _decode_if_plausible(chunk):
            counts.characters += len(text)
            continue
        counts.characters += sum(1 for _ in _UTF8_CHARACTERS.finditer(chunk))
        # Characters of UTF-8 are blanked at the same length, so that neighbors stay neighbors.
        others = _UTF8_CHARACTERS.sub(lambda match: b"e" * len(match[0]), chunk)
        if others.isascii():
            continue
        for match in _HIGH_BYTES.finditer(others):
            counts.stray += 1
            if len(counts.samples) < _MAX_SAMPLES:
                at = match.start()
                counts.samples.append(chunk[max(at - 1, 0) : at].rjust(1) + chunk[at : at + 2])
    return counts


def _decode_if_plausible(chunk: bytes) -> str:
    """Return the characters beyond ASCII of a chunk that is UTF-8; "" when it may not be."""
    try:
        text = chunk.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    characters = _BEYOND_ASCII.sub("", text)
    return "" if _UNLIKELY_IN_UTF8.search(characters) else characters


def _likeliest_single_byte_encoding(samples: list[bytes]) -> str:
    scores = {
        name: sum(_plausibility(sample, name) for sample in samples) - margin
        for name, margin in SINGLE_BYTE_ENCODINGS.items()
    }
    return max(scores, key=lambda name: scores[name])


def _plausibility(sample: bytes, encoding: str) -> int:
    """Return a score for a high byte between its neighbors as a character of English or French."""
    before, character, after = list(sample.ljust(3).decode(encoding, "replace"))
    if character == "\ufffd":
        return -3
    if character.isalpha():
        is_alone = not before.isalpha() and not after.isalpha() and character != "À"
        is_misplaced = character.isupper() and (before.islower() or is_alone)
        return -2 if is_misplaced else 2 if character in _ACCENTED else -1
    if before.isdigit() and character in _AFTER_DIGIT:
        return 2
    if before.isalpha() and after.isalpha():
        return 2 if character == "’" else -2
    return 1 if character in _AT_WORD else -1
