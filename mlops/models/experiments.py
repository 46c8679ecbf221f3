"""Experiments: variants of a scenario, compared on a share of its visitors."""

from secrets import token_hex
from uuid import uuid4

from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Experiment(models.Model):
    """A comparison of variants in one scope (table `experiments`)."""

    class Status(models.TextChoices):
        """Progress of an experiment."""

        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    name = models.CharField(_("name"), max_length=100, unique=True, db_comment="name for staff")
    scope = models.CharField(
        _("scope"),
        max_length=60,
        help_text=_("where visitors are assigned; one experiment runs in a scope at a time"),
        db_comment="subject and placement, for example recommendations.home",
    )
    hypothesis = models.TextField(
        _("hypothesis"),
        help_text=_("what should become better, and why"),
        db_comment="expected effect",
    )
    metric = models.CharField(
        _("metric"), max_length=40, db_comment="metric that decides, per visitor"
    )
    min_effect = models.FloatField(
        _("smallest difference of interest"),
        default=0.01,
        validators=[MinValueValidator(1e-6)],
        help_text=_("in units of the metric: 0.01 is one percentage point of a rate"),
        db_comment="difference of the metric that the experiment should find",
    )
    days = models.PositiveSmallIntegerField(
        _("days"),
        default=28,
        validators=[MinValueValidator(1), MaxValueValidator(180)],
        help_text=_("the experiment ends after this time"),
        db_comment="planned duration in days",
    )
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=Status,
        default=Status.DRAFT,
        db_default=Status.DRAFT,
        editable=False,
        db_comment="draft, running or stopped",
    )
    assignment_key = models.CharField(
        max_length=64,
        default=token_hex,
        editable=False,
        db_comment="random key of the assignment, so that experiments are independent",
    )
    created_by = models.CharField(
        max_length=150, editable=False, db_comment="user name of the author"
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, db_comment="when it was created"
    )
    started_by = models.CharField(
        max_length=150, blank=True, db_default="", editable=False, db_comment="who started it"
    )
    started_at = models.DateTimeField(
        _("started at"), null=True, editable=False, db_comment="when assignment began"
    )
    ends_at = models.DateTimeField(
        _("ends at"),
        null=True,
        editable=False,
        db_comment="when assignment ends; moved to the time at which it was stopped",
    )
    stopped_by = models.CharField(
        max_length=150,
        blank=True,
        db_default="",
        editable=False,
        db_comment="who stopped it; empty: its planned end or a guard metric",
    )
    stop_reason = models.TextField(
        _("reason of the end"), blank=True, db_default="", editable=False, db_comment="why it ended"
    )
    result = models.JSONField(
        default=dict,
        editable=False,
        db_comment="measurements at its end, which outlive the log they come from",
    )

    class Meta:
        db_table = "experiments"
        db_table_comment = "Comparisons of variants on a share of visitors"
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["scope"],
                condition=Q(status="running"),
                name="experiments_one_running_per_scope",
            ),
            models.CheckConstraint(
                condition=Q(status="draft")
                | Q(started_at__isnull=False, ends_at__gte=F("started_at")),
                name="experiments_started_in_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ExperimentVariant(models.Model):
    """A variant; the first of an experiment is its control (table `experiment_variants`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    experiment = models.ForeignKey(
        Experiment,
        on_delete=models.CASCADE,
        related_name="variants",
        db_index=False,
        db_comment="experiment",
    )
    position = models.PositiveSmallIntegerField(
        editable=False, db_comment="order; 0 is the control"
    )
    name = models.CharField(
        _("name"), max_length=40, db_comment="name, which the log of results shows"
    )
    share = models.FloatField(
        _("share of the visitors"),
        validators=[MinValueValidator(0.001), MaxValueValidator(1)],
        db_comment="share of all visitors of the scope, 0 to 1",
    )
    settings = models.JSONField(
        _("settings"),
        default=dict,
        blank=True,
        db_comment="settings of the scope that the variant changes",
    )

    class Meta:
        db_table = "experiment_variants"
        db_table_comment = "Variants of experiments with their shares"
        ordering = ("experiment", "position")
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "position"], name="experiment_variants_position"
            ),
            models.UniqueConstraint(fields=["experiment", "name"], name="experiment_variants_name"),
            models.CheckConstraint(
                condition=Q(share__gt=0, share__lte=1), name="experiment_variants_share"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def share_percent(self) -> float:
        """The share in percent."""
        return 100 * self.share
