"""Print the data dictionary: `bin/manage data_dictionary > docs/data-dictionary.md`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.models import Field, ForeignKey, Model

_HEAD = """\
# Data dictionary

Every table and column of Cultivar, generated from the comments in the models (`db_comment`), which
PostgreSQL stores as well. Regenerate with `bin/manage data_dictionary > docs/data-dictionary.md`.
"""


class Command(BaseCommand):
    """Reads the models only; no server is needed."""

    help = "Print every table and column with its comment, as docs/data-dictionary.md has them."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        """Print the document."""
        self.stdout.write(data_dictionary(), ending="")


def data_dictionary() -> str:
    """Return the text of docs/data-dictionary.md."""
    lines = [_HEAD]
    for app in project_apps():
        lines += [f"## {app}", ""]
        for model in sorted(apps.get_app_config(app).get_models(), key=_table):
            lines += _describe(model)
    return "\n".join(lines)


def project_apps() -> list[str]:
    """Return the labels of the project's own apps, from the lowest layer to the highest."""
    own = (app for app in apps.get_app_configs() if Path(app.path).parent == settings.BASE_DIR)
    return [app.label for app in own if list(app.get_models())]


def project_tables() -> list[str]:
    """Return the tables of the project's own apps."""
    return [_table(model) for app in project_apps() for model in _models(app)]


def uncommented() -> list[str]:
    """Return the tables and columns without a comment."""
    missing = []
    for app in project_apps():
        for model in _models(app):
            if not model._meta.db_table_comment:
                missing.append(_table(model))
            missing += [
                f"{_table(model)}.{field.column}"
                for field in model._meta.local_concrete_fields
                if not field.db_comment
            ]
    return missing


def _models(app: str) -> Iterator[type[Model]]:
    return iter(apps.get_app_config(app).get_models())


def _table(model: type[Model]) -> str:
    return model._meta.db_table


def _describe(model: type[Model]) -> list[str]:
    head = [f"### {_table(model)}", "", model._meta.db_table_comment or "", ""]
    rows = ["| column | type | null | comment |", "|---|---|---|---|"]
    rows += [_row(field) for field in model._meta.local_concrete_fields]
    return [*head, *rows, ""]


def _row(field: "Field[Any, Any]") -> str:
    comment = field.db_comment or ""
    if isinstance(field, ForeignKey):
        target = field.remote_field.model._meta.db_table
        comment = f"{comment} → `{target}`".strip()
    null = "yes" if field.null else ""
    return f"| `{field.column}` | {field.db_type(connection)} | {null} | {comment} |"
