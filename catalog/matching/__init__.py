"""
Matching: decides whether two products are the same product.

Pure functions of product attributes, for the duplicates of the catalogue
(`catalog.services.duplicates`) and for offers of competitors. Vetoes come first, then a model
weighs the evidence.
"""

from catalog.matching.assortment import Assortment
from catalog.matching.bands import (
    Match,
    ProductComparison,
    algorithm_version,
    compare_products,
    decide_band,
    rank_matches,
)
from catalog.matching.blocking import MAX_SHARED_WITHOUT_BRAND, candidate_pairs
from catalog.matching.brands import BrandMentions, brand_block, brand_key, mentioned_forms
from catalog.matching.candidates import MatchCandidate, Profile, read_profile
from catalog.matching.evidence import Evidence, collect_evidence, features
from catalog.matching.model import CARD as MATCH_MODEL_CARD
from catalog.matching.model import FOLDER as MATCH_MODEL_FOLDER
from catalog.matching.model import TREES as MATCH_MODEL_TREES
from catalog.matching.model import (
    MatchModel,
    MatchModelUnreadable,
    Tree,
    dump_artifact,
    dump_trees,
    load,
    load_artifact,
    match_model,
    shipped_model,
    use_match_model,
)
from catalog.matching.product_index import ProductIndex
from catalog.matching.reading import PairRejected, read_candidate, read_pair
from catalog.matching.reasons import translate_reason
from catalog.matching.vetoes import find_veto

__all__ = [
    "MATCH_MODEL_CARD",
    "MATCH_MODEL_FOLDER",
    "MATCH_MODEL_TREES",
    "MAX_SHARED_WITHOUT_BRAND",
    "Assortment",
    "BrandMentions",
    "Evidence",
    "Match",
    "MatchCandidate",
    "MatchModel",
    "MatchModelUnreadable",
    "PairRejected",
    "ProductComparison",
    "ProductIndex",
    "Profile",
    "Tree",
    "algorithm_version",
    "brand_block",
    "brand_key",
    "candidate_pairs",
    "collect_evidence",
    "compare_products",
    "decide_band",
    "dump_artifact",
    "dump_trees",
    "features",
    "find_veto",
    "load",
    "load_artifact",
    "match_model",
    "mentioned_forms",
    "rank_matches",
    "read_candidate",
    "read_pair",
    "read_profile",
    "shipped_model",
    "translate_reason",
    "use_match_model",
]
