"""API keys."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import AbstractAPIKey, APIKeyManager

from config.audiences import Audience
from config.errors import BadInput
from config.rate_limits import parse_rate
from config.scopes import KeyBinding, Scope

LIFETIME = timedelta(days=365)
"""How long a key is accepted unless another day is set."""
_AUDIENCE_LABELS = {
    Audience.PUBLIC: _("Public"),
    Audience.VERIFIED: _("Verified"),
    Audience.STAFF: _("Staff"),
}


def default_expiry() -> datetime:
    """Return the time at which a key that is created now expires."""
    return timezone.now() + LIFETIME


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
        choices=[(a.name.lower(), _AUDIENCE_LABELS[a]) for a in Audience],
        default="public",
        db_comment="audience whose fields the client may see: public, verified or staff",
    )
    scopes = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        db_comment="what the client may do, for example events:write",
    )
    provinces = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        help_text=_("Two letters each, for example ON; empty: any province."),
        db_comment="provinces that the client is bound to; empty: any",
    )
    store_codes = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        help_text=_("Codes of stores, for example queen-west; empty: any store."),
        db_comment="codes of the stores that the client is bound to; empty: any",
    )
    expiry_date = models.DateTimeField(
        _("expires"),
        default=default_expiry,
        null=True,
        blank=True,
        help_text=_("From when the key is refused: after one year by default."),
        db_comment="from when the key is refused; NULL: never",
    )
    last_used_at = models.DateTimeField(
        null=True,
        editable=False,
        db_comment="when a request was last authenticated with the key, to the minute",
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
            "API keys of REST clients, with audience, scopes, provinces, stores and rate limit"
        )
        verbose_name = "API key"

    def clean(self) -> None:
        """Reject unknown scopes, and a rate with which the key could not send any request."""
        unknown = sorted(set(self.scopes) - set(Scope.values))
        if unknown:
            raise ValidationError(
                {"scopes": _("%(scope)s is not a scope.") % {"scope": unknown[0]}}
            )
        try:
            parse_rate(self.rate)
        except BadInput as error:
            raise ValidationError({"rate": error.reason}) from error

    @property
    def binding(self) -> KeyBinding:
        """Provinces and stores that the key is bound to."""
        return KeyBinding(frozenset(self.provinces), frozenset(self.store_codes))

    @property
    def province(self) -> str:
        """The only province that the key is bound to; empty if there are none or several."""
        return str(self.provinces[0]) if len(self.provinces) == 1 else ""


# The library declares these columns without comments.
_INHERITED_COMMENTS = {
    "id": "primary key: the prefix, which may appear in addresses and logs",
    "prefix": "first characters of the key; they identify it in lists and logs",
    "hashed_key": "hash of the key; the key itself is not stored",
    "created": "when the key was created",
    "name": "name of the client",
    "revoked": "whether the key is refused",
}
for _name, _comment in _INHERITED_COMMENTS.items():
    ApiKey._meta.get_field(_name).db_comment = _comment  # type: ignore[union-attr]
