"""What of a person leaves, and what may be sent of one. The public sees nothing of it."""

from typing import Any, ClassVar

from rest_framework import serializers

from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from config.api.keys import Audience
from config.api.serializers import ModelResponseSerializer, ResponseSerializer
from customers.models import Consent, ConsentText, CustomerProfile, Interaction, Purchase
from customers.services.profiles import LEGAL_AGES, STRAIN_TYPES
from mlops.models import Erasure

LANGUAGES = (("en", "English"), ("fr", "français"))


def _all(*fields: str) -> dict[str, Audience]:
    return dict.fromkeys(fields, Audience.VERIFIED)


class _Range(serializers.ListField):
    """Two numbers, the lower first."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.DecimalField(
            max_digits=7, decimal_places=2, min_value=0, coerce_to_string=False
        )
        super().__init__(
            child=child,
            min_length=2,
            max_length=2,
            **{"allow_null": True, "required": False, **kwargs},
        )


class _Words(serializers.ListField):
    """Words, at least one."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.CharField(max_length=100)
        super().__init__(
            child=child,
            min_length=1,
            max_length=50,
            **{"allow_null": True, "required": False, **kwargs},
        )


class PreferencesSerializer(ResponseSerializer):
    """What somebody prefers; what is not known is null."""

    audiences: ClassVar = _all(
        "thc_range",
        "cbd_range",
        "price_range",
        "strain_types",
        "disliked_brands",
        "disliked_categories",
        "disliked_strain_types",
    )
    thc_range = _Range(help_text="percent, the lower first")
    cbd_range = _Range(help_text="percent")
    price_range = _Range(help_text="dollars a product")
    strain_types = serializers.ListField(
        child=serializers.ChoiceField(choices=STRAIN_TYPES),
        allow_null=True,
        required=False,
        allow_empty=False,
    )
    disliked_brands = _Words(help_text="never recommended")
    disliked_categories = _Words(help_text="never recommended")
    disliked_strain_types = _Words(help_text="never recommended")

    def to_representation(self, told: Any) -> dict[str, Any]:
        """Name every preference, null where it is not told."""
        return {name: told.get(name) for name in map(str, self.fields)}


_PROFILE = (
    "id",
    "external_customer_id",
    "province",
    "language",
    "store",
    "is_age_verified",
    "verification_method",
    "age_verified_at",
    "verified_age",
    "consents",
    "preferences",
    "stated",
    "derived",
    "purchase_frequency",
    "avg_spending",
    "created_at",
    "updated_at",
)


class CustomerSerializer(ModelResponseSerializer):
    """A person, as far as they agreed to be known."""

    audiences: ClassVar = {**_all(*_PROFILE), "is_synthetic": Audience.STAFF}
    store: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="code", read_only=True, allow_null=True, help_text="its code"
    )
    consents = serializers.SerializerMethodField(help_text="purposes that the person agrees to now")
    preferences = serializers.SerializerMethodField(
        help_text="what holds: what was stated, else what was derived"
    )
    verification_method = serializers.CharField(
        help_text="in-person, account or delivery; empty while the age is not proven"
    )
    stated = PreferencesSerializer(help_text="as the person told")
    derived = PreferencesSerializer(
        help_text="as purchases tell; only with the consent to be profiled"
    )

    class Meta:
        model = CustomerProfile
        fields = (*_PROFILE, "is_synthetic")
        read_only_fields = fields

    def get_consents(self, customer: CustomerProfile) -> list[str]:
        """Return the open ones."""
        return sorted(one.purpose for one in customer.consents.all() if one.withdrawn_at is None)

    def get_preferences(self, customer: CustomerProfile) -> PreferencesSerializer:
        """Return both, the stated ones on top."""
        return PreferencesSerializer().to_representation({**customer.derived_preferences, **customer.stated_preferences})  # type: ignore[return-value]


class NewCustomerSerializer(ResponseSerializer):
    """Who is to be registered."""

    audiences: ClassVar = _all("external_customer_id", "province", "language", "store")
    external_customer_id = serializers.CharField(
        max_length=100, help_text="loyalty number or account"
    )
    province = serializers.ChoiceField(choices=sorted(PROVINCES), required=False)
    language = serializers.ChoiceField(choices=LANGUAGES, default="en")
    store: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Store.objects.all(),
        required=False,
        allow_null=True,
        help_text="its code",
    )


class CustomerChangesSerializer(PreferencesSerializer):
    """What the person corrects or states; null takes a statement back."""

    audiences: ClassVar = {
        **PreferencesSerializer.audiences,
        **_all("province", "language", "store"),
    }
    province = serializers.ChoiceField(choices=sorted(PROVINCES), required=False)
    language = serializers.ChoiceField(choices=LANGUAGES, required=False)
    store: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Store.objects.all(),
        required=False,
        allow_null=True,
        help_text="its code",
    )


class ConsentSerializer(ModelResponseSerializer):
    """A consent: to which text, when, and when it was taken back."""

    audiences: ClassVar = _all(
        "id", "purpose", "version", "language", "channel", "given_at", "withdrawn_at"
    )
    version = serializers.CharField(source="text.version")

    class Meta:
        model = Consent
        fields = ("id", "purpose", "version", "language", "channel", "given_at", "withdrawn_at")
        read_only_fields = fields


class NewConsentSerializer(ResponseSerializer):
    """A consent that is given."""

    audiences: ClassVar = _all("purpose", "version", "language", "channel")
    purpose = serializers.ChoiceField(choices=ConsentText.Purpose.choices)
    version = serializers.CharField(max_length=20, help_text="of the text that was shown")
    language = serializers.ChoiceField(choices=LANGUAGES, help_text="in which it was shown")
    channel = serializers.CharField(
        max_length=30, required=False, allow_blank=True, help_text="for example till"
    )


class WithdrawnSerializer(ResponseSerializer):
    """What was taken back."""

    audiences: ClassVar = _all("purpose", "closed")
    purpose = serializers.CharField()
    closed = serializers.IntegerField(
        help_text="consents that were open; 0: it had been taken back"
    )


class ConsentTextSerializer(ModelResponseSerializer):
    """What people are asked now."""

    audiences: ClassVar = {
        "purpose": Audience.PUBLIC,
        "version": Audience.PUBLIC,
        "language": Audience.PUBLIC,
        "text": Audience.PUBLIC,
    }
    language = serializers.SerializerMethodField()
    text = serializers.SerializerMethodField()

    class Meta:
        model = ConsentText
        fields = ("purpose", "version", "language", "text")
        read_only_fields = fields

    def get_language(self, _text: ConsentText) -> str:
        """Return the language asked for."""
        return str(self.context["language"])

    def get_text(self, text: ConsentText) -> str:
        """Return the words in it."""
        return text.text_fr if self.context["language"] == "fr" else text.text_en


class ConsentTextsSerializer(ResponseSerializer):
    """The newest text of each purpose."""

    audiences: ClassVar = {"results": Audience.PUBLIC}
    results = ConsentTextSerializer(many=True)


class PurchaseSerializer(ModelResponseSerializer):
    """One line of a receipt."""

    audiences: ClassVar = _all(
        "id", "order_id", "line", "store", "product", "quantity", "unit_price", "purchased_at"
    )
    store: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="code", read_only=True, allow_null=True
    )

    class Meta:
        model = Purchase
        fields = (
            "id",
            "order_id",
            "line",
            "store",
            "product",
            "quantity",
            "unit_price",
            "purchased_at",
        )
        read_only_fields = fields


class InteractionSerializer(ModelResponseSerializer):
    """What was looked at, put into a basket, praised or blamed; praise is for staff."""

    audiences: ClassVar = _all(
        "id", "kind", "session", "store", "product", "quantity", "occurred_at"
    )
    store: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="code", read_only=True, allow_null=True
    )

    class Meta:
        model = Interaction
        fields = ("id", "kind", "session", "store", "product", "quantity", "occurred_at")
        read_only_fields = fields


class AgeProofSerializer(ResponseSerializer):
    """What showed the age; the document itself is not kept."""

    audiences: ClassVar = _all("proof", "age")
    proof = serializers.ChoiceField(choices=CustomerProfile.VerificationMethod.choices)
    age = serializers.ChoiceField(
        choices=LEGAL_AGES,
        required=False,
        help_text="the least age that was shown; else that of the person's province",
    )


class ExportedSerializer(ResponseSerializer):
    """Everything on one person, by place."""

    audiences: ClassVar = _all("customer", "data")
    customer = serializers.UUIDField()
    data = serializers.DictField(  # type: ignore[assignment]  # a field, taken from the class
        child=serializers.ListField(child=serializers.JSONField())
    )


class NewErasureSerializer(ResponseSerializer):
    """That a person is to be forgotten."""

    audiences: ClassVar = _all("reason", "dry_run")
    reason = serializers.CharField(
        max_length=200, help_text="why, for example: asked by the person"
    )
    dry_run = serializers.BooleanField(default=False, help_text="only count what would be removed")


class ErasureSerializer(ModelResponseSerializer):
    """The receipt of an erasure; of a dry run, what would be removed."""

    audiences: ClassVar = _all(
        "id",
        "subject",
        "status",
        "requested_by",
        "reason",
        "started_at",
        "finished_at",
        "deleted",
        "remaining",
        "is_dry_run",
    )
    status = serializers.ChoiceField(
        choices=Erasure.Status.choices, allow_blank=True, help_text="empty: a dry run"
    )
    started_at = serializers.DateTimeField(allow_null=True)
    deleted = serializers.DictField(child=serializers.IntegerField(), help_text="by place")
    remaining = serializers.DictField(
        child=serializers.JSONField(), help_text="what a second look found, by place"
    )
    is_dry_run = serializers.SerializerMethodField()

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
            "remaining",
            "is_dry_run",
        )
        read_only_fields = fields

    def get_is_dry_run(self, receipt: Erasure) -> bool:
        """Say whether nothing was done."""
        return receipt._state.adding
