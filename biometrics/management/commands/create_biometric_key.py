"""Print a new entry for the master keys of face templates."""

import base64
import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from biometrics.keys import KEY_BYTES, MAX_ID_LENGTH, kms_context
from config.clients.kms import KmsUnavailable, generate_data_key


class Command(BaseCommand):
    """Prints only; the entry must be stored by the operator."""

    help = (
        "Print a new entry of BIOMETRIC_KEYS. Master keys go to the front; the key `rotation` is"
        " created once. With --kms-key it is a data key that only that key of the key management"
        " service can decrypt."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("id", help="id of the entry, for example 2026-11, or rotation")
        parser.add_argument("--kms-key", default="", help="id, ARN or alias of a KMS key")

    def handle(self, *, id: str, kms_key: str, **_: Any) -> None:
        """Print the entry."""
        if not id or len(id) > MAX_ID_LENGTH or any(letter in id for letter in ":, \n"):
            raise CommandError(
                f"The id must have 1 to {MAX_ID_LENGTH} characters without colon, comma or space.",
                returncode=2,
            )
        value = secrets.token_bytes(KEY_BYTES)
        if kms_key or settings.BIOMETRIC_KEY_SOURCE == "kms":
            if not kms_key:
                raise CommandError("BIOMETRIC_KEY_SOURCE is kms: add --kms-key.", returncode=2)
            try:
                _plaintext, value = generate_data_key(key=kms_key, context=kms_context(id))
            except KmsUnavailable as error:
                raise CommandError(str(error)) from None
        self.stdout.write(f"{id}:{base64.b64encode(value).decode()}")
