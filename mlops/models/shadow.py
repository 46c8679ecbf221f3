"""Comparisons of answers with those of a version in shadow."""

from django.db import models

from mlops.models.registry import Deployment


class ShadowResult(models.Model):
    """Comparisons of one hour of a deployment in shadow (table `shadow_results`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    deployment = models.ForeignKey(
        Deployment,
        on_delete=models.CASCADE,
        related_name="shadow_results",
        db_index=False,
        db_comment="deployment in shadow",
    )
    hour = models.DateTimeField(db_comment="start of the hour")
    compared = models.IntegerField(default=0, db_comment="answers that were compared")
    failed = models.IntegerField(default=0, db_comment="answers that the shadow could not give")
    skipped = models.IntegerField(
        default=0, db_comment="answers in the sample that were not compared for lack of time"
    )
    agreement = models.FloatField(
        default=0.0, db_comment="sum over answers: share of the first ten keys that both give"
    )
    correlated = models.IntegerField(
        default=0, db_comment="answers with a rank correlation: three common keys or more"
    )
    correlation = models.FloatField(
        default=0.0, db_comment="sum over answers: rank correlation (Spearman) of common keys"
    )
    difference = models.FloatField(
        default=0.0, db_comment="sum over answers: mean absolute difference of the common scores"
    )
    served_seconds = models.FloatField(
        default=0.0, db_comment="sum over answers: time of the version that served"
    )
    shadow_seconds = models.FloatField(
        default=0.0, db_comment="sum over answers: time of the shadow"
    )
    max_shadow_seconds = models.FloatField(
        default=0.0, db_comment="longest time of the shadow for an answer"
    )

    class Meta:
        db_table = "shadow_results"
        db_table_comment = "Agreement of versions in shadow with what served, by hour"
        ordering = ("-hour",)
        constraints = [
            models.UniqueConstraint(fields=["deployment", "hour"], name="shadow_results_hour")
        ]

    def __str__(self) -> str:
        return f"{self.deployment_id} {self.hour:%Y-%m-%d %H:00}"
