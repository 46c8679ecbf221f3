"""Model registry: training runs, model versions with their gates, and deployments."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

EVERYWHERE = "*"
"""Scope of a deployment that serves every store without a specific one."""


class TrainingRun(models.Model):
    """One execution of a trainer (table `training_runs`)."""

    class Status(models.TextChoices):
        """Progress of a training run."""

        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")

    class Trigger(models.TextChoices):
        """Cause of a training run."""

        MANUAL = "manual", _("Manual")
        SCHEDULE = "schedule", _("Schedule")
        DRIFT = "drift", _("Drift")
        NEW_DATA = "new_data", _("New data")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    model = models.CharField(max_length=50, db_comment="name of the trainer")
    status = models.CharField(
        max_length=12,
        choices=Status,
        default=Status.RUNNING,
        db_default=Status.RUNNING,
        db_comment="running, succeeded, refused (a sanity check failed), failed or interrupted",
    )
    trigger = models.CharField(
        max_length=10,
        choices=Trigger,
        default=Trigger.MANUAL,
        db_default=Trigger.MANUAL,
        db_comment="what started it: manual, schedule, drift or new_data",
    )
    step = models.CharField(
        max_length=40, blank=True, db_default="", db_comment="current or last step"
    )
    progress = models.FloatField(
        default=0.0, db_default=0.0, db_comment="share of the steps that are done, 0 to 1"
    )
    parameters = models.JSONField(default=dict, db_comment="hyperparameters of the trainer")
    seed = models.BigIntegerField(default=0, db_comment="seed of every random choice")
    as_of = models.DateTimeField(db_comment="time that the training set is selected for")
    code_version = models.CharField(
        max_length=64, blank=True, db_comment="sha256 over the trainer's source files"
    )
    data_key = models.CharField(
        max_length=200, blank=True, db_comment="object key of the frozen training set (Parquet)"
    )
    data_checksum = models.CharField(
        max_length=64, blank=True, db_comment="sha256 of the frozen training set as it is stored"
    )
    row_count = models.BigIntegerField(null=True, db_comment="rows of the frozen training set")
    erased_rows = models.BigIntegerField(
        default=0,
        db_default=0,
        db_comment="rows removed from the frozen training set since, by erasures of persons",
    )
    data_deleted_at = models.DateTimeField(
        null=True, db_comment="when the frozen training set was deleted by retention"
    )
    split_at = models.DateTimeField(
        null=True, db_comment="rows before it are trained on, the others tested on"
    )
    train_row_count = models.BigIntegerField(null=True, db_comment="rows trained on")
    test_row_count = models.BigIntegerField(null=True, db_comment="rows tested on")
    test_checksum = models.CharField(
        max_length=64, blank=True, db_comment="sha256 over the rows tested on"
    )
    started_at = models.DateTimeField(db_default=Now(), db_comment="when the run began")
    finished_at = models.DateTimeField(
        null=True, db_comment="when the run ended; NULL while it runs"
    )
    seconds = models.FloatField(null=True, db_comment="duration of the last attempt")
    peak_memory_bytes = models.BigIntegerField(
        null=True, db_comment="peak resident memory of the process"
    )
    metrics = models.JSONField(default=dict, db_comment="metrics of candidate and baselines")
    curves = models.JSONField(
        default=dict, db_comment="by name: pairs of x and y, for example loss by iteration"
    )
    log = models.TextField(blank=True, db_default="", db_comment="log lines of the run")
    error_code = models.CharField(
        max_length=50, blank=True, db_default="", db_comment="kind of error that ended the run"
    )
    error = models.TextField(
        blank=True, db_default="", db_comment="message of the error that ended the run"
    )

    class Meta:
        db_table = "training_runs"
        db_table_comment = "Executions of trainers; one row per start"
        ordering = ("-started_at",)
        indexes = [
            models.Index(fields=["model", "-started_at"], name="training_runs_model_started")
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.started_at:%Y-%m-%d %H:%M} {self.status}"


class ModelVersion(models.Model):
    """A candidate with its artifact and gates; not changed but by its approval."""

    class Verdict(models.TextChoices):
        """Outcome of all gates together."""

        PASSED = "passed", _("Passed")
        FAILED = "failed", _("Failed")
        INCONCLUSIVE = "inconclusive", _("Inconclusive")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    model = models.CharField(max_length=50, db_comment="name of the trainer")
    number = models.IntegerField(db_comment="version number within the model, from 1")
    run = models.OneToOneField(
        TrainingRun,
        on_delete=models.PROTECT,
        related_name="version",
        db_comment="run that trained it",
    )
    artifact_key = models.CharField(max_length=200, db_comment="object key of the artifact")
    artifact_format = models.CharField(
        max_length=20, db_comment="safetensors, npz, onnx, lightgbm or json"
    )
    sha256 = models.CharField(max_length=64, db_comment="sha256 of the artifact")
    size_bytes = models.BigIntegerField(db_comment="size of the artifact")
    artifact_deleted_at = models.DateTimeField(
        null=True, db_comment="when the artifact was deleted by retention"
    )
    signature = models.CharField(
        max_length=200, db_comment="key ring's signature of model, number, format and sha256"
    )
    metrics = models.JSONField(default=dict, db_comment="metrics on the test set")
    features = ArrayField(
        models.CharField(max_length=200), default=list, db_comment="input features, in order"
    )
    data_checksum = models.CharField(max_length=64, db_comment="sha256 of the frozen training set")
    test_checksum = models.CharField(max_length=64, db_comment="sha256 over the rows tested on")
    champion = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="challengers",
        db_comment="champion that it was compared with; NULL: there was none",
    )
    verdict = models.CharField(
        max_length=12, choices=Verdict, db_comment="passed, failed or inconclusive"
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when it was stored")
    approved_by = models.CharField(
        max_length=150, blank=True, db_default="", db_comment="who approved it; empty: not approved"
    )
    approved_at = models.DateTimeField(null=True, db_comment="when it was approved")
    approval_reason = models.TextField(blank=True, db_default="", db_comment="why it was approved")

    class Meta:
        db_table = "model_versions"
        db_table_comment = "Trained candidates with artifact, metrics and verdict of the gates"
        ordering = ("model", "-number")
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="model_versions_number")
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.number}"


class GateResult(models.Model):
    """One gate of one version with its figure."""

    class Outcome(models.TextChoices):
        """Outcome of a gate."""

        PASSED = "passed", _("Passed")
        FAILED = "failed", _("Failed")
        INCONCLUSIVE = "inconclusive", _("Inconclusive")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    version = models.ForeignKey(
        ModelVersion,
        on_delete=models.CASCADE,
        related_name="gates",
        db_comment="version that was judged",
    )
    position = models.SmallIntegerField(db_comment="order in the gate table, from 0")
    name = models.CharField(max_length=100, db_comment="name of the gate")
    figure = models.FloatField(null=True, db_comment="measured figure; NULL: not measured")
    low = models.FloatField(null=True, db_comment="lower end of its interval (confidence 0.95)")
    high = models.FloatField(null=True, db_comment="upper end of its interval (confidence 0.95)")
    comparison = models.CharField(max_length=2, db_comment="how figure and threshold compare")
    threshold = models.FloatField(null=True, db_comment="threshold of the figure")
    outcome = models.CharField(
        max_length=12, choices=Outcome, db_comment="passed, failed or inconclusive"
    )
    detail = models.TextField(blank=True, db_default="", db_comment="explanation for staff")

    class Meta:
        db_table = "gate_results"
        db_table_comment = "Gates of model versions with figure, threshold and outcome"
        ordering = ("version", "position")
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="gate_results_position")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"


class Deployment(models.Model):
    """A period in which a version serves a scope in a role."""

    class Role(models.TextChoices):
        """Function of a version during a deployment."""

        CHAMPION = "champion", _("Champion")
        CANARY = "canary", _("Canary")
        SHADOW = "shadow", _("Shadow")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    model = models.CharField(max_length=50, db_comment="name of the trainer")
    scope = models.CharField(
        max_length=100,
        default=EVERYWHERE,
        db_comment="scope key, for example the id of a store; *: everywhere",
    )
    version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        related_name="deployments",
        db_comment="version that serves",
    )
    role = models.CharField(
        max_length=10,
        choices=Role,
        db_comment="champion: serves; canary: serves a share; shadow: computes without serving",
    )
    share = models.FloatField(
        default=1.0,
        db_comment="0 to 1: share of the scope keys that it serves; shadow: of answers compared",
    )
    started_at = models.DateTimeField(db_comment="start of the period, inclusive")
    ended_at = models.DateTimeField(
        null=True,
        blank=True,
        db_comment="end of the period, exclusive; in the future: its time limit; NULL: no end",
    )
    approved_by = models.CharField(
        max_length=150, blank=True, db_default="", db_comment="who decided; empty: a policy"
    )
    policy = models.CharField(
        max_length=50, blank=True, db_default="", db_comment="policy that decided; empty: a person"
    )
    reason = models.TextField(blank=True, db_default="", db_comment="why")

    class Meta:
        db_table = "deployments"
        db_table_comment = "Which model version served which scope in which period, and who decided"
        ordering = ("-started_at",)
        indexes = [
            models.Index(fields=["model", "scope", "-started_at"], name="deployments_scope_started")
        ]
        constraints = [
            # Of each model, scope and role one version at a time.
            ExclusionConstraint(
                name="deployments_no_overlap",
                expressions=[
                    ("model", RangeOperators.EQUAL),
                    ("scope", RangeOperators.EQUAL),
                    ("role", RangeOperators.EQUAL),
                    (
                        Func(
                            F("started_at"),
                            F("ended_at"),
                            function="TSTZRANGE",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(
                condition=Q(share__gt=0, share__lte=1), name="deployments_share_range"
            ),
            models.CheckConstraint(
                condition=Q(approved_by="") ^ Q(policy=""), name="deployments_one_decider"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.scope} {self.role}"
