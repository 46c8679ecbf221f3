"""Sorts of product: category and strain type, as far as they are known. By them shares of a shop and tastes are counted."""


def sort_of(category: str, strain_type: str) -> str:
    """Return the sort, for example `dried-flower indica`; '' where neither is known."""
    return f"{category} {strain_type}".strip()


def sort_in_sql(table: str) -> str:
    """Return the same as an expression of a row of products, by its name in the statement."""
    return f"btrim(concat_ws(' ', {table}.category, {table}.strain_type))"
