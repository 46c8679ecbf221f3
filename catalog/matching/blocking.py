"""
Blocking: which products are compared at all, so that the work grows with their number.

Products share a block by brand; within it, those that share one of the rarest words of their names
are compared. Words count without vowels and in any order of letters, so that a misspelled word
still meets its like. A word that very many products of a brand have ("gummy") leads nowhere.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from catalog.matching.brands import brand_block
from catalog.matching.candidates import MatchCandidate, Profile, read_profile

KEYS_PER_PRODUCT = 3
_MAX_BUCKET = 200
"""Products that share a key, brand, family and size beyond this number are compared in part."""
_VOWELS = str.maketrans("", "", "aeiouy")
_CONFUSED = str.maketrans("zck", "sss")


def candidate_pairs(
    candidates: Sequence[MatchCandidate], others: Sequence[MatchCandidate] | None = None
) -> Iterator[tuple[MatchCandidate, MatchCandidate]]:
    """
    Yield each pair of products to compare once.

    others: the products to compare with, which contain the candidates; all candidates by default.
    """
    everything = candidates if others is None else others
    is_new = {candidate.merge_key for candidate in candidates}
    for block in _blocks(everything).values():
        yield from _pairs_in_block(block, is_new)


def _blocks(candidates: Iterable[MatchCandidate]) -> dict[str, list[Profile]]:
    blocks: dict[str, list[Profile]] = defaultdict(list)
    for candidate in candidates:
        if block := brand_block(candidate.brand):
            blocks[block].append(read_profile(candidate))
    return blocks


def _pairs_in_block(
    block: Sequence[Profile], is_new: set[str]
) -> Iterator[tuple[MatchCandidate, MatchCandidate]]:
    keys = [word_keys(profile) for profile in block]
    frequency = Counter(key for words in keys for key in words)
    buckets: dict[str, list[int]] = defaultdict(list)
    for index, words in enumerate(keys):
        rarest = sorted(words, key=lambda word: (frequency[word], word))[:KEYS_PER_PRODUCT]
        for key in rarest or [""]:
            buckets[key].append(index)
    seen: set[tuple[int, int]] = set()
    for bucket in buckets.values():
        for position, first in enumerate(bucket):
            for second in bucket[position + 1 : position + 1 + _MAX_BUCKET]:
                pair = (first, second)
                left, right = block[first].candidate, block[second].candidate
                if pair not in seen and (left.merge_key in is_new or right.merge_key in is_new):
                    seen.add(pair)
                    yield left, right


def word_keys(profile: Profile) -> set[str]:
    """Return the blocking keys of the words of a product's names, without those of its brand."""
    names = profile.names if any(profile.names) else profile.names_with_forms
    own = profile.brand.own_words
    words = {word.key for name in names for word in name}
    return {_word_key(word) for word in (words - own or words)}


def _word_key(word: str) -> str:
    """Return a word's consonants in alphabetical order; a number or a short word as it is."""
    if word.isdigit() or len(word) < 4:  # too short to misspell
        return word
    return "".join(sorted(set(word.translate(_CONFUSED).translate(_VOWELS)))) or word
