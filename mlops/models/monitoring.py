"""Monitoring of models in production: drift, requested training, and outcomes."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mlops.models.registry import ModelVersion, TrainingRun


class DriftReference(models.Model):
    """
    Distribution of one signal when a version was trained (table `drift_references`).

    histogram: the fields of `mlops.registry.histograms.Reference`.
    """

    class Kind(models.TextChoices):
        """Kind of signal."""

        FEATURE = "feature", _("Feature")
        PREDICTION = "prediction", _("Prediction")
        EMBEDDING = "embedding", _("Embedding")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    version = models.ForeignKey(
        ModelVersion,
        on_delete=models.CASCADE,
        related_name="drift_references",
        db_comment="version whose training data it describes",
    )
    kind = models.CharField(
        max_length=10, choices=Kind, db_comment="feature, prediction or embedding"
    )
    name = models.CharField(max_length=200, db_comment="name of the signal")
    position = models.SmallIntegerField(db_comment="order of the signals of a version, from 0")
    histogram = models.JSONField(db_comment="bins and counts of the training data")
    projection = models.BinaryField(
        null=True,
        db_comment="embedding: mean and principal components (npz); NULL: none, or in another row",
    )

    class Meta:
        db_table = "drift_references"
        db_table_comment = "Distribution of inputs, predictions and embeddings in training"
        ordering = ("version", "position")
        constraints = [
            models.UniqueConstraint(
                fields=["version", "kind", "name"], name="drift_references_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class DriftMeasurement(models.Model):
    """Distance of recent values from their reference, one row a day (`drift_measurements`)."""

    class Outcome(models.TextChoices):
        """Result of the comparison."""

        STABLE = "stable", _("Stable")
        DRIFTED = "drifted", _("Drifted")
        INCONCLUSIVE = "inconclusive", _("Inconclusive")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    reference = models.ForeignKey(
        DriftReference,
        on_delete=models.CASCADE,
        related_name="measurements",
        db_comment="distribution that is compared with",
    )
    day = models.DateField(db_comment="day of the measurement (UTC)")
    since = models.DateTimeField(db_comment="start of the compared period, inclusive")
    until = models.DateTimeField(db_comment="end of the compared period, exclusive")
    row_count = models.BigIntegerField(db_comment="rows of the compared period")
    counts = models.JSONField(default=list, db_comment="rows by bin of the reference")
    psi = models.FloatField(null=True, db_comment="population stability index; NULL: not measured")
    psi_noise = models.FloatField(
        null=True, db_comment="PSI that chance alone exceeds rarely, with this many rows"
    )
    ks = models.FloatField(
        null=True, db_comment="Kolmogorov-Smirnov statistic; NULL: categories, or not measured"
    )
    ks_noise = models.FloatField(
        null=True, db_comment="KS statistic that chance alone exceeds rarely, with this many rows"
    )
    outcome = models.CharField(
        max_length=12, choices=Outcome, db_comment="stable, drifted or inconclusive"
    )
    detail = models.TextField(blank=True, db_default="", db_comment="explanation for staff")
    measured_at = models.DateTimeField(db_default=Now(), db_comment="when it was measured")

    class Meta:
        db_table = "drift_measurements"
        db_table_comment = "Daily distance of recent values from those of the training data"
        ordering = ("-day", "reference")
        constraints = [
            models.UniqueConstraint(fields=["reference", "day"], name="drift_measurements_one_day")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.outcome}"


class RetrainRequest(models.Model):
    """A training that drift or new data asked for (table `retrain_requests`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    model = models.CharField(max_length=50, db_comment="name of the trainer")
    trigger = models.CharField(
        max_length=10,
        choices=[
            (trigger.value, trigger.label)
            for trigger in (TrainingRun.Trigger.DRIFT, TrainingRun.Trigger.NEW_DATA)
        ],
        db_comment="drift or new_data",
    )
    reason = models.TextField(db_comment="measurement that asked for it")
    requested_at = models.DateTimeField(db_default=Now(), db_comment="when it was asked for")
    run = models.ForeignKey(
        TrainingRun,
        null=True,
        on_delete=models.SET_NULL,
        related_name="requests",
        db_comment="run that answered it; NULL: none yet",
    )

    class Meta:
        db_table = "retrain_requests"
        db_table_comment = "Training that drift or new data asked for"
        ordering = ("-requested_at",)
        indexes = [models.Index(fields=["model", "-requested_at"], name="retrain_requests_newest")]

    def __str__(self) -> str:
        return f"{self.model}: {self.trigger}"


class OutcomeCount(models.Model):
    """
    Outcomes of what a model version served on one day (table `outcome_counts`).

    bin: of a probability, so that predicted and observed shares can be compared; NULL for rates.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    model = models.CharField(max_length=50, db_comment="name of the model")
    metric = models.CharField(max_length=50, db_comment="name of the metric")
    segment = models.CharField(
        max_length=100, blank=True, db_comment="part that is counted apart, for example a scenario"
    )
    version = models.CharField(max_length=60, db_comment="version that served, as logged")
    day = models.DateField(db_comment="day on which it served (UTC)")
    bin = models.SmallIntegerField(
        null=True, db_comment="interval of the predicted probability, from 0; NULL: a rate"
    )
    trials = models.BigIntegerField(db_comment="cases")
    successes = models.BigIntegerField(db_comment="cases with the outcome")
    predicted = models.FloatField(
        null=True, db_comment="sum of the predicted probabilities of the cases; NULL: a rate"
    )

    class Meta:
        db_table = "outcome_counts"
        db_table_comment = "Outcomes of served models by segment, version and day"
        ordering = ("model", "metric", "segment", "day", "version", "bin")
        constraints = [
            models.UniqueConstraint(
                fields=["model", "metric", "day", "segment", "version", "bin"],
                name="outcome_counts_unique",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(successes__gte=0, successes__lte=models.F("trials")),
                name="outcome_counts_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.day}: {self.successes} of {self.trials}"


class OutcomeProgress(models.Model):
    """Day up to which the outcomes of a metric are counted (table `outcome_progress`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    model = models.CharField(max_length=50, db_comment="name of the model")
    metric = models.CharField(max_length=50, db_comment="name of the metric")
    counted_until = models.DateField(
        db_comment="days before it are counted; the last of them are counted again"
    )

    class Meta:
        verbose_name_plural = "outcome progress"
        db_table = "outcome_progress"
        db_table_comment = "How far the outcomes of each metric are counted"
        constraints = [
            models.UniqueConstraint(fields=["model", "metric"], name="outcome_progress_unique")
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.metric}: {self.counted_until}"
