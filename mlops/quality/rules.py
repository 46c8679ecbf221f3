"""Rules of quality: declared by each application in a file `quality.py`, checked set-wise where the rows are."""

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.module_loading import autodiscover_modules

from mlops.models import QualityFinding
from mlops.quality.alerts import close_alerts, open_alert

CODE = "quality"
Severity = QualityFinding.Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that must hold of every row of a table with a uuid `id`; `breaks` is SQL over the alias `t`."""

    name: str
    table: str
    field: str
    message: str
    breaks: str
    among: str = "true"
    """Which rows the rule is about."""
    severity: str = Severity.ERROR
    is_blocking: bool = False
    """Nobody may write a row that breaks it."""


_rules: dict[str, Rule] = {}


def register(*rules: Rule) -> None:
    """Declare rules."""
    _rules.update({rule.name: rule for rule in rules})


def rules() -> list[Rule]:
    """Return every declared rule."""
    autodiscover_modules("quality")
    return list(_rules.values())


def check_quality() -> dict[str, int]:
    """Open a finding for each row that breaks a rule, close those that hold again; return what is open, by rule."""
    return {rule.name: _check(rule) for rule in rules()}


def broken_blocking(
    cursor: CursorWrapper, *, table: str, ids: list[object]
) -> list[tuple[object, Rule]]:
    """Return which of these rows break a blocking rule."""
    broken = []
    for rule in rules():
        if rule.table == table and rule.is_blocking:
            cursor.execute(
                f"SELECT t.id FROM {table} t WHERE t.id = ANY(%s) AND ({rule.among}) AND ({rule.breaks})",
                [ids],
            )
            broken += [(pk, rule) for (pk,) in cursor.fetchall()]
    return broken


@transaction.atomic
def _check(rule: Rule) -> int:
    is_broken = f"({rule.among}) AND ({rule.breaks})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO quality_findings (rule, severity, table_name, row_id, field, message)
            SELECT %s, %s, %s, t.id, %s, %s FROM {rule.table} t WHERE {is_broken}
            ON CONFLICT (rule, row_id) WHERE closed_at IS NULL DO NOTHING
            """,
            [rule.name, rule.severity, rule.table, rule.field, rule.message],
        )
        cursor.execute(
            f"""
            UPDATE quality_findings f SET closed_at = now() WHERE f.rule = %s AND f.closed_at IS NULL
              AND NOT EXISTS (SELECT FROM {rule.table} t WHERE t.id = f.row_id AND {is_broken})
            """,
            [rule.name],
        )
    count = QualityFinding.objects.filter(rule=rule.name, closed_at=None).count()
    if count and rule.severity == Severity.ERROR:
        open_alert(
            code=CODE, subject=rule.name, message=f"{count} rows of {rule.table}: {rule.message}"
        )
    else:
        close_alerts(codes=(CODE,), subject=rule.name)
    return count
