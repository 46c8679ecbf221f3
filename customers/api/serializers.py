"""Serializers of customers, consents, history and privacy requests; none is visible to `public`."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.reference.provinces import PROVINCES
from catalog.selectors.stores import all_stores
from config.api.keys import Audience
from config.api.serializers import ModelResponseSerializer, ResponseSerializer, StringField
from customers.external_ids import MAX_EXTERNAL_ID_LENGTH
from customers.models import Consent, ConsentText, CustomerProfile, Interaction, Purchase
from customers.selectors.consents import active_purposes
from customers.services.profiles import (
    LEGAL_AGES,
    STRAIN_TYPES,
    provinces_of_legal_age,
)
from mlops.models import Erasure
from mlops.privacy.receipts import receipt_counts

LANGUAGES = (("en", "English"), ("fr", "français"))
EXTERNAL_ID_HELP = "Loyalty number or account, as the client knows the customer."
STORE_CODE_HELP = "Code of the store; null for none."
PROVINCE_HELP = "Two letters, for example `ON`."


def verified_audience(*fields: str) -> dict[str, Audience]:
    """Return the audience `verified` for each field."""
    return dict.fromkeys(fields, Audience.VERIFIED)


class _RangeField(serializers.ListField):
    """A list of two numbers, the lower first."""

    def __init__(self, **kwargs: Any) -> None:
        bound = serializers.DecimalField(
            max_digits=7, decimal_places=2, min_value=0, coerce_to_string=False
        )
        super().__init__(
            child=bound,
            min_length=2,
            max_length=2,
            **{"allow_null": True, "required": False, **kwargs},
        )


class _WordsField(serializers.ListField):
    """A list of 1 to 50 words."""

    def __init__(self, **kwargs: Any) -> None:
        word = serializers.CharField(max_length=100)
        super().__init__(
            child=word,
            min_length=1,
            max_length=50,
            **{"allow_null": True, "required": False, **kwargs},
        )


class PreferencesSerializer(ResponseSerializer):
    """Preferences of a customer; null where nothing is known."""

    audiences: ClassVar = verified_audience(
        "thc_range",
        "cbd_range",
        "price_range",
        "strain_types",
        "disliked_brands",
        "disliked_categories",
        "disliked_strain_types",
    )
    thc_range = _RangeField(help_text="Percent THC: lower and upper bound.")
    cbd_range = _RangeField(help_text="Percent CBD: lower and upper bound.")
    price_range = _RangeField(help_text="Dollars per product: lower and upper bound.")
    strain_types = serializers.ListField(
        child=serializers.ChoiceField(choices=STRAIN_TYPES),
        allow_null=True,
        required=False,
        allow_empty=False,
        help_text="Preferred strain types.",
    )
    disliked_brands = _WordsField(help_text="Brands that are never recommended.")
    disliked_categories = _WordsField(help_text="Categories that are never recommended.")
    disliked_strain_types = _WordsField(help_text="Strain types that are never recommended.")

    def to_representation(self, preferences: Any) -> dict[str, Any]:
        """Return every preference, null where it is missing."""
        return {name: preferences.get(name) for name in map(str, self.fields)}


_CUSTOMER_FIELDS = (
    "id",
    "external_id",
    "province",
    "language",
    "store_code",
    "age_verified_for",
    "verification_method",
    "age_verified_at",
    "verified_age",
    "consents",
    "preferences",
    "stated_preferences",
    "derived_preferences",
    "purchase_frequency",
    "average_order_value",
    "created_at",
    "updated_at",
)


class CustomerSerializer(ModelResponseSerializer):
    """A customer, with the data that their consents allow."""

    audiences: ClassVar = {
        **verified_audience(*_CUSTOMER_FIELDS),
        "is_synthetic": Audience.STAFF,
    }
    external_id = serializers.CharField(
        source="external_customer_id", read_only=True, help_text=EXTERNAL_ID_HELP
    )
    store_code: serializers.SlugRelatedField = serializers.SlugRelatedField(
        source="store",
        slug_field="code",
        read_only=True,
        allow_null=True,
        help_text="Code of the preferred store; null for none.",
    )
    age_verified_for = serializers.SerializerMethodField(
        help_text="Provinces whose legal age the verified age reaches today; empty if unverified."
    )
    verification_method = serializers.CharField(
        help_text="`in_person`, `account` or `delivery`; empty while the age is not verified."
    )
    consents = serializers.SerializerMethodField(help_text="Purposes of the active consents.")
    preferences = serializers.SerializerMethodField(
        help_text="Effective preferences: the stated ones, else the derived ones."
    )
    stated_preferences = PreferencesSerializer(help_text="Preferences stated by the customer.")
    derived_preferences = PreferencesSerializer(
        help_text=(
            "Preferences derived from purchases, with the consents `history` and `profiling` only."
        )
    )
    average_order_value = serializers.DecimalField(
        source="avg_spending",
        max_digits=10,
        decimal_places=2,
        read_only=True,
        allow_null=True,
        help_text="Dollars per order in the last 12 months; null without the consents.",
    )

    class Meta:
        model = CustomerProfile
        fields = (*_CUSTOMER_FIELDS, "is_synthetic")
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Id of the customer."},
            "province": {"help_text": "Two letters, for example `ON`; empty if unknown."},
            "language": {"help_text": "Preferred language."},
            "age_verified_at": {"help_text": "Time of the age verification; null if unverified."},
            "verified_age": {"help_text": "Minimum age that was shown: 18, 19 or 21."},
            "purchase_frequency": {
                "help_text": "Orders in the last 90 days; null without the consents."
            },
            "created_at": {"help_text": "Time of the registration."},
            "updated_at": {"help_text": "Time of the last correction or age verification."},
            "is_synthetic": {"help_text": "`true` for a synthetic customer of the demonstration."},
        }

    def get_age_verified_for(self, customer: CustomerProfile) -> list[str]:
        """Return the provinces where the customer is of legal age."""
        return provinces_of_legal_age(customer)

    def get_consents(self, customer: CustomerProfile) -> list[str]:
        """Return the purposes of the active consents."""
        return sorted(active_purposes(customer))

    def get_preferences(self, customer: CustomerProfile) -> PreferencesSerializer:
        """Return the effective preferences; a stated one replaces the derived one."""
        effective = {**customer.derived_preferences, **customer.stated_preferences}
        return PreferencesSerializer().to_representation(effective)  # type: ignore[return-value]  # documents the schema


class CustomerRegistrationSerializer(ResponseSerializer):
    """Request to register a customer."""

    audiences: ClassVar = verified_audience("external_id", "province", "language", "store_code")
    external_id = StringField(max_length=MAX_EXTERNAL_ID_LENGTH, help_text=EXTERNAL_ID_HELP)
    province = serializers.ChoiceField(
        choices=sorted(PROVINCES), required=False, help_text=PROVINCE_HELP
    )
    language = serializers.ChoiceField(
        choices=LANGUAGES, default="en", help_text="Preferred language."
    )
    store_code: serializers.SlugRelatedField = serializers.SlugRelatedField(
        source="store",
        slug_field="code",
        queryset=all_stores(),
        required=False,
        allow_null=True,
        help_text="Code of the preferred store.",
    )


class ProfileCorrectionSerializer(PreferencesSerializer):
    """Corrections and stated preferences; a preference of null removes the statement."""

    audiences: ClassVar = {
        **PreferencesSerializer.audiences,
        **verified_audience("province", "language", "store_code"),
    }
    province = serializers.ChoiceField(
        choices=sorted(PROVINCES), required=False, help_text=PROVINCE_HELP
    )
    language = serializers.ChoiceField(
        choices=LANGUAGES, required=False, help_text="Preferred language."
    )
    store_code: serializers.SlugRelatedField = serializers.SlugRelatedField(
        source="store",
        slug_field="code",
        queryset=all_stores(),
        required=False,
        allow_null=True,
        help_text="Code of the preferred store; null removes it.",
    )


class ConsentSerializer(ModelResponseSerializer):
    """A consent to a version of a consent text."""

    audiences: ClassVar = verified_audience(
        "id", "purpose", "version", "language", "channel", "given_at", "withdrawn_at"
    )
    version = serializers.CharField(
        source="text.version", help_text="Version of the consent text that was shown."
    )

    class Meta:
        model = Consent
        fields = ("id", "purpose", "version", "language", "channel", "given_at", "withdrawn_at")
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Id of the consent."},
            "purpose": {"help_text": "Purpose of the consent."},
            "language": {"help_text": "Language of the text that was shown."},
            "channel": {"help_text": "Where the consent was given, for example `till`."},
            "given_at": {"help_text": "Time at which the consent was given."},
            "withdrawn_at": {"help_text": "Time of the withdrawal; null while active."},
        }


class ConsentRequestSerializer(ResponseSerializer):
    """Request to record a consent."""

    audiences: ClassVar = verified_audience("purpose", "version", "language", "channel")
    purpose = serializers.ChoiceField(
        choices=ConsentText.Purpose.choices, help_text="Purpose of the consent."
    )
    version = serializers.CharField(
        max_length=20, help_text="Version of the consent text that was shown."
    )
    language = serializers.ChoiceField(
        choices=LANGUAGES, help_text="Language of the text that was shown."
    )
    channel = serializers.CharField(
        max_length=30,
        required=False,
        allow_blank=True,
        help_text="Where the consent was given, for example `till`.",
    )


class ConsentWithdrawalSerializer(ResponseSerializer):
    """Result of a withdrawal."""

    audiences: ClassVar = verified_audience("purpose", "withdrawn_count")
    purpose = serializers.CharField(help_text="Purpose of the consent.")
    withdrawn_count = serializers.IntegerField(
        help_text="Consents withdrawn by this request; 0 if none was active."
    )


class ConsentTextSerializer(ModelResponseSerializer):
    """The current text of a purpose, in one language."""

    audiences: ClassVar = {
        "purpose": Audience.PUBLIC,
        "version": Audience.PUBLIC,
        "language": Audience.PUBLIC,
        "text": Audience.PUBLIC,
    }
    language = serializers.SerializerMethodField(help_text="Language of the text: `en` or `fr`.")
    text = serializers.SerializerMethodField(help_text="Text to show to the customer.")

    class Meta:
        model = ConsentText
        fields = ("purpose", "version", "language", "text")
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "purpose": {"help_text": "Purpose of the consent."},
            "version": {"help_text": "Version of the text, to be sent with the consent."},
        }

    def get_language(self, _text: ConsentText) -> str:
        """Return the requested language."""
        return str(self.context["language"])

    def get_text(self, text: ConsentText) -> str:
        """Return the text in the requested language."""
        return text.text_fr if self.context["language"] == "fr" else text.text_en


class ConsentTextsSerializer(ResponseSerializer):
    """The current text of each purpose."""

    audiences: ClassVar = {"results": Audience.PUBLIC}
    results = ConsentTextSerializer(many=True, help_text="One text for each purpose.")


class PurchaseSerializer(ModelResponseSerializer):
    """One line of a receipt."""

    audiences: ClassVar = verified_audience(
        "id",
        "order_id",
        "line",
        "store_code",
        "product_id",
        "quantity",
        "unit_price",
        "purchased_at",
    )
    store_code: serializers.SlugRelatedField = serializers.SlugRelatedField(
        source="store",
        slug_field="code",
        read_only=True,
        allow_null=True,
        help_text="Code of the store; null for the web shop.",
    )
    product_id = serializers.UUIDField(read_only=True, help_text="Id of the product.")

    class Meta:
        model = Purchase
        fields = (
            "id",
            "order_id",
            "line",
            "store_code",
            "product_id",
            "quantity",
            "unit_price",
            "purchased_at",
        )
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Id of the line."},
            "order_id": {"help_text": "Number of the receipt."},
            "line": {"help_text": "Index of the line on the receipt, from 0."},
            "quantity": {"help_text": "Units sold; negative for a return."},
            "unit_price": {"help_text": "Dollars per unit, without tax."},
            "purchased_at": {"help_text": "Time of the purchase."},
        }


class InteractionSerializer(ModelResponseSerializer):
    """A view, a basket change, a like or a dislike."""

    audiences: ClassVar = verified_audience(
        "id", "type", "session_id", "store_code", "product_id", "quantity", "occurred_at"
    )
    type = serializers.ChoiceField(
        source="kind",
        choices=Interaction.Kind.choices,
        read_only=True,
        help_text="Type of the interaction.",
    )
    session_id = serializers.CharField(
        source="session", read_only=True, help_text="Id of the visit, assigned by the client."
    )
    store_code: serializers.SlugRelatedField = serializers.SlugRelatedField(
        source="store",
        slug_field="code",
        read_only=True,
        allow_null=True,
        help_text="Code of the store; null for the web shop.",
    )
    product_id = serializers.UUIDField(read_only=True, help_text="Id of the product.")

    class Meta:
        model = Interaction
        fields = (
            "id",
            "type",
            "session_id",
            "store_code",
            "product_id",
            "quantity",
            "occurred_at",
        )
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Id of the event."},
            "quantity": {
                "help_text": "Units put into or taken out of the basket; null if unknown."
            },
            "occurred_at": {"help_text": "Time of the interaction."},
        }


class AgeVerificationSerializer(ResponseSerializer):
    """Request to record an age verification; the document itself is not stored."""

    audiences: ClassVar = verified_audience("verification_method", "verified_age")
    verification_method = serializers.ChoiceField(
        choices=CustomerProfile.VerificationMethod.choices, help_text="How the age was verified."
    )
    verified_age = serializers.ChoiceField(
        choices=LEGAL_AGES,
        required=False,
        help_text="Minimum age that was shown; default: the legal age of the customer's province.",
    )


class CustomerExportSerializer(ResponseSerializer):
    """All personal data of a customer."""

    audiences: ClassVar = verified_audience("format_version", "customer_id", "data")
    format_version = serializers.IntegerField(
        help_text="Version of the format; grows when stores or fields are renamed."
    )
    customer_id = serializers.UUIDField(help_text="Id of the customer.")
    data = serializers.DictField(  # type: ignore[assignment]  # replaces Serializer.data
        child=serializers.ListField(child=serializers.JSONField()),
        help_text="Rows, keys and objects, by the store that holds them.",
    )


EXPORT_FORMAT_VERSION = 1
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}


class ErasureRequestSerializer(ResponseSerializer):
    """Request to erase a customer."""

    audiences: ClassVar = verified_audience("reason", "dry_run")
    reason = serializers.CharField(
        max_length=200, help_text="For example: requested by the customer."
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Count what would be deleted, without deleting it."
    )


class ErasureSerializer(ModelResponseSerializer):
    """The receipt of an erasure; of a dry run, the counts of what would be deleted."""

    audiences: ClassVar = verified_audience(
        "id",
        "subject",
        "status",
        "requested_by",
        "reason",
        "started_at",
        "finished_at",
        "deleted",
        "redacted",
        "retained",
        "remaining",
        "is_dry_run",
    )
    status = serializers.ChoiceField(
        choices=Erasure.Status.choices,
        allow_blank=True,
        help_text="State of the erasure; empty for a dry run.",
    )
    started_at = serializers.DateTimeField(
        allow_null=True, help_text="Time of the start; null for a dry run."
    )
    deleted = serializers.SerializerMethodField(
        help_text="Number of deleted items, by table or server."
    )
    redacted = serializers.SerializerMethodField(
        help_text="Number of texts in which mentions of the customer were redacted, by table."
    )
    retained = serializers.SerializerMethodField(
        help_text="Number of items that the law requires to be retained, by table."
    )
    remaining = serializers.SerializerMethodField(
        help_text="Number of items that the final check found, by table or server."
    )
    is_dry_run = serializers.SerializerMethodField(help_text="`true` if nothing was deleted.")

    class Meta:
        model = Erasure
        fields = (
            "id",
            "subject",
            "status",
            "requested_by",
            "reason",
            "started_at",
            "finished_at",
            "deleted",
            "redacted",
            "retained",
            "remaining",
            "is_dry_run",
        )
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Id of the receipt."},
            "subject": {"help_text": "Id of the customer."},
            "requested_by": {"help_text": "API key or user that requested the erasure."},
            "reason": {"help_text": "Reason given with the request."},
            "finished_at": {"help_text": "Time of the end; null until then."},
        }

    @extend_schema_field(_COUNTS)
    def get_deleted(self, receipt: Erasure) -> dict[str, int]:
        """Return counts of deleted items."""
        return receipt_counts(receipt).deleted

    @extend_schema_field(_COUNTS)
    def get_redacted(self, receipt: Erasure) -> dict[str, int]:
        """Return counts of texts with redacted mentions."""
        return receipt_counts(receipt).redacted

    @extend_schema_field(_COUNTS)
    def get_retained(self, receipt: Erasure) -> dict[str, int]:
        """Return counts of retained items."""
        return receipt_counts(receipt).retained

    @extend_schema_field(_COUNTS)
    def get_remaining(self, receipt: Erasure) -> dict[str, int]:
        """Return counts; identifiers that an incomplete erasure has sealed are not for clients."""
        return receipt_counts(receipt).remaining

    def get_is_dry_run(self, receipt: Erasure) -> bool:
        """Return whether the receipt was not saved."""
        return receipt._state.adding
