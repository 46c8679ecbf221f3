"""Segment of a product: its category and strain type, the unit of sales shares and preferences."""


def segment_of(category: str, strain_type: str) -> str:
    """Return the segment, for example `dried_flower indica`; empty when neither is known."""
    return f"{category} {strain_type}".strip()


def segment_sql(table: str) -> str:
    """Return `segment_of` as an SQL expression; table: alias of the products table."""
    return f"btrim(concat_ws(' ', {table}.category, {table}.strain_type))"
