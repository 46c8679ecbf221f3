"""Quality rules: registered by each application in `quality.py`, checked by SQL over all rows."""

from dataclasses import dataclass
from operator import attrgetter

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from config.declarations import DeclarationRegistry
from mlops.models import QualityFinding
from mlops.quality.alerts import close_alerts, open_alert

ALERT_CODE = "quality"
Severity = QualityFinding.Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """
    A rule for the rows of a table with a uuid `id`.

    condition, violation: SQL conditions over the alias `t`: which rows the rule applies to, and
    which of them violate it.
    """

    name: str
    table: str
    field: str
    message: str
    violation: str
    condition: str = "true"
    severity: str = Severity.ERROR
    is_blocking: bool = False
    """Whether a write that would violate the rule is refused."""


QUALITY_RULES = DeclarationRegistry[str, QualityRule]("quality", name_of=attrgetter("name"))
register = QUALITY_RULES.register


def quality_rules() -> list[QualityRule]:
    """Return every registered rule."""
    return QUALITY_RULES.all()


def check_quality() -> dict[str, int]:
    """Open findings for violations, close those that are resolved; return open ones by rule."""
    return {rule.name: _check(rule) for rule in quality_rules()}


def blocking_violations(
    cursor: CursorWrapper, *, table: str, ids: list[object]
) -> list[tuple[object, QualityRule]]:
    """Return which of these rows violate which blocking rules."""
    violations = []
    for rule in quality_rules():
        if rule.table == table and rule.is_blocking:
            cursor.execute(
                f"SELECT t.id FROM {table} t WHERE t.id = ANY(%s) AND {_is_violated(rule)}", [ids]
            )
            violations += [(row_id, rule) for (row_id,) in cursor.fetchall()]
    return violations


def _is_violated(rule: QualityRule) -> str:
    return f"({rule.condition}) AND ({rule.violation})"


@transaction.atomic
def _check(rule: QualityRule) -> int:
    is_violated = _is_violated(rule)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO quality_findings (rule, severity, table_name, row_id, field, message)
            SELECT %s, %s, %s, t.id, %s, %s FROM {rule.table} t WHERE {is_violated}
            ON CONFLICT (rule, row_id) WHERE closed_at IS NULL DO NOTHING
            """,
            [rule.name, rule.severity, rule.table, rule.field, rule.message],
        )
        cursor.execute(
            f"""
            UPDATE quality_findings f SET closed_at = now()
            WHERE f.rule = %s AND f.closed_at IS NULL AND NOT EXISTS (
              SELECT FROM {rule.table} t WHERE t.id = f.row_id AND {is_violated}
            )
            """,
            [rule.name],
        )
    count = QualityFinding.objects.filter(rule=rule.name, closed_at=None).count()
    if count and rule.severity == Severity.ERROR:
        open_alert(
            code=ALERT_CODE,
            subject=rule.name,
            message=f"{count} rows of {rule.table}: {rule.message}",
        )
    else:
        close_alerts(codes=(ALERT_CODE,), subject=rule.name)
    return count
