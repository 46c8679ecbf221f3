"""Serializers of competitors, their prices, price history and price positions; staff only."""

from typing import ClassVar

from rest_framework import serializers

from competitors.models import Competitor, CompetitorOffer, CrawlStatus
from competitors.selectors.price_position import POSITIONS
from competitors.selectors.price_series import STEPS
from config.api.keys import Audience
from config.api.serializers import ResponseSerializer


def _staff(*fields: str) -> dict[str, Audience]:
    return dict.fromkeys(fields, Audience.STAFF)


def _price(
    help_text: str, *, source: str | None = None, decimals: int = 2
) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=12, decimal_places=decimals, source=source, allow_null=True, help_text=help_text
    )


class CompetitorLocationSerializer(ResponseSerializer):
    """A location of a competitor."""

    audiences: ClassVar = _staff("id", "name", "province", "licence_number")
    id = serializers.UUIDField(help_text="Location id.")
    name = serializers.CharField(help_text="Name of the location.")
    province = serializers.CharField(help_text="Province; empty: as the competitor.")
    licence_number = serializers.CharField(help_text="Licence number; empty: unknown.")


class CompetitorSerializer(ResponseSerializer):
    """A competitor and the state of its crawls."""

    audiences: ClassVar = _staff(
        "id",
        "code",
        "name",
        "platform",
        "province",
        "is_enabled",
        "status",
        "status_reason",
        "last_good_crawl_at",
        "offer_count",
        "usual_offer_count",
        "locations",
    )
    id = serializers.UUIDField(help_text="Competitor id.")
    code = serializers.CharField(help_text="Short name, which prices refer to.")
    name = serializers.CharField(help_text="Name of the shop or chain.")
    platform = serializers.ChoiceField(
        choices=Competitor.Platform.choices, help_text="Menu platform."
    )
    province = serializers.CharField(help_text="Province.")
    is_enabled = serializers.BooleanField(help_text="Whether the schedule crawls it.")
    status = serializers.ChoiceField(choices=CrawlStatus.choices, help_text="State of its crawls.")
    status_reason = serializers.CharField(help_text="Why it is not healthy; empty: it is.")
    last_good_crawl_at = serializers.DateTimeField(
        allow_null=True, help_text="End of the last complete, plausible crawl."
    )
    offer_count = serializers.IntegerField(help_text="Offers on sale now.")
    usual_offer_count = serializers.IntegerField(
        allow_null=True,
        source="usual_offers",
        help_text="Median number of offers of recent good crawls.",
    )
    locations = CompetitorLocationSerializer(many=True, help_text="Locations.")


class PricePositionSerializer(ResponseSerializer):
    """Our price of a product beside those of competitors, in CAD."""

    audiences: ClassVar = _staff(
        "product_id",
        "name",
        "brand",
        "category",
        "own_price",
        "own_net_price",
        "competitor_count",
        "min_price",
        "median_price",
        "max_price",
        "rank",
        "index",
        "difference",
        "position",
        "observed_at",
    )
    product_id = serializers.UUIDField(help_text="Product id.")
    name = serializers.CharField(help_text="Product name.")
    brand = serializers.CharField(allow_null=True, help_text="Brand.")
    category = serializers.CharField(allow_null=True, help_text="Product category.")
    own_price = _price("Our price as listed.")
    own_net_price = _price("Our price without tax; null without a competitor's price.")
    competitor_count = serializers.IntegerField(
        source="competitors", help_text="Competitors with a fresh, confident price."
    )
    min_price = _price("Lowest price of a competitor, without tax.")
    median_price = _price("Median of the competitors' lowest prices, without tax.")
    max_price = _price("Highest of the competitors' lowest prices, without tax.")
    rank = serializers.IntegerField(
        allow_null=True, help_text="Our rank by price; 1 where no competitor is cheaper."
    )
    index = _price("Our price divided by the median, both without tax.", decimals=4)
    difference = _price("Our price minus the median, both without tax.")
    position = serializers.ChoiceField(
        choices=POSITIONS,
        help_text="Our price beside the median; `at` within one percent; `none` without prices.",
    )
    observed_at = serializers.DateTimeField(
        allow_null=True, help_text="Time of the newest of these prices."
    )


class CompetitorPriceSerializer(ResponseSerializer):
    """A competitor's offer of a product."""

    audiences: ClassVar = _staff(
        "offer_id",
        "competitor",
        "location",
        "province",
        "name",
        "url",
        "price",
        "regular_price",
        "sale_price",
        "member_price",
        "promotions",
        "currency",
        "is_tax_included",
        "net_price",
        "price_per_gram",
        "price_per_gram_equivalent",
        "price_per_thc_mg",
        "price_per_piece",
        "stock",
        "match_status",
        "confidence",
        "is_evidence",
        "observed_at",
    )
    offer_id = serializers.UUIDField(source="offer.pk", help_text="Offer id.")
    competitor = serializers.CharField(
        source="offer.competitor.code", help_text="Code of the competitor."
    )
    location = serializers.CharField(
        source="offer.location.name",
        default=None,
        allow_null=True,
        help_text="Name of the location; null: the shop has one menu.",
    )
    province = serializers.CharField(help_text="Province of the location.")
    name = serializers.CharField(source="offer.name", help_text="Name as the competitor writes it.")
    url = serializers.CharField(source="offer.url", help_text="Page of the item; may be empty.")
    price = _price("Price that anyone gets now, as listed.", source="offer.price")
    regular_price = _price("Price without promotions.", source="offer.regular_price")
    sale_price = _price("Lower price that anyone gets now.", source="offer.sale_price")
    member_price = _price(
        "Price for members only; never the price that is compared.", source="offer.member_price"
    )
    promotions = serializers.ListField(
        source="offer.promotions",
        child=serializers.JSONField(help_text="A conditional price as stated."),
        help_text="Conditional prices as stated, for example 2 for 50; never compared.",
    )
    currency = serializers.CharField(source="offer.currency", help_text="ISO 4217 code.")
    is_tax_included = serializers.BooleanField(
        source="offer.is_tax_included",
        allow_null=True,
        help_text="Whether the prices include tax; null: unknown.",
    )
    net_price = _price(
        "Price without tax; null where it cannot be compared.", source="offer.net_price"
    )
    price_per_gram = _price(
        "Price per gram, without tax.", source="unit_prices.per_gram", decimals=4
    )
    price_per_gram_equivalent = _price(
        "Price per gram-equivalent of dried cannabis, without tax.",
        source="unit_prices.per_gram_equivalent",
        decimals=4,
    )
    price_per_thc_mg = _price(
        "Price per milligram of THC, without tax.", source="unit_prices.per_thc_mg", decimals=4
    )
    price_per_piece = _price(
        "Price per piece, without tax.", source="unit_prices.per_piece", decimals=4
    )
    stock = serializers.ChoiceField(
        source="offer.stock", choices=CompetitorOffer.Stock.choices, help_text="Stock status."
    )
    match_status = serializers.ChoiceField(
        source="offer.match_status",
        choices=CompetitorOffer.MatchStatus.choices,
        help_text="Who matched the offer to the product.",
    )
    confidence = serializers.DecimalField(
        source="offer.confidence",
        max_digits=3,
        decimal_places=2,
        help_text="Confidence of the reading of the price, 0 to 1.",
    )
    is_evidence = serializers.BooleanField(
        help_text="Whether the price is fresh and confident enough to be compared."
    )
    observed_at = serializers.DateTimeField(
        source="offer.last_seen_at", help_text="When the offer was last observed."
    )


class CompetitorPricesSerializer(ResponseSerializer):
    """Competitors' prices of a product, and our position among them."""

    audiences: ClassVar = _staff("product_id", "position", "results")
    product_id = serializers.UUIDField(help_text="Product id.")
    position = PricePositionSerializer(help_text="Our price beside the prices of competitors.")
    results = CompetitorPriceSerializer(
        many=True, help_text="Offers, the lowest price without tax first."
    )


class PricePointSerializer(ResponseSerializer):
    """Observed prices of one competitor within one step, in CAD as listed."""

    audiences: ClassVar = _staff(
        "start",
        "competitor",
        "min_price",
        "max_price",
        "last_price",
        "last_unit_price",
        "in_stock",
        "observation_count",
    )
    start = serializers.DateField(help_text="First day of the step.")
    competitor = serializers.CharField(help_text="Code of the competitor.")
    min_price = _price("Lowest price observed.")
    max_price = _price("Highest price observed.")
    last_price = _price("Price of the last observation.")
    last_unit_price = _price("Last price per gram-equivalent, without tax.", decimals=4)
    in_stock = serializers.BooleanField(
        allow_null=True, help_text="Whether it was in stock at any time; null: unknown."
    )
    observation_count = serializers.IntegerField(
        source="observations", help_text="Number of observations."
    )


class PriceHistorySerializer(ResponseSerializer):
    """Observed prices of a product over time."""

    audiences: ClassVar = _staff("product_id", "start_date", "end_date", "step", "results")
    product_id = serializers.UUIDField(help_text="Product id.")
    start_date = serializers.DateField(help_text="First day, as requested by `from`.")
    end_date = serializers.DateField(help_text="Last day, as requested by `to`.")
    step = serializers.ChoiceField(choices=STEPS, help_text="Length of a step.")
    results = PricePointSerializer(
        many=True, help_text="One point for each step and competitor with observations, in order."
    )
