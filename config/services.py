"""Creation and use of API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from config.errors import BadInput
from config.models import ApiKey
from config.scopes import Scope

_USE_RESOLUTION = timedelta(minutes=1)


def create_api_key(  # noqa: PLR0913  # the properties of a key, each with a default
    *,
    name: str,
    audience: str,
    scopes: Sequence[str],
    provinces: Sequence[str] = (),
    store_codes: Sequence[str] = (),
    rate: str = "600/min",
) -> str:
    """
    Create the key of a client and return its secret, which cannot be read again.

    audience: name of an `Audience` in lower case. rate: for example 600/min. The key expires after
    a year; create its successor before, as both are accepted. Raises BadInput for unknown scopes.
    """
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown:
        known = ", ".join(Scope.values)
        raise BadInput("scopes", f"{unknown[0]} is not a scope; scopes are {known}")
    _, secret = ApiKey.objects.create_key(
        name=name,
        audience=audience,
        scopes=list(scopes),
        provinces=list(provinces),
        store_codes=list(store_codes),
        rate=rate,
    )
    return str(secret)


def record_key_use(key: ApiKey, *, now: datetime) -> None:
    """Store that a key is in use; written once a minute, as no one needs it more exactly."""
    if key.last_used_at is not None and now - key.last_used_at < _USE_RESOLUTION:
        return
    is_due = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_RESOLUTION)
    ApiKey.objects.filter(is_due, pk=key.pk).update(last_used_at=now)
