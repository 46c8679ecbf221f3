"""A model field for encrypted templates, which cannot be searched, indexed or stored in plain."""

import re
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldError
from django.db import models

from biometrics.errors import PlainTemplateRefused

# A Fernet token: version 0x80, 8 bytes of time, whose first two are zero until the year 8,900,000,
# initialization vector, blocks, HMAC; in URL-safe base64.
_TOKEN = re.compile(rb"gAAAA[A-Za-z0-9_-]{95,}={0,2}")


class EncryptedTemplateField(models.BinaryField):
    """
    A Fernet token.

    Equal templates have different tokens, so that uniqueness, indexes and comparisons would be
    meaningless at best and would leak equality at worst: a system check refuses them. Values that
    are no tokens raise PlainTemplateRefused before they reach the database.
    """

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(**kwargs), *self._check_not_searchable()]

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is not None and not is_token(value):
            raise PlainTemplateRefused
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> bytes | None:
        return None if value is None else bytes(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """Allow `isnull` alone. Raises FieldError."""
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and cannot be searched.")
        return super().get_lookup(lookup_name)

    def _check_not_searchable(self) -> list[CheckMessage]:
        problems = {
            "biometrics.E011": ("unique", self.unique or self._is_in_unique_rule()),
            "biometrics.E012": ("indexed", getattr(self, "db_index", False) or self._is_in_index()),
            "biometrics.E013": ("given a default", self.has_default() or self.has_db_default()),
            "biometrics.E014": ("editable in forms", self.editable),
        }
        return [
            Error(f"An encrypted template must not be {problem}.", obj=self, id=code)
            for code, (problem, is_found) in problems.items()
            if is_found
        ]

    def _is_in_unique_rule(self) -> bool:
        options = self.model._meta
        rules = [fields for fields in options.unique_together if self.name in fields]
        constraints = [
            constraint
            for constraint in options.constraints
            if isinstance(constraint, models.UniqueConstraint) and self._is_used_by(constraint)
        ]
        return bool(rules or constraints)

    def _is_in_index(self) -> bool:
        return any(self._is_used_by(index) for index in self.model._meta.indexes)

    def _is_used_by(self, rule: models.Index | models.UniqueConstraint) -> bool:
        names = {name.lstrip("-") for name in (*rule.fields, *getattr(rule, "include", ()))}
        used = {
            reference[0]
            for expression in rule.expressions
            for reference in models.Model._get_expr_references(expression)  # type: ignore[attr-defined]
        }
        return self.name in names | used


def is_token(value: Any) -> bool:
    """Return whether a value has the form of a Fernet token."""
    return isinstance(value, bytes | memoryview) and bool(_TOKEN.fullmatch(bytes(value)))
