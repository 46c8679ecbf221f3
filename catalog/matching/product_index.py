"""
Index of our products, in which descriptions by others (offers of competitors) are looked up.

An offer is compared with the products of its GTIN, with those of its brand and of brands that its
name mentions, and with products without a brand. Where none of our products has its brand, or it
states none, words of its name lead to products of any brand. Of these, the products that share the
most of its rarest words are compared.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import nsmallest

from catalog.matching.assortment import Assortment, without_assortment
from catalog.matching.bands import Match, rank_profiles
from catalog.matching.blocking import KEYS_PER_PRODUCT, word_keys
from catalog.matching.brands import BrandMentions, brand_block
from catalog.matching.candidates import MatchCandidate, Profile, build_profile

_MAX_COMPARED = 30
"""Products compared with an offer."""
_MAX_ANY_BRAND = 200
"""A word that more products than this share, whatever their brands, leads nowhere."""

_Positions = Mapping[str, list[int]]
"""Positions of products by a blocking key of their names."""


class ProductIndex:
    """
    Products by GTIN, by brand and words, and by words alone.

    Built once; then read-only, and safe to use from several threads. Holds the products as read,
    about 10 KB each; offers leave nothing behind.
    """

    def __init__(self, products: Iterable[MatchCandidate]) -> None:
        """Index products; merge_key: the id by which a match names its product."""
        profiles = [build_profile(product) for product in products]
        self._assortment = Assortment(profiles)
        self._profiles = [self._assortment.describe_profile(profile) for profile in profiles]
        self._by_gtin: dict[str, list[int]] = defaultdict(list)
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._blocks: dict[str, dict[str, list[int]]] = {}
        self._mentions = BrandMentions(profile.candidate.brand for profile in self._profiles)
        for position, profile in enumerate(self._profiles):
            self._add(position, profile)

    def __len__(self) -> int:
        """Return the number of products."""
        return len(self._profiles)

    def candidates(
        self, offer: MatchCandidate, *, limit: int = 5, with_different: bool = False
    ) -> list[Match]:
        """
        Return the products that an offer may be, best first, at most `limit`.

        Each has the band, score (0 to 100) and reasons of its comparison. Bands are "same" (one
        product) and "review" (a person decides); where several products are "same" and differ from
        each other, all are "review". with_different: add the nearest of band "different" that no
        veto keeps apart, for a person who looks for the product.
        """
        profile = self._assortment.describe_profile(build_profile(offer))
        nearest = [self._profiles[position] for position in self._nearest(profile)]
        matches = rank_profiles(profile, nearest, with_different=with_different)[:limit]
        return [match._replace(product=without_assortment(match.product)) for match in matches]

    def best(
        self, offers: Iterable[MatchCandidate], *, limit: int = 5
    ) -> Iterator[tuple[MatchCandidate, list[Match]]]:
        """
        Yield each offer with its candidates, in the order given; no match: an empty list.

        Offers are read one at a time, so that a generator of any length needs no memory.
        """
        for offer in offers:
            yield offer, self.candidates(offer, limit=limit)

    def _add(self, position: int, profile: Profile) -> None:
        block = brand_block(profile.candidate.brand)
        words = self._blocks.setdefault(block, defaultdict(list))
        for key in word_keys(profile) or {""}:
            words[key].append(position)
            self._by_word[key].append(position)
        if profile.candidate.gtin:
            self._by_gtin[profile.candidate.gtin].append(position)

    def _nearest(self, offer: Profile) -> list[int]:
        """Return the positions of the products to compare: by GTIN, then by shared words."""
        weights: dict[int, float] = defaultdict(float)
        keys = word_keys(offer) or {""}
        own_block = brand_block(offer.candidate.brand)
        blocks = {own_block, *self._mentions.find_blocks(offer.tokens)} & self._blocks.keys()
        for block in blocks | {""}:
            self._weigh(self._blocks.get(block, {}), keys, weights)
        if not own_block or own_block not in blocks:
            few = {key for key in keys if len(self._by_word.get(key, ())) <= _MAX_ANY_BRAND}
            self._weigh(self._by_word, few, weights)
        same_gtin = self._by_gtin.get(offer.candidate.gtin or "", [])
        nearest = nsmallest(_MAX_COMPARED, weights, key=lambda index: (-weights[index], index))
        return list(dict.fromkeys([*same_gtin, *nearest]))

    def _weigh(self, positions: _Positions, keys: set[str], weights: dict[int, float]) -> None:
        """Add to the weight of each product that shares one of the rarest of the keys."""
        known = (key for key in keys if key in positions)
        for key in nsmallest(KEYS_PER_PRODUCT, known, key=lambda key: (len(positions[key]), key)):
            weight = math.log(1 + len(self._profiles) / len(positions[key]))
            for position in positions[key]:
                weights[position] += weight
