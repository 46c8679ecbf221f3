"""Second factors and sessions of staff."""

from importlib import import_module
from typing import cast

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from config.crypto import key_ring


class SecondFactor(models.Model):
    """The authenticator app of a user: the secret of its time-based codes (RFC 6238)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="second_factor",
        db_comment="whose it is",
    )
    encrypted_secret = models.BinaryField(
        db_comment="secret of the codes, encrypted with the key ring for this user"
    )
    confirmed_at = models.DateTimeField(
        null=True, db_comment="when the first code was accepted; NULL: not in force"
    )
    last_step = models.BigIntegerField(
        default=0, db_comment="period of 30 seconds of the last accepted code; none is used twice"
    )
    recovery_codes = ArrayField(
        models.CharField(max_length=64),
        default=list,
        db_comment="SHA-256 of the recovery codes that are left",
    )
    failure_count = models.PositiveIntegerField(
        default=0, db_comment="refused codes since the last accepted one"
    )
    failed_at = models.DateTimeField(null=True, db_comment="when a code was last refused")

    class Meta:
        db_table = "second_factors"
        db_table_comment = "second factors of staff: authenticator apps and recovery codes"
        default_permissions = ()

    def __str__(self) -> str:
        return f"second factor of user {self.user_id}"

    @property
    def secret(self) -> str:
        """The secret, base32. Raises TokenRefused when it was altered or is another user's."""
        return key_ring().decrypt(bytes(self.encrypted_secret), context=self._context).decode()

    @secret.setter
    def secret(self, value: str) -> None:
        self.encrypted_secret = key_ring().encrypt(value.encode(), context=self._context)

    @property
    def _context(self) -> bytes:
        return f"second-factor:{self.user_id}".encode()


class ConsoleSession(AbstractBaseSession):
    """A session of the console; the user's number lets all sessions of one be found."""

    user_id = models.IntegerField(
        null=True, db_index=True, db_comment="user who is logged in; NULL: before the login"
    )

    class Meta:
        db_table = "console_sessions"
        db_table_comment = "sessions of the console"
        default_permissions = ()

    @classmethod
    def get_session_store_class(cls) -> type:
        """Return the engine of these sessions."""
        return cast(type, import_module(settings.SESSION_ENGINE).SessionStore)


_INHERITED_COMMENTS = {
    "session_key": "key that the browser's cookie holds",
    "session_data": "signed contents",
    "expire_date": "when the session ends unless a request comes before",
}
for _name, _comment in _INHERITED_COMMENTS.items():
    ConsoleSession._meta.get_field(_name).db_comment = _comment  # type: ignore[union-attr]
