"""What must hold of products, as far as their data can say."""

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from mlops.quality.rules import Rule, Severity, register

_CURRENT = "t.merged_into_id IS NULL"


def _list(words: dict[str, str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(set(words.values())))


def _rule(
    name: str, field: str, message: str, breaks: str, *, warns: bool = False, blocks: bool = False
) -> Rule:
    return Rule(
        name=f"product-{name}",
        table="products",
        field=field,
        message=message,
        breaks=breaks,
        among=_CURRENT,
        severity=Severity.WARNING if warns else Severity.ERROR,
        is_blocking=blocks,
    )


def _outside(column: str) -> str:
    return f"t.{column} NOT BETWEEN 0 AND 100"


_GTIN_SUM = " + ".join(
    f"{3 if place % 2 == 0 else 1} * substr(t.gtin, {place + 1}, 1)::int" for place in range(13)
)

register(
    _rule("name", "name", "a product needs a name", "btrim(t.name) = ''", blocks=True),
    _rule(
        "thc-percent",
        "thc_percentage",
        "THC must be from 0 to 100 %",
        " OR ".join(_outside(f"thc_percentage{end}") for end in ("", "_low", "_high")),
        blocks=True,
    ),
    _rule(
        "cbd-percent",
        "cbd_percentage",
        "CBD must be from 0 to 100 %",
        " OR ".join(_outside(f"cbd_percentage{end}") for end in ("", "_low", "_high")),
        blocks=True,
    ),
    _rule(
        "ranges",
        "thc_percentage_low",
        "a range must not end below its beginning",
        "t.thc_percentage_low > t.thc_percentage_high OR t.cbd_percentage_low > t.cbd_percentage_high",
        blocks=True,
    ),
    _rule("price", "price", "a price must be more than 0", "t.price <= 0", blocks=True),
    _rule(
        "sizes",
        "weight_grams",
        "sizes must be more than 0",
        "t.weight_grams <= 0 OR t.volume_ml <= 0 OR t.pieces <= 0",
        blocks=True,
    ),
    _rule(
        "category",
        "category",
        "the category is none that is known",
        f"t.category NOT IN ({_list(CATEGORIES)})",
        blocks=True,
    ),
    _rule(
        "strain-type",
        "strain_type",
        "the strain type is none that is known",
        f"t.strain_type NOT IN ({_list(STRAIN_TYPES)})",
        blocks=True,
    ),
    _rule(
        "both-percent",
        "thc_percentage",
        "THC and CBD together are more than 100 %",
        "t.thc_percentage + t.cbd_percentage > 100",
    ),
    _rule(
        "gtin",
        "gtin",
        "the GTIN's check digit is wrong",
        rf"t.gtin IS NOT NULL AND CASE WHEN t.gtin ~ '^\d{{14}}$' THEN ({_GTIN_SUM} + substr(t.gtin, 14, 1)::int) %% 10 <> 0"
        " ELSE true END",
    ),
    _rule("category-missing", "category", "it has no category", "t.category IS NULL", warns=True),
    _rule(
        "price-odd",
        "price",
        "the price is below $1 or above $2,000",
        "t.price < 1 OR t.price > 2000",
        warns=True,
    ),
    _rule(
        "flower-potency",
        "thc_percentage",
        "dried flower is labeled in percent, this is in mg alone",
        "t.category IN ('dried-flower', 'pre-rolls') AND t.thc_percentage_high IS NULL AND t.thc_mg IS NOT NULL",
        warns=True,
    ),
    _rule(
        "flower-strength",
        "thc_percentage_high",
        "dried flower above 40 % THC is a slip of the decimal point",
        "t.category IN ('dried-flower', 'pre-rolls') AND t.thc_percentage_high > 40 AND NOT 'infused' = ANY(t.measures)",
        warns=True,
    ),
    _rule(
        "edible-dose",
        "thc_mg",
        "an edible may hold 10 mg THC in its immediate container (Cannabis Regulations, s. 102.7)",
        "t.category IN ('edibles', 'beverages') AND t.mg_unit = 'mg_per_package' AND t.thc_mg > 10",
        warns=True,
    ),
    _rule(
        "flower-weight",
        "weight_grams",
        "dried flower has no weight",
        "t.category = 'dried-flower' AND t.weight_grams IS NULL",
        warns=True,
    ),
)
