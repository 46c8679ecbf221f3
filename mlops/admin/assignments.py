"""Base class of console pages of rows that staff are put in charge of and comment on."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.errors import BadInput, CultivarError
from mlops.admin.read_only import ReadOnlyAdmin
from mlops.assignments import add_comment, assign, assignable_users, comments_on
from mlops.models import Comment

ASSIGNEE_PARAM = "assignee"
MINE, UNASSIGNED, OTHERS = "me", "none", "others"
Action = Comment.Action
ACTION_TEXTS = {
    Action.COMMENT: _("Comment"),
    Action.ASSIGN: _("Assigned to"),
    Action.UNASSIGN: _("Unassigned"),
    Action.ACKNOWLEDGE: _("Acknowledged"),
    Action.RESOLVE: _("Resolved"),
}
RowAction = Callable[[Any, Any, str], object]
"""Acts on a row; arguments: row, user, text."""


class AssigneeFilter(admin.SimpleListFilter):
    """Filter by the person in charge."""

    title = _("in charge")
    parameter_name = ASSIGNEE_PARAM

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [(MINE, _("Me")), (UNASSIGNED, _("Unassigned")), (OTHERS, _("Others"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Return the rows of the user, unassigned rows, or those of others."""
        if self.value() == MINE:
            return queryset.filter(assigned_to=request.user.pk)
        if self.value() == UNASSIGNED:
            return queryset.filter(assigned_to=None)
        if self.value() == OTHERS:
            return queryset.exclude(assigned_to=None).exclude(assigned_to=request.user.pk)
        return queryset


class AssignableAdmin(ReadOnlyAdmin):
    """
    Read-only pages of rows with a person in charge and comments.

    Subclasses add what else may be done to a row in `row_actions`.
    """

    change_form_outer_after_template = "admin/mlops/discussion.html"
    actions: Any = ("assign_to_me", "unassign")
    row_actions: ClassVar[dict[str, tuple[Any, RowAction]]] = {}
    """Label and function of the buttons beside "Comment" and "Assign", by name."""

    def get_urls(self) -> list[Any]:
        """Add the address that comments and assignments are posted to."""
        return [
            path(
                "<path:object_id>/discuss/",
                self.admin_site.admin_view(self.discuss),
                name=f"{self.opts.app_label}_{self.opts.model_name}_discuss",
            ),
            *super().get_urls(),
        ]

    def has_assign_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may comment on rows and be in charge of them."""
        permission = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return bool(request.user.has_perm(permission))

    def available_actions(self, row: Any) -> dict[str, Any]:  # noqa: ARG002  # for subclasses
        """Return the labels of the row actions that a row allows, by name."""
        return {name: label for name, (label, _act) in self.row_actions.items()}

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Add the comments, and the form where the person may use it."""
        row = kwargs.get("obj")
        if row is not None:
            may_assign = self.has_assign_permission(request)
            context = {
                **context,
                "comments": [
                    (comment, ACTION_TEXTS[Action(comment.action)]) for comment in comments_on(row)
                ],
                "discuss_url": "../discuss/" if may_assign else "",
                "assignees": assignable_users(self.model) if may_assign else (),
                "row_actions": self.available_actions(row),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def discuss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Comment on a row, put a person in charge of it, or act on it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row) or not self.has_assign_permission(request):
            raise PermissionDenied
        try:
            message = self._act(request, row)
        except BadInput as error:
            messages.error(request, error.reason)
        except CultivarError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, message)
        return redirect(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_change", unquote(object_id)
        )

    def _act(self, request: HttpRequest, row: Any) -> str:
        """Do what the pressed button says; return the message for the person."""
        by: Any = request.user
        text = request.POST.get("text", "")
        name = request.POST.get("action", "")
        if name == Action.COMMENT:
            add_comment(row=row, text=text, by=by)
            return gettext("Your comment is saved.")
        if name == Action.ASSIGN:
            assignee = self._chosen_assignee(request)
            assign(rows=[row], to=assignee, by=by, reason=text)
            if assignee is None:
                return gettext("No one is in charge now.")
            return gettext("%(user)s is in charge now.") % {"user": assignee.get_username()}
        if name not in self.row_actions:
            raise BadInput("action", gettext("Choose what to do."))
        label, act = self.row_actions[name]
        act(row, by, text)
        return gettext("Done: %(action)s.") % {"action": label}

    def _chosen_assignee(self, request: HttpRequest) -> Any:
        chosen = request.POST.get("assignee", "")
        if not chosen:
            return None
        if not chosen.isdecimal():
            raise BadInput("assignee", gettext("Choose a person of the list."))
        user = assignable_users(self.model).filter(pk=chosen).first()
        if user is None:
            raise BadInput("assignee", gettext("Choose a person of the list."))
        return user

    @admin.action(description=_("Assign to me"), permissions=["assign"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Put the person in charge of the selected rows."""
        by: Any = request.user
        count = assign(rows=queryset, to=by, by=by)
        messages.success(
            request, gettext("You are in charge of %(count)s more.") % {"count": count}
        )

    @admin.action(description=_("Unassign"), permissions=["assign"])
    def unassign(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Put no one in charge of the selected rows."""
        by: Any = request.user
        count = assign(rows=queryset, to=None, by=by)
        messages.success(request, gettext("%(count)s are unassigned now.") % {"count": count})
