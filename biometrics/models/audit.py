"""Audit log of biometrics."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """
    One entry of the audit log (table `biometric_audit`).

    The database refuses to change or delete entries. Each is signed together with the signature
    before it, so that none can be edited, removed or inserted unnoticed. No entry names a customer.
    """

    class Action(models.TextChoices):
        """Action on a template or the settings."""

        ENROLL = "enroll", _("template enrolled")
        READ = "read", _("template decrypted")
        LOAD = "load", _("templates decrypted for matching")
        MATCH = "match", _("customer recognized")
        VERIFY = "verify", _("customer verified")
        ERASE = "erase", _("template erased")
        REFUSE = "refuse", _("refused")
        REENCRYPT = "reencrypt", _("template encrypted with a new key")
        CONFIGURE = "configure", _("settings changed")

    sequence = models.BigIntegerField(primary_key=True, db_comment="position, from 1 without gaps")
    occurred_at = models.DateTimeField(db_comment="when it happened")
    action = models.CharField(
        max_length=10,
        choices=Action,
        db_comment="enroll, read, load, match, verify, erase, refuse, reencrypt or configure",
    )
    reason = models.CharField(
        max_length=50,
        blank=True,
        db_comment="code of the reason, for example withdrawal or template_tampered",
    )
    actor = models.CharField(
        max_length=150, db_comment="user:NAME, key:PREFIX, or the task that did it"
    )
    template_id = models.UUIDField(
        null=True, db_comment="id of the template, which identifies no one once it is erased"
    )
    template_digest = models.CharField(
        max_length=64,
        blank=True,
        db_comment="sha256 of the token that was stored; empty for other actions",
    )
    province = models.CharField(max_length=2, blank=True, db_comment="province")
    store_group = models.CharField(max_length=50, blank=True, db_comment="group of stores")
    purpose = models.CharField(max_length=30, blank=True, db_comment="purpose")
    count = models.IntegerField(default=1, db_comment="number of templates")
    signature = models.CharField(
        max_length=140, db_comment="HMAC over this entry and the signature before it"
    )

    class Meta:
        db_table = "biometric_audit"
        db_table_comment = "Audit log of biometrics: append-only, chained by signatures"
        ordering = ("-sequence",)
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["template_id", "-sequence"], name="biometric_audit_template")
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"
