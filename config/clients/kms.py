"""Key management service: data keys that only the service can decrypt (AWS KMS)."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from config.errors import ServiceUnavailable


class KmsUnavailable(ServiceUnavailable):
    """The key management service does not respond, or refuses."""

    code = "kms_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("The key management service", reason)


def generate_data_key(*, key: str, context: Mapping[str, str]) -> tuple[bytes, bytes]:
    """
    Return a new random key of 32 bytes and its encrypted form, which may be stored.

    key: id, ARN or alias of the service's key. context: required again to decrypt; not secret.
    Raises KmsUnavailable.
    """
    response = _call("generate_data_key", KeyId=key, KeySpec="AES_256", context=context)
    return response["Plaintext"], response["CiphertextBlob"]


def decrypt_data_key(encrypted: bytes, *, context: Mapping[str, str]) -> bytes:
    """Return the key of an encrypted form. Raises KmsUnavailable."""
    plaintext: bytes = _call("decrypt", CiphertextBlob=encrypted, context=context)["Plaintext"]
    return plaintext


def _call(operation: str, *, context: Mapping[str, str], **arguments: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return getattr(_client(), operation)(EncryptionContext=dict(context), **arguments)
    except ClientError as error:
        raise KmsUnavailable(error.response.get("Error", {}).get("Code", "refused")) from None
    except BotoCoreError as error:
        raise KmsUnavailable(type(error).__name__) from None


def _client() -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "kms",
        endpoint_url=settings.AWS_KMS_ENDPOINT_URL or None,
        region_name=settings.AWS_KMS_REGION_NAME,
        config=Config(
            connect_timeout=5,
            read_timeout=10,
            retries={"total_max_attempts": 4, "mode": "standard"},
        ),
    )
