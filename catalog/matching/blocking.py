"""
Blocking: which products are compared at all, so that the work grows with their number.

Products share a block by brand; a product whose name mentions another brand, as under a
distributor, is compared with that brand's block too. Within a block, those that share one of the
rarest words of their names are compared. Words count without vowels and in any order of letters, so
that a misspelled word still meets its like. A word that very many products of a brand have
("gummy") leads nowhere. Products without a brand are compared with all that share a word that few
have. Products of one GTIN are compared whatever their brands.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import combinations

from catalog.matching.brands import BrandMentions, brand_block
from catalog.matching.candidates import MatchCandidate, Profile, read_profile

KEYS_PER_PRODUCT = 3
MAX_SHARED_WITHOUT_BRAND = 20
"""A word that more products than this share does not identify one without its brand."""
_MAX_BUCKET = 200
"""Products that share a key, brand, family and size beyond this number are compared in part."""
_VOWELS = str.maketrans("", "", "aeiouy")
_CONFUSED = str.maketrans("zck", "sss")


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Products by position: of each brand, and its guests, whose names mention the brand."""

    profiles: Sequence[Profile]
    own: Sequence[str]
    members: Mapping[str, list[int]]
    guests: Mapping[str, list[int]]


def candidate_pairs(
    candidates: Sequence[MatchCandidate], others: Sequence[MatchCandidate] | None = None
) -> Iterator[tuple[MatchCandidate, MatchCandidate]]:
    """
    Yield each pair of products to compare once.

    others: the products to compare with, which contain the candidates; all candidates by default.
    """
    is_new = {candidate.merge_key for candidate in candidates}
    blocks = _read_blocks(candidates if others is None else others)
    across: set[tuple[int, int]] = set()
    for first, second in _pairs(blocks):
        left, right = blocks.profiles[first].candidate, blocks.profiles[second].candidate
        if left.merge_key not in is_new and right.merge_key not in is_new:
            continue
        if not blocks.own[first] or blocks.own[first] != blocks.own[second]:
            pair = (min(first, second), max(first, second))
            if pair in across:
                continue
            across.add(pair)
        yield left, right


def _read_blocks(candidates: Iterable[MatchCandidate]) -> _Blocks:
    profiles = [read_profile(candidate) for candidate in candidates]
    own = [brand_block(profile.candidate.brand) for profile in profiles]
    mentions = BrandMentions(profile.candidate.brand for profile in profiles)
    members: dict[str, list[int]] = defaultdict(list)
    guests: dict[str, list[int]] = defaultdict(list)
    for index, profile in enumerate(profiles):
        members[own[index]].append(index)
        for block in mentions.find_blocks(profile.tokens) - {own[index]}:
            guests[block].append(index)
    return _Blocks(profiles, own, members, guests)


def _pairs(blocks: _Blocks) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions; each within a brand's block once, others perhaps several times."""
    for block, members in blocks.members.items():
        if block:
            yield from _pairs_in_block(blocks, members, blocks.guests.get(block, ()))
    yield from _pairs_of_gtin(blocks)
    yield from _pairs_without_brand(blocks)


def _pairs_in_block(
    blocks: _Blocks, members: Sequence[int], guests: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield pairs of a block; two guests are not compared with each other."""
    block = [*members, *guests]
    keys = [word_keys(blocks.profiles[index]) for index in members]
    known = set().union(*keys)  # the words of a guest are also those of brands
    keys += [word_keys(blocks.profiles[index]) & known for index in guests]
    frequency = Counter(key for words in keys for key in words)
    buckets: dict[str, list[int]] = defaultdict(list)
    for position, words in enumerate(keys):
        rarest = sorted(words, key=lambda word: (frequency[word], word))[:KEYS_PER_PRODUCT]
        gtin = blocks.profiles[block[position]].candidate.gtin
        for key in (*(rarest or [""]), *([f"gtin {gtin}"] if gtin else [])):
            buckets[key].append(position)
    seen: set[tuple[int, int]] = set()
    for bucket in buckets.values():
        for position, first in enumerate(bucket):
            if first >= len(members):
                break
            for second in bucket[position + 1 : position + 1 + _MAX_BUCKET]:
                if (first, second) not in seen:
                    seen.add((first, second))
                    yield block[first], block[second]


def _pairs_of_gtin(blocks: _Blocks) -> Iterator[tuple[int, int]]:
    """Yield the products of one GTIN that are not in one brand's block."""
    by_gtin: dict[str, list[int]] = defaultdict(list)
    for index, profile in enumerate(blocks.profiles):
        if profile.candidate.gtin:
            by_gtin[profile.candidate.gtin].append(index)
    for indexes in by_gtin.values():
        for first, second in combinations(indexes[:_MAX_BUCKET], 2):
            if not blocks.own[first] or blocks.own[first] != blocks.own[second]:
                yield first, second


def _pairs_without_brand(blocks: _Blocks) -> Iterator[tuple[int, int]]:
    """Yield each product without a brand with those of its family that share a rare word."""
    unbranded = {index: word_keys(blocks.profiles[index]) for index in blocks.members.get("", ())}
    if not unbranded:
        return
    known = set().union(*unbranded.values())
    positions: dict[str, list[int]] = defaultdict(list)
    for index, profile in enumerate(blocks.profiles):
        for key in word_keys(profile) & known:
            positions[key].append(index)
    for index, words in unbranded.items():
        family = blocks.profiles[index].family
        rare = [key for key in words if len(positions[key]) <= MAX_SHARED_WITHOUT_BRAND]
        for key in nsmallest(KEYS_PER_PRODUCT, rare, key=lambda key: (len(positions[key]), key)):
            for other in positions[key]:
                if other != index and _may_agree(family, blocks.profiles[other].family):
                    yield index, other


def _may_agree(family: str, other: str) -> bool:
    return not family or not other or family == other


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
