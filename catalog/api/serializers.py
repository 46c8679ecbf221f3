"""Serializers of products, search results and similar products."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from catalog.audiences import PRODUCT_FIELDS, SEARCHED_PRODUCT_FIELDS, SIMILAR_PRODUCT_FIELDS
from catalog.models import Product, Store
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.provinces import PROVINCES
from catalog.search import FACET_NAMES
from catalog.selectors.product_fields import ProductFieldState
from config.api.keys import Audience
from config.api.pagination import NEXT_CURSOR_HELP, PREVIOUS_CURSOR_HELP
from config.api.serializers import ModelResponseSerializer, ResponseSerializer
from config.api.uploads import UploadedFileField

MAX_RESULTS = 100
MAX_LOOKUP_ITEMS = 500
MAX_VECTOR_DIMENSION = 2048
_INDEX_VERSION_LENGTH = 16

PRODUCT_FIELD_HELP = {
    "id": "Product id.",
    "name": "Product name.",
    "name_fr": "Product name in French.",
    "brand": "Brand.",
    "sku": "SKU of the preferred source.",
    "gtin": "GTIN, 14 digits.",
    "category": "Product category, for example `dried_flower`.",
    "strain_type": "Strain type: `indica`, `sativa`, `hybrid` or a dominance.",
    "strain": "Strain (cultivar) of the product.",
    "lineage": "Claimed parent strains.",
    "thc_percentage": "THC, percent by mass: middle of the label's range.",
    "thc_percentage_low": "THC, percent by mass: lower end of the label's range.",
    "thc_percentage_high": "THC, percent by mass: upper end of the label's range.",
    "cbd_percentage": "CBD, percent by mass: middle of the label's range.",
    "cbd_percentage_low": "CBD, percent by mass: lower end of the label's range.",
    "cbd_percentage_high": "CBD, percent by mass: upper end of the label's range.",
    "thc_mg": "THC in milligrams, per `mg_basis`.",
    "cbd_mg": "CBD in milligrams, per `mg_basis`.",
    "mg_basis": "What milligrams refer to: `mg`, `mg_per_unit`, `mg_per_package` or `mg_per_ml`.",
    "weight_grams": "Net weight of the package in grams.",
    "volume_ml": "Net volume of the package in milliliters.",
    "dried_equivalent_grams": "Grams of dried cannabis that the product counts as in law.",
    "unit_count": "Units in the package, for example pre-rolls.",
    "price": "Price in CAD.",
    "terpenes": "Terpenes, the strongest first.",
    "terpene_source": "Source of the terpenes: `measured`, `supplier` or `strain_mean`.",
    "updated_at": "Time of the last change.",
    "source": "Code of the source whose values have priority.",
    "effects": "Effects reported for the strain; staff only (Cannabis Act, s. 17).",
    "effects_source": "Source of the effects: `reported` or `model`.",
}
"""Description of each product field, in every serializer of products."""
_PRODUCT_EXTRA_KWARGS = {name: {"help_text": text} for name, text in PRODUCT_FIELD_HELP.items()}


class StoreStockSerializer(ResponseSerializer):
    """Stock and price of a product in a store."""

    audiences: ClassVar = dict.fromkeys(
        ("store_code", "quantity", "is_in_stock", "price", "counted_at"), Audience.VERIFIED
    )
    store_code = serializers.CharField(help_text="Code of the store.")
    quantity = serializers.IntegerField(help_text="Units on hand.")
    is_in_stock = serializers.BooleanField(help_text="Whether there is a unit on hand.")
    price = serializers.DecimalField(
        max_digits=10, decimal_places=2, allow_null=True, help_text="Price in the store in CAD."
    )
    counted_at = serializers.DateTimeField(help_text="Time of the count.")


class _OptionalStockField(serializers.ListField):
    """Stock by store, which a response has when it is asked for."""

    child = StoreStockSerializer()

    def get_attribute(self, _instance: Any) -> Any:
        raise serializers.SkipField


class ProductSerializer(ModelResponseSerializer):
    """
    A product. Effects are for staff only (Cannabis Act, s. 17).

    Lists, single products and look-ups are rendered by `product_rows`; `fields` selects fields.
    """

    audiences: ClassVar = {**PRODUCT_FIELDS, "stock": Audience.VERIFIED}
    selectable = True
    stock = _OptionalStockField(
        read_only=True,
        help_text="Stock and price by store; only with `include=stock` or `store_code`.",
    )

    class Meta:
        model = Product
        fields = (*PRODUCT_FIELDS, "stock")
        read_only_fields = fields
        extra_kwargs = _PRODUCT_EXTRA_KWARGS


class ProductValuesSerializer(ModelResponseSerializer):
    """Values that a client sets on a product, with the reason."""

    audiences: ClassVar = dict.fromkeys((*CORRECTABLE_FIELDS, "reason"), Audience.STAFF)
    reason = serializers.CharField(
        required=False, help_text="Reason of the change; stored in the history."
    )

    class Meta:
        model = Product
        fields = (*CORRECTABLE_FIELDS, "reason")
        extra_kwargs: ClassVar = {name: _PRODUCT_EXTRA_KWARGS[name] for name in CORRECTABLE_FIELDS}


class SearchScoreComponentsSerializer(ResponseSerializer):
    """Components of a search score."""

    audiences: ClassVar = dict.fromkeys(
        ("ranks", "cosines", "word_share", "relevance", "boost", "is_exact"), Audience.STAFF
    )
    ranks = serializers.DictField(
        child=serializers.IntegerField(), help_text="Rank by retriever, from 1."
    )
    cosines = serializers.DictField(
        child=serializers.FloatField(), help_text="Cosine similarity by dense retriever."
    )
    word_share = serializers.FloatField(
        help_text="Share of the query's words that the product matches, weighted by rarity, 0 to 1."
    )
    relevance = serializers.FloatField(
        help_text="How well attributes of the product meet the interpreted query, 0 to 1."
    )
    boost = serializers.DictField(
        child=serializers.FloatField(),
        help_text="Boosts by signal (`stock`, `margin`, `freshness`), as shares of the score.",
    )
    is_exact = serializers.BooleanField(
        help_text="Whether the query is the product's name, SKU or GTIN."
    )


class SearchedProductSerializer(ModelResponseSerializer):
    """
    A product in search results; staff also see its score and the components of it.

    Results are rendered by `search_rows`; `fields` selects fields.
    """

    audiences: ClassVar = SEARCHED_PRODUCT_FIELDS
    selectable = True
    highlights = serializers.DictField(
        child=serializers.CharField(),
        help_text="Names and brand as HTML with `<mark>` around matched words; escaped.",
    )
    score = serializers.FloatField(
        allow_null=True, help_text="Fused score, 0 to 1 before boosts; null in a sorted list."
    )
    score_components = SearchScoreComponentsSerializer(
        help_text="Components of the score; empty in a sorted list."
    )

    class Meta:
        model = Product
        fields = tuple(SEARCHED_PRODUCT_FIELDS)
        read_only_fields = fields
        extra_kwargs = _PRODUCT_EXTRA_KWARGS


class QueryTermSerializer(ResponseSerializer):
    """One interpreted part of a query."""

    audiences: ClassVar = dict.fromkeys(
        ("key", "type", "matched_text", "min", "max", "value", "is_negated"), Audience.VERIFIED
    )
    key = serializers.CharField(help_text="Key for `ignore_interpretations`.")
    type = serializers.CharField(
        help_text="Attribute that the text refers to, for example `price` or `strain_type`."
    )
    matched_text = serializers.CharField(help_text="Words of the query, normalized.")
    min = serializers.FloatField(required=False, help_text="Lower bound, in the attribute's unit.")
    max = serializers.FloatField(required=False, help_text="Upper bound, in the attribute's unit.")
    value = serializers.CharField(required=False, help_text="Value of the attribute.")
    is_negated = serializers.BooleanField(
        required=False, help_text="`true` when products with the value are excluded."
    )


class FacetValueSerializer(ResponseSerializer):
    """A value, or a band of values, with the number of matching products."""

    audiences: ClassVar = dict.fromkeys(("value", "min", "max", "count"), Audience.VERIFIED)
    value = serializers.CharField(required=False, help_text="Value; absent for bands.")
    min = serializers.FloatField(required=False, help_text="Lower bound of a band, included.")
    max = serializers.FloatField(
        required=False, help_text="Upper bound of a band, included; absent in the last band."
    )
    count = serializers.IntegerField(help_text="Number of matching products.")


@extend_schema_serializer(many=False)  # the response of `list` is one object
class SearchResultSerializer(ResponseSerializer):
    """Search results, the interpretation of the query, and facet counts."""

    audiences: ClassVar = dict.fromkeys(
        (
            "total_count",
            "next_cursor",
            "previous_cursor",
            "retrievers",
            "interpreted_query",
            "relaxed_filters",
            "did_you_mean",
            "facets",
            "results",
        ),
        Audience.VERIFIED,
    )
    total_count = serializers.IntegerField(
        help_text=(
            "Number of matching products on all pages. Of more than 20,000 products, about 2,000"
            " matches are counted at most, here and in `facets`, unless the list is sorted."
        )
    )
    next_cursor = serializers.CharField(allow_null=True, help_text=NEXT_CURSOR_HELP)
    previous_cursor = serializers.CharField(allow_null=True, help_text=PREVIOUS_CURSOR_HELP)
    retrievers = serializers.ListField(
        child=serializers.ChoiceField(
            choices=("lexical", "dense", "dense_multilingual", "attributes")
        ),
        help_text="Retrievers that took part in the ranking.",
    )
    interpreted_query = serializers.ListField(
        child=QueryTermSerializer(),
        help_text="Prices, potencies, sizes, types and formats read from the query.",
    )
    relaxed_filters = serializers.ListField(
        child=serializers.CharField(),
        help_text="Keys of interpreted terms that were dropped, as no product met all of them.",
    )
    did_you_mean = serializers.CharField(
        allow_null=True, help_text="Query with corrected spelling, which was searched for."
    )
    facets = serializers.DictField(
        child=serializers.ListField(child=FacetValueSerializer()),
        help_text=f"Counts by facet: {', '.join(FACET_NAMES)}.",
    )
    results = SearchedProductSerializer(many=True, help_text="Products of this page, best first.")


class SimilarityReasonSerializer(ResponseSerializer):
    """An attribute that two products share."""

    audiences: ClassVar = dict.fromkeys(("type", "value"), Audience.VERIFIED)
    type = serializers.CharField(help_text="Reason type, for example `same_brand`.")
    value = serializers.CharField(help_text="Shared or similar value.")


class SimilarityScoreComponentsSerializer(ResponseSerializer):
    """Contributions to the cosine similarity of two products; they sum to it."""

    audiences: ClassVar = dict.fromkeys(
        ("text", "chemistry", "type", "price", "names"), Audience.STAFF
    )
    text = serializers.FloatField(help_text="Contribution of the product text.")
    chemistry = serializers.FloatField(help_text="Contribution of THC, CBD and terpenes.")
    type = serializers.FloatField(help_text="Contribution of strain type, category and form.")
    price = serializers.FloatField(help_text="Contribution of price and price per gram.")
    names = serializers.FloatField(help_text="Contribution of brand, strain, parents and flavors.")


class SimilarProductSerializer(ModelResponseSerializer):
    """
    A similar product with the attributes both share; staff also see the score components.

    Rendered by `similar_rows`.
    """

    audiences: ClassVar = SIMILAR_PRODUCT_FIELDS
    reasons = serializers.ListField(
        child=SimilarityReasonSerializer(),
        help_text="Attributes that both products share, the strongest first.",
    )
    score = serializers.FloatField(help_text="Cosine similarity.")
    score_components = SimilarityScoreComponentsSerializer(
        help_text="Contributions to the cosine similarity; they sum to it."
    )

    class Meta:
        model = Product
        fields = tuple(SIMILAR_PRODUCT_FIELDS)
        read_only_fields = fields
        extra_kwargs = _PRODUCT_EXTRA_KWARGS


class SimilarProductsSerializer(ResponseSerializer):
    """Products similar to a product."""

    audiences: ClassVar = {"results": Audience.VERIFIED}
    results = SimilarProductSerializer(many=True, help_text="Products, the most similar first.")


class ProductFieldStateSerializer(ResponseSerializer):
    """Value, origin and lock of one field of a product. Values are texts, lists comma-separated."""

    audiences: ClassVar = dict.fromkeys(
        (
            "field",
            "value",
            "set_by",
            "set_at",
            "is_locked",
            "is_confirmed",
            "last_stated_by",
            "last_stated_at",
            "source_values",
        ),
        Audience.STAFF,
    )
    field = serializers.CharField(help_text="Name of the field.")
    value = serializers.CharField(source="display_value", help_text="Value; empty when unknown.")
    set_by = serializers.SerializerMethodField(
        help_text="Sources that state the value, comma-separated; `staff` for a locked field."
    )
    set_at = serializers.DateTimeField(allow_null=True, help_text="When the value was set.")
    is_locked = serializers.SerializerMethodField(help_text="Whether staff have locked the field.")
    is_confirmed = serializers.BooleanField(
        help_text="`false` when no current listing states the field any more."
    )
    last_stated_by = serializers.ListField(
        child=serializers.CharField(),
        help_text="Sources that stated an unconfirmed value, the latest first.",
    )
    last_stated_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when an unconfirmed value was stated."
    )
    source_values = serializers.SerializerMethodField(
        help_text="Current value by source, for the sources that state the field."
    )

    def get_set_by(self, state: ProductFieldState) -> str:
        """Return the sources; people are not named."""
        return "staff" if state.lock else state.set_by

    def get_is_locked(self, state: ProductFieldState) -> bool:
        """Return whether the field is locked."""
        return state.lock is not None

    def get_source_values(self, state: ProductFieldState) -> dict[str, str]:
        """Return the values as texts."""
        return {source: value for source, value, _ in state.display_source_values}


class ProductFieldStatesSerializer(ResponseSerializer):
    """State of every correctable field of a product."""

    audiences: ClassVar = {"results": Audience.STAFF}
    results = ProductFieldStateSerializer(many=True, help_text="Fields, in a fixed order.")


class NearestProductsSerializer(ResponseSerializer):
    """Products nearest to an image or a vector."""

    audiences: ClassVar = {"results": Audience.VERIFIED}
    results = ProductSerializer(many=True, help_text="Products, the nearest first.")


class VectorQuerySerializer(ResponseSerializer):
    """A vector to search by."""

    audiences: ClassVar = dict.fromkeys(
        ("collection", "vector", "index_version", "limit"), Audience.STAFF
    )
    collection = serializers.ChoiceField(
        choices=("product_embeddings", "product_texts"),
        default="product_embeddings",
        help_text="Vector collection to search.",
    )
    vector = serializers.ListField(
        child=serializers.FloatField(),
        min_length=1,
        max_length=MAX_VECTOR_DIMENSION,
        help_text="Vector with the dimension of the index; need not be normalized.",
    )
    index_version = serializers.CharField(
        max_length=_INDEX_VERSION_LENGTH,
        help_text="Fingerprint of the encoder of the vector; must be the one of the index.",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_RESULTS, default=20, help_text="Maximum number of products."
    )


class ImageQuerySerializer(ResponseSerializer):
    """An image to search by."""

    audiences: ClassVar = dict.fromkeys(("image", "limit"), Audience.VERIFIED)
    image = UploadedFileField(help_text="PNG, JPEG or WebP, at most 5 MB.")
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_RESULTS, default=20, help_text="Maximum number of products."
    )


class ProductReferenceSerializer(ResponseSerializer):
    """A product by its id, its SKU or its GTIN: exactly one of them."""

    audiences: ClassVar = dict.fromkeys(("id", "sku", "gtin"), Audience.VERIFIED)
    id = serializers.UUIDField(required=False, help_text="Product id.")
    sku = serializers.CharField(required=False, max_length=50, help_text="Exact SKU.")
    gtin = serializers.RegexField(
        r"^[0-9]{8,14}$", required=False, help_text="GTIN of 8 to 14 digits."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the reference. Raises ValidationError unless it has exactly one number."""
        if len(attrs) != 1:
            raise serializers.ValidationError(gettext("must have exactly one of id, sku and gtin"))
        return attrs


class ProductLookupSerializer(ResponseSerializer):
    """Products to look up."""

    audiences: ClassVar = {"items": Audience.VERIFIED}
    items = serializers.ListField(
        child=ProductReferenceSerializer(),
        min_length=1,
        max_length=MAX_LOOKUP_ITEMS,
        help_text=f"1 to {MAX_LOOKUP_ITEMS} products.",
    )


class ProductLookupResultSerializer(ResponseSerializer):
    """Result of the look-up of one product."""

    audiences: ClassVar = dict.fromkeys(("index", "status", "product"), Audience.VERIFIED)
    index = serializers.IntegerField(help_text="Position of the item in the request, from 0.")
    status = serializers.ChoiceField(
        choices=("found", "not_found"), help_text="Whether there is such a product."
    )
    product = ProductSerializer(allow_null=True, help_text="The product; null if there is none.")


class ProductLookupResultsSerializer(ResponseSerializer):
    """Results of a look-up, in the order of the request."""

    audiences: ClassVar = {"results": Audience.VERIFIED}
    results = ProductLookupResultSerializer(many=True, help_text="One result for each item.")


class StoreSerializer(ModelResponseSerializer):
    """A store of the retailer."""

    audiences: ClassVar = dict.fromkeys(
        ("id", "code", "name", "province", "legal_age"), Audience.VERIFIED
    )
    province = serializers.ChoiceField(
        choices=sorted(PROVINCES), help_text="Province of the store, two letters."
    )
    legal_age = serializers.SerializerMethodField(
        help_text="Age from which cannabis may be sold in the province."
    )

    class Meta:
        model = Store
        fields = ("id", "code", "name", "province", "legal_age")
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Store id."},
            "code": {"help_text": "Code by which requests name the store."},
            "name": {"help_text": "Name of the store."},
        }

    def get_legal_age(self, store: Store) -> int:
        """Return the legal age today."""
        return PROVINCES[store.province].min_age(timezone.localdate())
