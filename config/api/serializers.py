"""Serializers whose fields declare who may see them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from rest_framework import serializers

from config.api.keys import Audience, audience_of


class _AudienceFields(serializers.Serializer):
    """Base of serializers with an audience per field; a client sees the fields of its audience."""

    audiences: ClassVar[Mapping[str, Audience]] = {}
    audiences_by_schema: ClassVar[dict[str, Mapping[str, Audience]]] = {}
    """The audiences of every serializer, by its name in the OpenAPI schema."""
    selectable: ClassVar[bool] = False
    """Whether clients select fields, so that responses need not have all of them."""
    selectable_schemas: ClassVar[set[str]] = set()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Reject a serializer with a field that declares no audience."""
        super().__init_subclass__(**kwargs)
        fields = set(cls.Meta.fields) if hasattr(cls, "Meta") else set(cls._declared_fields)
        mismatched = fields ^ set(cls.audiences)
        if mismatched:
            raise ImproperlyConfigured(
                f"{cls.__name__}: no audience, or no field, for {', '.join(sorted(mismatched))}"
            )
        schema_name = cls.__name__.removesuffix("Serializer")
        _AudienceFields.audiences_by_schema[schema_name] = cls.audiences
        if cls.selectable:
            _AudienceFields.selectable_schemas.add(schema_name)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields that the audience of the context or of the request may see."""
        request = self.context.get("request")
        audience = self.context.get("audience")
        # Views without serializer context, as APIView, are found by their request.
        parser_context = getattr(request, "parser_context", None) or {}
        view = self.context.get("view") or parser_context.get("view")
        is_schema = getattr(view, "swagger_fake_view", False)
        if is_schema or (request is None and audience is None):  # the schema lists every field
            return super().get_fields()
        if audience is None:
            audience = Audience.PUBLIC if request is None else audience_of(request)
        return {
            name: field
            for name, field in super().get_fields().items()
            if self.audiences[name] <= audience
        }


class StringField(serializers.CharField):
    """A text that is a JSON string; numbers are refused instead of converted."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text. Raises ValidationError for another JSON type."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class ResponseSerializer(_AudienceFields):
    """Serializer of a response that is not a row; every field has an audience."""


class ModelResponseSerializer(_AudienceFields, serializers.ModelSerializer):
    """Serializer of a row; every field has an audience."""

    class Meta:
        fields: tuple[str, ...] = ()
