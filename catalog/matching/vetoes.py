"""Vetoes: attributes by which two products cannot be the same, whatever their names."""

from catalog.matching.features import MatchCandidate, brand_block, weights_in_name


def find_veto(left: MatchCandidate, right: MatchCandidate) -> str:
    """Return the reason why two products cannot be the same whatever their names, or ""."""
    if left.gtin and right.gtin and left.gtin != right.gtin:
        return "other GTIN"
    if left.category and right.category and left.category != right.category:
        return "other category"
    return (
        _size_veto(left, right)
        or _dose_veto(left, right)
        or _name_size_veto(left, right)
        or ("other brand" if _has_other_brand(left, right) else "")
    )


def _size_veto(left: MatchCandidate, right: MatchCandidate) -> str:
    if not (left.has_column_size and right.has_column_size):
        return ""
    sizes = (
        (left.weight_grams, right.weight_grams, "weight"),
        (left.volume_ml, right.volume_ml, "volume"),
        (left.unit_count or 1, right.unit_count or 1, "number of pieces"),
    )
    for left_size, right_size, label in sizes:
        if left_size is not None and right_size is not None and left_size != right_size:
            return f"other {label}"
    return ""


def _dose_veto(left: MatchCandidate, right: MatchCandidate) -> str:
    doses = ((left.thc_mg, right.thc_mg), (left.cbd_mg, right.cbd_mg), (left.doses, right.doses))
    has_other_dose = any(one and other and one != other for one, other in doses)
    return "other dose" if has_other_dose else ""


def _name_size_veto(left: MatchCandidate, right: MatchCandidate) -> str:
    """Compare sizes in names, for sources that state sizes nowhere else."""
    has_both_sizes = left.has_column_size and right.has_column_size
    if left.measures and right.measures and not has_both_sizes and left.measures != right.measures:
        return "other size in the name"
    for named, other in ((left, right), (right, left)):
        weights = set() if named.has_column_size else weights_in_name(named.measures)
        if weights and other.weight_grams is not None and other.weight_grams not in weights:
            return "other weight"
    return ""


def _has_other_brand(left: MatchCandidate, right: MatchCandidate) -> bool:
    return len({brand_block(left.brand), brand_block(right.brand)} - {""}) > 1
