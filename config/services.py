"""Creation of API keys."""

from collections.abc import Sequence

from config.models import ApiKey


def create_api_key(
    *, name: str, audience: str, scopes: Sequence[str], province: str = "", rate: str = "600/min"
) -> str:
    """
    Create the key of a client and return its secret, which cannot be read again.

    audience: name of an `Audience` in lower case. rate: for example 600/min.
    """
    _, secret = ApiKey.objects.create_key(
        name=name, audience=audience, scopes=list(scopes), province=province, rate=rate
    )
    return str(secret)
