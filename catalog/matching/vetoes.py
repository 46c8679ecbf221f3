"""Vetoes: attributes by which two products cannot be the same, whatever their names."""

from catalog.matching.brands import relate_brands
from catalog.matching.candidates import STRAIN_FAMILIES, Profile
from catalog.matching.quantities import (
    compare_doses,
    compare_pieces,
    compare_ratios,
    compare_weights,
    have_other_cannabinoid,
)
from catalog.matching.reasons import Reason

# Forms of one product exclude each other within a group; "hash" and "rosin" may both be named.
_EXCLUSIVE_FORMS = (
    frozenset({"cartridge", "disposable", "pod", "battery"}),
    frozenset({
        "wax", "shatter", "badder", "sugar wax", "live sugar", "terp sugar", "sauce", "diamonds",
        "crumble", "rosin", "kief", "rso", "refined resin", "caviar",
    }),
    frozenset({"rosin", "live resin", "distillate", "refined resin", "rso"}),
    frozenset({"live resin", "cured resin"}),
    frozenset({
        "gummy", "taffy", "truffle", "toffee", "brownie", "lozenge", "hard candy",
        "lollipop", "pretzel", "ice cream", "tincture", "capsule", "syrup", "tea", "coffee",
        "drink", "shooter",
    }),
    frozenset({"balm", "lotion", "spray", "bath bomb", "bath salts", "lubricant", "tincture"}),
    frozenset({"milled", "shake", "preroll"}),
    frozenset({"milled", "smalls", "preroll"}),
)  # fmt: skip
_SOLID_FOODS = frozenset({
    "gummy", "taffy", "truffle", "toffee", "brownie", "lozenge", "hard candy", "lollipop",
    "pretzel", "ice cream",
})  # fmt: skip
# Menus file tinctures and sprays under edibles, topicals or concentrates.
_LOOSE_FAMILIES = frozenset({"edible", "topical", "concentrate"})
_LOOSE_FORMS = frozenset({"rso", "tincture", "capsule", "oil", "spray", "balm", "stick"})


def find_veto(left: Profile, right: Profile) -> Reason | None:
    """Return the reason why two products cannot be the same whatever their names, or None."""
    one, other = left.candidate, right.candidate
    if one.gtin and other.gtin and one.gtin != other.gtin:
        return Reason("other GTIN")
    if _has_other_category(left, right):
        return Reason("other category")
    if _has_other_type(left, right):
        return Reason("other strain type")
    return _quantity_veto(left, right) or _form_veto(left, right) or _brand_veto(left, right)


def _has_other_category(left: Profile, right: Profile) -> bool:
    if left.family and right.family and left.family != right.family:
        families = {left.family, right.family}
        is_loose = families <= _LOOSE_FAMILIES and bool(left.forms & right.forms & _LOOSE_FORMS)
        return not is_loose
    categories = {left.candidate.category, right.candidate.category}
    if categories == {"dried_flower", "pre_rolls"}:
        # Menus file pre-rolls under flower; a name that says so is put before staff.
        flower = left if left.candidate.category == "dried_flower" else right
        return not flower.is_pre_roll
    return False


def _has_other_type(left: Profile, right: Profile) -> bool:
    """Return whether one is indica and the other sativa, in names or as versions of one food."""
    is_food = "edible" in (left.family, right.family)
    ours, theirs = (p.types if is_food else p.named_types for p in (left, right))
    return {frozenset(ours), frozenset(theirs)} == {frozenset({"indica"}), frozenset({"sativa"})}


def _quantity_veto(left: Profile, right: Profile) -> Reason | None:
    one, other = left.quantities, right.quantities
    family = left.family or right.family
    if have_other_cannabinoid(one, other) or _names_other_cannabinoid(left, right):
        return Reason("other cannabinoid")
    if compare_ratios(one, other) == "other":
        return Reason("other ratio")
    if _has_other_dose(left, right) and not _is_lot_dose(left, right):
        return Reason("other dose")
    if compare_weights(one, other, family) == "other" and not _is_net_weight(left, right):
        has_volume = not (one.weights and other.weights)
        return Reason("other volume" if has_volume else "other weight")
    if compare_pieces(one, other) == "other":
        return Reason("other number of pieces")
    return None


def _names_other_cannabinoid(left: Profile, right: Profile) -> bool:
    """
    Return whether both state cannabinoids and share none; a ratio states several.

    A strain without the word CBD is not that strain's CBD version.
    """
    if left.quantities.ratios or right.quantities.ratios:
        return False
    ours, theirs = left.cannabinoids, right.cannabinoids
    if left.family in STRAIN_FAMILIES and bool(ours) != bool(theirs):
        return ours | theirs != {"thc"}
    return bool(ours and theirs) and ours.isdisjoint(theirs)


def _has_other_dose(left: Profile, right: Profile) -> bool:
    """Compare doses; where name and column of one disagree, any dose of it may be the right one."""
    is_other = compare_doses(left.quantities, right.quantities) == "other"
    if is_other and (left.has_contradiction or right.has_contradiction):
        return left.quantities.all_doses.isdisjoint(right.quantities.all_doses)
    return is_other


def _is_lot_dose(left: Profile, right: Profile) -> bool:
    """Return whether the doses of two vapes or concentrates of one weight were measured."""
    is_sized = left.family in ("vape", "concentrate")
    return is_sized and compare_weights(left.quantities, right.quantities, left.family) == "same"


def _is_net_weight(left: Profile, right: Profile) -> bool:
    """
    Return whether two weights of food of one dose are net weights, which menus round.

    A volume is none: a can of 236 ml is another drink than one of 355 ml.
    """
    one, other = left.quantities, right.quantities
    has_volumes = bool(one.volumes and other.volumes)
    return left.family == "edible" and not has_volumes and compare_doses(one, other) == "same"


def _form_veto(left: Profile, right: Profile) -> Reason | None:
    for group in _EXCLUSIVE_FORMS:
        ours, theirs = left.forms & group, right.forms & group
        if ours and theirs and ours.isdisjoint(theirs):
            return Reason("other form", " | ".join(sorted(map(_joined, (ours, theirs)))))
    for beverage, food in ((left, right), (right, left)):
        solid = food.forms & _SOLID_FOODS
        if beverage.candidate.category == "beverages" and solid and not solid & beverage.forms:
            return Reason("other form", f"drink | {_joined(solid)}")
    return None


def _brand_veto(left: Profile, right: Profile) -> Reason | None:
    if not (left.brand.key and right.brand.key):
        return None
    if relate_brands(left.brand, right.brand) != "other":
        return None
    return None if is_brand_named(left, right) else Reason("other brand")


def is_brand_named(left: Profile, right: Profile) -> bool:
    """Return whether the name of one product contains the other's brand, as under a distributor."""
    return any(
        brand.key and any(set(form) <= tokens for form in brand.forms)
        for brand, tokens in ((left.brand, right.tokens), (right.brand, left.tokens))
    )


def _joined(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
