"""Models of the application: API keys."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey, APIKeyManager

from config.audiences import Audience
from config.errors import BadInput
from config.rate_limits import parse_rate


class ApiKeyManager(APIKeyManager):
    """Keys are identified by their public prefix; the library appends the hash to their id."""

    def assign_key(self, obj: AbstractAPIKey) -> str:
        """Generate the secret of a new key and return it. The id appears in addresses and logs."""
        secret: str = super().assign_key(obj)
        obj.id = obj.prefix
        return secret


class ApiKey(AbstractAPIKey):
    """The key of a REST client, stored as a hash (table `api_keys`)."""

    objects: ClassVar[ApiKeyManager] = ApiKeyManager()

    audience = models.CharField(
        max_length=10,
        choices=[(a.name.lower(), a.name.title()) for a in Audience],
        default="public",
        db_comment="audience whose fields the client may see: public, verified or staff",
    )
    scopes = ArrayField(
        models.CharField(max_length=50),
        default=list,
        help_text="for example catalog:read",
        db_comment="what the client may do, for example events:write",
    )
    province = models.CharField(
        max_length=2,
        blank=True,
        help_text="two letters, for example ON",
        db_comment="province of the client; empty: any",
    )
    rate = models.CharField(
        max_length=20,
        default="600/min",
        help_text="requests per sec, min, hour or day",
        db_comment="requests allowed, for example 600/min; empty: the default",
    )

    class Meta(AbstractAPIKey.Meta):
        db_table = "api_keys"
        db_table_comment = (
            "API keys of REST clients, with audience, scopes, province and rate limit"
        )
        verbose_name = "API key"

    def clean(self) -> None:
        """Reject an invalid rate: a key with one could not send any request."""
        try:
            parse_rate(self.rate)
        except BadInput as error:
            raise ValidationError({"rate": error.reason}) from error


# The library declares these columns without comments.
_INHERITED_COMMENTS = {
    "id": "primary key: the prefix, which may appear in addresses and logs",
    "prefix": "first characters of the key; they identify it in lists and logs",
    "hashed_key": "hash of the key; the key itself is not stored",
    "created": "when the key was created",
    "name": "name of the client",
    "revoked": "whether the key is refused",
    "expiry_date": "from when the key is refused; NULL: never",
}
for _name, _comment in _INHERITED_COMMENTS.items():
    ApiKey._meta.get_field(_name).db_comment = _comment  # type: ignore[union-attr]
