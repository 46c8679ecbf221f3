"""Models: face templates, settings by province, groups of stores, audit log."""

from biometrics.models.audit import AuditEntry
from biometrics.models.provinces import BiometricSettings, StoreGroup, StoreGroupMember
from biometrics.models.templates import CustomerBiometric, FacePurpose, TemplateSalt

__all__ = [
    "AuditEntry",
    "BiometricSettings",
    "CustomerBiometric",
    "FacePurpose",
    "StoreGroup",
    "StoreGroupMember",
    "TemplateSalt",
]
