"""Doubts: what keeps two products from being merged without a person, whatever the model says."""

from catalog.matching.candidates import STRAIN_FAMILIES
from catalog.matching.evidence import Evidence
from catalog.matching.reasons import Reason

# Words that make another product of the same name, in a vape, concentrate or pre-roll.
_PROCESS_FORMS = frozenset({
    "live resin", "cured resin", "refined resin", "rosin", "distillate", "diamonds", "caviar",
    "rso", "sauce", "disposable", "battery", "milled", "shake", "smalls", "hash hole", "truffle",
    "toffee", "capsule", "tincture", "lollipop", "lozenge", "syrup",
    "stick",
})  # fmt: skip
_NEAR_PRICE = 0.35
"""Up to this ratio (logarithm), prices suggest that what one does not state is as in the other."""
_SAME_PRICE = 0.05
"""The same of products that come in several sizes."""
_DOSED_FAMILIES = frozenset({"edible", "topical"})
_MIN_NAMING_WORDS = 2


def find_doubts(evidence: Evidence) -> tuple[Reason, ...]:
    """Return the reasons why staff should decide."""
    alignment = evidence.alignment
    process = [form for form in evidence.extra_forms if form in _PROCESS_FORMS]
    doubts = [
        (evidence.has_contradiction, Reason("name and size disagree")),
        (evidence.is_pre_roll_unclear, Reason("pre-roll or not")),
        (evidence.is_infused_unclear, Reason("infused or not")),
        (_is_line_doubtful(evidence), _named("an extra word", *evidence.line_words)),
        (_is_slip_doubtful(evidence), Reason("misspelled")),
        (_is_order_doubtful(evidence), Reason("same name, other order")),
        (evidence.strain_type == "other", Reason("other strain type")),
        (evidence.has_other_thc, Reason("other THC")),
        (evidence.has_other_cbd, Reason("other CBD")),
        (evidence.is_ratio_of_one, Reason("other ratio")),
        (evidence.is_pack_of_one, Reason("size of one unknown", "number of pieces")),
        (_is_dose_doubtful(evidence), Reason("size of one unknown")),
        (_is_ambiguous_dose_doubtful(evidence), Reason("name and size disagree")),
        (_is_type_doubtful(evidence), Reason("type of one unknown")),
        (
            bool(evidence.extra_cannabinoids) and evidence.ratio != "same",
            _named("cannabinoid of one", *evidence.extra_cannabinoids),
        ),
        (bool(process), _named("other form", *process)),
        (bool(alignment.left and alignment.right), _named("other words", *_keys(evidence))),
        (
            bool(alignment.leftover),
            _named("an extra word", *_keys(evidence)),
        ),
        (_is_brand_doubtful(evidence), Reason("brand unknown")),
    ]
    return tuple(reason for applies, reason in doubts if applies)


def _is_slip_doubtful(evidence: Evidence) -> bool:
    """A misspelled word is one only where a size, and prices if known, agree."""
    has_slip = bool(evidence.alignment.misspelled or evidence.alignment.abbreviated)
    is_far = evidence.price_ratio is not None and evidence.price_ratio > _NEAR_PRICE
    return has_slip and (is_far or not evidence.is_size_known)


def _is_line_doubtful(evidence: Evidence) -> bool:
    """A product line is left out where prices are near, or unknown and a size agrees."""
    if evidence.price_ratio is None:
        return bool(evidence.line_words) and not evidence.is_size_known
    return bool(evidence.line_words) and evidence.price_ratio > _NEAR_PRICE


def _is_order_doubtful(evidence: Evidence) -> bool:
    """Two words in another order are another strain: "Monster Cookies", "Cookie Monster"."""
    alignment = evidence.alignment
    is_short = alignment.matched <= _MIN_NAMING_WORDS
    return evidence.family in STRAIN_FAMILIES and is_short and not alignment.is_same_order


def _is_brand_doubtful(evidence: Evidence) -> bool:
    """Without a brand, a name of two words, the size and nearly the price must agree."""
    if evidence.brand not in ("missing", "initials"):
        return False
    has_price = evidence.price_ratio is not None and evidence.price_ratio <= _NEAR_PRICE
    has_name = evidence.alignment.matched >= _MIN_NAMING_WORDS
    return not (has_price and has_name and evidence.is_size_known)


def _is_dose_doubtful(evidence: Evidence) -> bool:
    """Return whether one dose or size is unstated, and no price suggests that it is the other's."""
    if not evidence.is_size_of_one:
        return False
    max_ratio = _SAME_PRICE if evidence.has_other_sizes else _NEAR_PRICE
    return evidence.price_ratio is None or evidence.price_ratio > max_ratio


def _is_ambiguous_dose_doubtful(evidence: Evidence) -> bool:
    """The dose of a piece or of all is that of the other product where prices are near."""
    is_far = evidence.price_ratio is None or evidence.price_ratio > _NEAR_PRICE
    return evidence.is_dose_ambiguous and is_far


def _is_type_doubtful(evidence: Evidence) -> bool:
    """Food comes in a version of each type; without a size or one price, it may be another."""
    is_food = evidence.family in _DOSED_FAMILIES and evidence.strain_type == "one"
    has_same_price = evidence.price_ratio is not None and evidence.price_ratio <= _SAME_PRICE
    return is_food and not evidence.is_size_known and not has_same_price


def _keys(evidence: Evidence) -> tuple[str, ...]:
    return tuple(word.key for word in evidence.alignment.leftover)


def _named(label: str, *words: str) -> Reason:
    return Reason(label, ", ".join(words))
