"""Quality rules of products."""

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from mlops.quality.rules import QualityRule, Severity, register

_CURRENT = "t.merged_into_id IS NULL"


def _sql_list(words: dict[str, str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(set(words.values())))


def _product_rule(  # noqa: PLR0913  # the columns of the table of rules below
    name: str,
    field: str,
    message: str,
    violation: str,
    *,
    severity: str = Severity.ERROR,
    is_blocking: bool = False,
) -> QualityRule:
    """Return a rule on current products; violation: SQL condition on `t`."""
    return QualityRule(
        name=f"product-{name}",
        table="products",
        field=field,
        message=message,
        violation=violation,
        condition=_CURRENT,
        severity=severity,
        is_blocking=is_blocking,
    )


def _outside_percent(column: str) -> str:
    return f"t.{column} NOT BETWEEN 0 AND 100"


# SQL of the weighted sum of the first 13 digits, as in the GTIN check digit.
_GTIN_SUM = " + ".join(
    f"{3 if index % 2 == 0 else 1} * substr(t.gtin, {index + 1}, 1)::int" for index in range(13)
)

register(
    _product_rule("name", "name", "a product needs a name", "btrim(t.name) = ''", is_blocking=True),
    _product_rule(
        "thc-percent",
        "thc_percentage",
        "THC must be from 0 to 100 %",
        " OR ".join(_outside_percent(f"thc_percentage{end}") for end in ("", "_low", "_high")),
        is_blocking=True,
    ),
    _product_rule(
        "cbd-percent",
        "cbd_percentage",
        "CBD must be from 0 to 100 %",
        " OR ".join(_outside_percent(f"cbd_percentage{end}") for end in ("", "_low", "_high")),
        is_blocking=True,
    ),
    _product_rule(
        "ranges",
        "thc_percentage_low",
        "the low end of a range must not be above its high end",
        "t.thc_percentage_low > t.thc_percentage_high"
        " OR t.cbd_percentage_low > t.cbd_percentage_high",
        is_blocking=True,
    ),
    _product_rule(
        "price", "price", "a price must be more than 0", "t.price <= 0", is_blocking=True
    ),
    _product_rule(
        "sizes",
        "weight_grams",
        "sizes must be more than 0",
        "t.weight_grams <= 0 OR t.volume_ml <= 0 OR t.unit_count <= 0",
        is_blocking=True,
    ),
    _product_rule(
        "category",
        "category",
        "the category is unknown",
        f"t.category NOT IN ({_sql_list(CATEGORIES)})",
        is_blocking=True,
    ),
    _product_rule(
        "strain-type",
        "strain_type",
        "the strain type is unknown",
        f"t.strain_type NOT IN ({_sql_list(STRAIN_TYPES)})",
        is_blocking=True,
    ),
    _product_rule(
        "both-percent",
        "thc_percentage",
        "THC and CBD together are more than 100 %",
        "t.thc_percentage + t.cbd_percentage > 100",
    ),
    _product_rule(
        "gtin",
        "gtin",
        "the GTIN's check digit is wrong",
        r"t.gtin IS NOT NULL AND CASE WHEN t.gtin ~ '^\d{14}$'"
        f" THEN ({_GTIN_SUM} + substr(t.gtin, 14, 1)::int) %% 10 <> 0 ELSE true END",
    ),
    _product_rule(
        "category-missing",
        "category",
        "the category is missing",
        "t.category IS NULL",
        severity=Severity.WARNING,
    ),
    _product_rule(
        "price-odd",
        "price",
        "the price is below $1 or above $2,000",
        "t.price < 1 OR t.price > 2000",
        severity=Severity.WARNING,
    ),
    _product_rule(
        "flower-potency",
        "thc_percentage",
        "dried flower must be labeled in percent, not in mg alone",
        "t.category IN ('dried_flower', 'pre_rolls')"
        " AND t.thc_percentage_high IS NULL AND t.thc_mg IS NOT NULL",
        severity=Severity.WARNING,
    ),
    _product_rule(
        "flower-strength",
        "thc_percentage_high",
        "dried flower above 40 % THC: the decimal point is probably wrong",
        "t.category IN ('dried_flower', 'pre_rolls')"
        " AND t.thc_percentage_high > 40 AND NOT 'infused' = ANY(t.measures)",
        severity=Severity.WARNING,
    ),
    _product_rule(
        "edible-dose",
        "thc_mg",
        "an edible may contain 10 mg THC per immediate container (Cannabis Regulations, s. 102.7)",
        "t.category IN ('edibles', 'beverages')"
        " AND t.mg_basis = 'mg_per_package' AND t.thc_mg > 10",
        severity=Severity.WARNING,
    ),
    _product_rule(
        "flower-weight",
        "weight_grams",
        "dried flower has no weight",
        "t.category = 'dried_flower' AND t.weight_grams IS NULL",
        severity=Severity.WARNING,
    ),
    # The view effective_products takes one step.
    QualityRule(
        name="product-merge-chain",
        table="products",
        field="merged_into_id",
        message="a product is merged into one that is itself merged",
        violation="EXISTS (SELECT FROM products s"
        " WHERE s.id = t.merged_into_id AND s.merged_into_id IS NOT NULL)",
        condition="t.merged_into_id IS NOT NULL",
    ),
)
