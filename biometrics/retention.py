"""Retention rule of face templates; the sweep of the rule is the receipt of their deletion."""

from datetime import timedelta

from biometrics.services.templates import record_expired
from mlops.privacy.retention import RetentionRule, register

register(
    RetentionRule(
        name="face templates",
        model="biometrics.CustomerBiometric",
        age_column="expires_at",
        retention_period=timedelta(0),
        subject_sql="t.customer_id",
        reason="the retention period of the province, counted from the enrolment, is over",
        on_deleted=record_expired,
    )
)
