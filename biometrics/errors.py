"""Errors of biometrics; each has a code that the audit log records."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from config.errors import BadInput, CultivarError


class BiometricsError(CultivarError):
    """Base of the errors of this application."""

    code = "biometrics_error"


class BiometricsDisabled(BiometricsError):
    """Biometrics is not enabled for this province and purpose, or may not be used there."""

    code = "biometrics_disabled"

    def __init__(self, province: str, reasons: Sequence[str] = ()) -> None:
        """reasons: what is missing, in words for staff; empty: biometrics is switched off."""
        self.province = province
        self.reasons = tuple(reasons)
        detail = "; ".join(self.reasons) or _("it is switched off")
        message = _("Biometrics is not in use in {province}: {reasons}.")
        super().__init__(message.format(province=province or _("no province"), reasons=detail))


class ConsentMissing(BiometricsError):
    """The customer has no active express consent that covers this use."""

    code = "consent_missing"

    def __init__(self, reason: str) -> None:
        super().__init__(_("No consent covers this: {reason}.").format(reason=reason))


class NotEnrolled(BiometricsError):
    """The customer has no template that can be compared."""

    code = "not_enrolled"

    def __init__(self) -> None:
        super().__init__(_("The customer is not enrolled; use the alternative."))


class NotInitiatedByCustomer(BadInput):
    """An identification was requested that the customer has not asked for."""

    code = "not_initiated_by_customer"

    def __init__(self) -> None:
        super().__init__(
            "initiated_by_customer",
            _("must be true: customers are identified at their request only"),
        )


class EmbeddingRefused(BiometricsError):
    """The embedding is not a finite unit vector of the expected dimension."""

    code = "embedding_refused"


class TemplateRefused(BiometricsError):
    """Base of the errors of stored templates that cannot be used."""

    code = "template_refused"


class TemplateTampered(TemplateRefused):
    """
    The stored template does not belong to its row: it was altered, moved, or replaced.

    part: `token` (does not decrypt with the key of this row), or the field of the authenticated
    header that differs from the row: id, customer, consent, model, dimension, dtype, expires_at,
    version.
    """

    code = "template_tampered"

    def __init__(self, part: str) -> None:
        self.part = part
        super().__init__(_("The template does not belong to its row: {part}.").format(part=part))


class TemplateExpired(TemplateRefused):
    """The retention period of the template is over."""

    code = "template_expired"

    def __init__(self) -> None:
        super().__init__(_("The retention period of the template is over."))


class TemplateShredded(TemplateRefused):
    """The salt of the template was deleted: no key can be derived for it any more."""

    code = "template_shredded"

    def __init__(self) -> None:
        super().__init__(_("The salt of the template was deleted."))


class RotationChanged(TemplateRefused):
    """The template was rotated with another deployment key; it cannot match any probe."""

    code = "rotation_changed"

    def __init__(self) -> None:
        super().__init__(_("The template was rotated with another deployment key."))


class TemplateKeyUnknown(TemplateRefused):
    """The master key of the template is not in the key ring."""

    code = "template_key_unknown"

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(_("The master key {key} is not in the key ring.").format(key=key_id))


class TemplateKeysUnavailable(BiometricsError):
    """The master keys are not configured, or cannot be read."""

    code = "template_keys_unavailable"


class PlainTemplateRefused(BiometricsError):
    """A value that is not an encrypted template was to be stored as one."""

    code = "plain_template_refused"

    def __init__(self) -> None:
        super().__init__("Only encrypted templates are stored; this value is not one.")
