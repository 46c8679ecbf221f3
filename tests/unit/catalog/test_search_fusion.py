"""Fusion of retrievers: partial matches in the categories of full matches come first."""

from catalog.search.fusion import SearchCandidate, fuse


def _candidate(name: str, category: str, word_share: float) -> SearchCandidate:
    return SearchCandidate(
        id=name,
        word_share=word_share,
        relevance=0.0,
        name=name,
        name_fr=None,
        brand=None,
        sku=None,
        gtin=None,
        category=category,
    )


def _order(*candidates: SearchCandidate) -> list[str]:
    ranks = {"lexical": {candidate.id: 1 for candidate in candidates}}
    return [candidate.id for candidate in fuse(candidates, ranks, scores={})]


def test_a_partial_match_in_the_category_of_full_matches_precedes_a_better_one_elsewhere() -> None:
    bar = _candidate("blueberry chocolate bar", "edibles", 1.0)
    gummies = _candidate("blueberry gummies", "edibles", 0.5)
    flower = _candidate("blueberry", "dried_flower", 0.55)

    assert _order(flower, gummies, bar) == [bar.id, gummies.id, flower.id]


def test_without_a_full_match_the_better_partial_match_comes_first() -> None:
    gummies = _candidate("blueberry gummies", "edibles", 0.5)
    flower = _candidate("blueberry", "dried_flower", 0.55)

    assert _order(gummies, flower) == [flower.id, gummies.id]
