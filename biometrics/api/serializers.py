"""Serializers of enrolment, verification and identification; no score is in any response."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework import serializers

from biometrics.models import FacePurpose
from config.api.keys import Audience
from config.api.serializers import ResponseSerializer
from config.api.uploads import UploadedFileField
from customers.external_ids import MAX_EXTERNAL_ID_LENGTH

MAX_DEVICE_ID_LENGTH = 64


def _verified(*fields: str) -> dict[str, Audience]:
    return dict.fromkeys(fields, Audience.VERIFIED)


def _image() -> UploadedFileField:
    return UploadedFileField(
        help_text="Photo of the face: JPEG, PNG or WebP, at most 8 MB. It is not stored."
    )


def _device_id() -> serializers.RegexField:
    return serializers.RegexField(
        r"^[A-Za-z0-9._-]+$",
        max_length=MAX_DEVICE_ID_LENGTH,
        help_text="Id of the till or camera; requests are limited by device as well.",
    )


def _store_code(**options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=50, **options)


class _CustomerReferenceSerializer(ResponseSerializer):
    """Base of requests that name a customer by either id."""

    audiences: ClassVar = _verified("customer_id", "external_id")
    customer_id = serializers.UUIDField(
        required=False, help_text="Id of the customer; this or `external_id`."
    )
    external_id = serializers.CharField(
        required=False,
        max_length=MAX_EXTERNAL_ID_LENGTH,
        help_text="Loyalty number or account of the customer; this or `customer_id`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one of the two ids."""
        if ("customer_id" in attrs) == ("external_id" in attrs):
            raise serializers.ValidationError(
                {"customer_id": _("Send either customer_id or external_id.")}
            )
        return attrs


class FaceEnrolmentRequestSerializer(_CustomerReferenceSerializer):
    """A photo to enroll a customer with."""

    audiences: ClassVar = {
        **_CustomerReferenceSerializer.audiences,
        **_verified("purpose", "image", "store_code", "device_id"),
    }
    purpose = serializers.ChoiceField(
        choices=FacePurpose.choices, help_text="Purpose that the customer has consented to."
    )
    image = _image()
    store_code = _store_code(
        required=False,
        help_text="Store where the photo was taken; default: the customer's home store.",
    )
    device_id = _device_id()


class FaceEnrolmentSerializer(ResponseSerializer):
    """An enrolment; the template itself is never sent."""

    audiences: ClassVar = _verified("customer_id", "purpose", "enrolled_at", "expires_at")
    customer_id = serializers.UUIDField(help_text="Id of the customer.")
    purpose = serializers.ChoiceField(choices=FacePurpose.choices, help_text="Purpose.")
    enrolled_at = serializers.DateTimeField(
        source="created_at", help_text="When the customer was enrolled."
    )
    expires_at = serializers.DateTimeField(help_text="When the template will be deleted.")


class FaceWithdrawalSerializer(ResponseSerializer):
    """Result of a withdrawal."""

    audiences: ClassVar = _verified("customer_id", "withdrawn_count", "is_retained")
    customer_id = serializers.UUIDField(help_text="Id of the customer.")
    withdrawn_count = serializers.IntegerField(
        min_value=0, help_text="Number of consents that were active until now."
    )
    is_retained = serializers.BooleanField(
        help_text="Whether a legal hold retains a template, which is not compared any more."
    )


class FaceVerificationRequestSerializer(_CustomerReferenceSerializer):
    """A photo to compare with the template of one customer."""

    audiences: ClassVar = {
        **_CustomerReferenceSerializer.audiences,
        **_verified("image", "device_id"),
    }
    image = _image()
    device_id = _device_id()


class FaceVerificationSerializer(ResponseSerializer):
    """Result of a verification."""

    audiences: ClassVar = _verified("verified")
    verified = serializers.BooleanField(help_text="Whether the photo shows the customer.")


class FaceIdentificationRequestSerializer(ResponseSerializer):
    """A photo of a person who asks to be recognized."""

    audiences: ClassVar = _verified("image", "store_code", "device_id", "initiated_by_customer")
    image = _image()
    store_code = _store_code(help_text="Store in which the person is.")
    device_id = _device_id()
    initiated_by_customer = serializers.BooleanField(
        required=True,
        help_text="Must be `true`: the person has asked to be recognized, for example by a button.",
    )


class FaceIdentificationSerializer(ResponseSerializer):
    """Result of an identification: unknown, or a match that staff must confirm."""

    audiences: ClassVar = _verified("status", "confirmation_token", "external_id_ending")
    status = serializers.ChoiceField(
        choices=["unknown", "confirmation_required"],
        help_text="`unknown`: no one, or not clearly one person, was recognized.",
    )
    confirmation_token = serializers.CharField(
        allow_null=True, help_text="Token for the confirmation, valid for two minutes; or null."
    )
    external_id_ending = serializers.CharField(
        allow_null=True,
        allow_blank=True,
        help_text="Last characters of the external id, to compare with what the customer says.",
    )


class FaceConfirmationRequestSerializer(ResponseSerializer):
    """Decision of staff on a match."""

    audiences: ClassVar = _verified("confirmation_token", "confirmed")
    confirmation_token = serializers.CharField(
        max_length=1000, help_text="Token of the identification."
    )
    confirmed = serializers.BooleanField(
        help_text="Whether the person is the customer, as they have said."
    )


class FaceConfirmationSerializer(ResponseSerializer):
    """The customer of a confirmed match."""

    audiences: ClassVar = _verified("status", "customer_id", "external_id")
    status = serializers.ChoiceField(
        choices=["recognized", "rejected"], help_text="What staff have decided."
    )
    customer_id = serializers.UUIDField(
        allow_null=True, help_text="Id of the customer; null if rejected."
    )
    external_id = serializers.CharField(
        allow_null=True, help_text="Loyalty number or account; null if rejected."
    )
