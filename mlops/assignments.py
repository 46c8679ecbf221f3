"""
Assignment of rows to staff, and comments on rows.

Rows are alerts here and those of other applications whose models are `Assignable`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from config.errors import BadInput
from mlops.models import Assignable, Comment

_BACKEND = "django.contrib.auth.backends.ModelBackend"
Action = Comment.Action


def assignable_users(model: type[Assignable]) -> QuerySet[User]:
    """Return the active staff who may change rows of a model, ordered by name."""
    permission = f"{model._meta.app_label}.change_{model._meta.model_name}"
    users: QuerySet[User] = User.objects.with_perm(permission, backend=_BACKEND)
    return users.filter(is_staff=True).order_by("username")


def assign(*, rows: Iterable[Assignable], to: User | None, by: Any, reason: str = "") -> int:
    """
    Put a person in charge of rows, or no one; return the number of changed rows.

    Raises BadInput: the person may not change such rows.
    """
    action = Action.UNASSIGN if to is None else Action.ASSIGN
    changed = 0
    for row in rows:
        if to is not None and not assignable_users(type(row)).filter(pk=to.pk).exists():
            raise BadInput(
                "assignee", _("%(user)s may not do this work.") % {"user": to.get_username()}
            )
        with transaction.atomic():
            others = type(row)._default_manager.select_for_update(of=("self",)).filter(pk=row.pk)
            current = others.get()
            if current.assigned_to_id == (to.pk if to else None):
                continue
            others.update(assigned_to=to)
            record_comment(row=row, action=action, by=by, text=reason, assignee=to)
        changed += 1
    return changed


def add_comment(*, row: Assignable, text: str, by: Any) -> Comment:
    """Write a comment on a row. Raises BadInput: it is empty."""
    if not text.strip():
        raise BadInput("text", _("A comment needs a text."))
    return record_comment(row=row, action=Action.COMMENT, by=by, text=text)


def record_comment(
    *, row: Assignable, action: Action, by: Any, text: str, assignee: User | None = None
) -> Comment:
    """Record what a person did to a row, and why."""
    return Comment.objects.create(
        table_name=row._meta.db_table,
        row_id=str(row.pk),
        action=action,
        text=text.strip(),
        author=by,
        assignee=assignee,
    )


def comments_on(row: Assignable) -> Sequence[Comment]:
    """Return the comments on a row, oldest first; one query."""
    comments = Comment.objects.filter(table_name=row._meta.db_table, row_id=str(row.pk))
    return list(comments.select_related("author", "assignee"))
