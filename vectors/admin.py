"""Vector indexes in the console: state, rebuild, reconciliation and rollback."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError

from config.admin.task_tray import TrayTask
from config.admin.task_tray import register as register_tasks
from mlops.admin.read_only import ReadOnlyAdmin, pretty_json
from mlops.admin.subject_links import page_with, register
from vectors import selectors, tasks
from vectors.encoders.registry import ROLES, encoder, encoder_id
from vectors.errors import ModelMissing
from vectors.index.build import ALERT_CODE as REFUSED_CODE
from vectors.index.reconcile import ALERT_CODE as RECALL_CODE
from vectors.models import VectorIndex

Status = VectorIndex.Status


@dataclass(frozen=True, slots=True)
class IndexAction:
    """Action on an index that asks for confirmation; allowed for indexes with one of `statuses`."""

    title: Any
    explanation: str
    statuses: frozenset[str]


_ACTIONS = {
    "rebuild": IndexAction(
        title=_("Rebuild"),
        explanation=(
            "Builds a new index beside this one and switches to it once it passes its checks."
            " Searches continue meanwhile."
        ),
        statuses=frozenset(Status),
    ),
    "reconcile": IndexAction(
        title=_("Reconcile"),
        explanation="Compares the vectors with the rows and Milvus, and repairs differences.",
        statuses=frozenset(Status),
    ),
    "roll-back": IndexAction(
        title=_("Roll back"),
        explanation="Updates this index from the rows and switches searches back to it.",
        statuses=frozenset({Status.RETIRED}),
    ),
}


@register_tasks("vectors.view_vectorindex")
def _builds(_user: Any, since: datetime) -> Iterator[TrayTask]:
    """Yield the builds of indexes for the task tray."""
    for index in selectors.recent_builds(since=since):
        is_running = index.status == Status.BUILDING
        yield TrayTask(
            title=gettext("Index: %(name)s") % {"name": index.physical_name},
            state=str(index.get_status_display()),
            url=reverse("admin:vectors_vectorindex_change", args=[index.pk]),
            started_at=index.created_at,
            finished_at=None if is_running else index.serving_since or index.created_at,
            has_failed=index.status == Status.FAILED,
        )


@register(REFUSED_CODE, RECALL_CODE)
def _indexes(collection: str) -> str:
    """Return the list of the indexes of the collection that an alert is about."""
    return page_with("vectors_vectorindex_changelist", collection=collection)


@admin.register(VectorIndex)
class VectorIndexAdmin(ReadOnlyAdmin):
    """Indexes with status, progress, recall and differences at the last reconciliation."""

    list_display = (
        "physical_name",
        "collection",
        "status",
        "rows",
        "encoder",
        "fingerprint",
        "type_and_parameters",
        "recall",
        "differences",
        "serving_since",
    )
    list_filter = ("collection", "status")
    list_before_template = "admin/vectors/vectorindex/overview.html"
    change_form_before_template = "admin/vectors/vectorindex/actions.html"
    fields = (
        "physical_name",
        "collection",
        "status",
        "details",
        "rows",
        "version",
        "encoder",
        "revision",
        "fingerprint",
        "dimension",
        "layout",
        "text_weight",
        "type_and_parameters",
        "recall",
        "canary_results",
        "reconciliation_counts",
        "created_at",
        "serving_since",
        "reconciled_at",
    )

    @admin.display(description=_("rows"))
    def rows(self, index: VectorIndex) -> str:
        """Show the number of rows with vectors; during a build, of how many."""
        count = selectors.vector_count(index)
        if index.status != Status.BUILDING:
            return str(count)
        total = selectors.row_count(index.collection)
        return str(count) if total is None else f"{count} of {total}"

    @admin.display(description=_("index type"))
    def type_and_parameters(self, index: VectorIndex) -> str:
        """Show the index type in Milvus with its parameters."""
        if index.nprobe:
            return f"{index.index_type} {index.nlist}, nprobe {index.nprobe}"
        return index.index_type

    @admin.display(description=_("differences found, remaining"))
    def differences(self, index: VectorIndex) -> str:
        """Show the totals of the last reconciliation."""
        if not index.divergence:
            return "never reconciled"
        before = sum(index.divergence["before"].values())
        after = sum(index.divergence["after"].values())
        return f"{before}, {after}"

    @admin.display(description=_("canaries"))
    def canary_results(self, index: VectorIndex) -> SafeString:
        """Show the sample rows that must find themselves."""
        return pretty_json(index.canaries)

    @admin.display(description=_("last reconciliation"))
    def reconciliation_counts(self, index: VectorIndex) -> SafeString:
        """Show the counts by kind of difference."""
        return pretty_json(index.divergence)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show due rows, outdated indexes and missing models above the list."""
        outbox = selectors.outbox_status(now=timezone.now())
        return super().changelist_view(
            request,
            {
                **(extra_context or {}),
                "due_count": outbox.due_count,
                "oldest_at": timezone.now() - outbox.oldest_age if outbox.oldest_age else None,
                "missing_models": _missing_models(),
                "outdated": selectors.outdated_collections(),
                "is_empty": not selectors.has_indexes(),
            },
        )

    def get_urls(self) -> list[Any]:
        """Add the confirmation page of each action."""
        view = self.admin_site.admin_view(self.confirm_action)
        return [
            path("<uuid:pk>/actions/<slug:action_name>/", view, name="vectors_vectorindex_action"),
            *super().get_urls(),
        ]

    def confirm_action(self, request: HttpRequest, pk: Any, action_name: str) -> HttpResponse:
        """Show what an action does; start its task on POST."""
        index = get_object_or_404(VectorIndex, pk=pk)
        if not request.user.has_perm("vectors.change_vectorindex"):
            raise PermissionDenied
        action = _ACTIONS.get(action_name)
        to_list = redirect(reverse("admin:vectors_vectorindex_changelist"))
        if action is None or index.status not in action.statuses:
            messages.error(request, _("This action is not available for this index."))
            return to_list
        if request.method != "POST":
            context = {
                **admin.site.each_context(request),
                "title": action.title,
                "index": index,
                "action_name": action_name,
                "explanation": action.explanation,
            }
            return TemplateResponse(request, "admin/vectors/vectorindex/confirm.html", context)
        try:
            _start_task(index, action_name, index_type=request.POST.get("index_type", ""))
        except OperationalError:
            messages.error(request, _("The task queue does not respond; nothing was started."))
            return to_list
        messages.success(request, _("Started. This list shows the progress."))
        return to_list


def _start_task(index: VectorIndex, action_name: str, *, index_type: str) -> None:
    """Queue the task of an action; raises OperationalError when the broker does not respond."""
    match action_name:
        case "rebuild":
            known_type = index_type if index_type in ("FLAT", "IVF_FLAT") else ""
            tasks.rebuild_vectors.delay(collection=index.collection, index_type=known_type)
        case "reconcile":
            tasks.reconcile_vectors.delay(collection=index.collection)
        case _:
            tasks.roll_back_index.delay(index_id=str(index.pk))


def _missing_models() -> list[str]:
    """Return the id of each configured encoder that is not installed."""
    missing = []
    for role in ROLES:
        try:
            encoder(role)
        except ModelMissing:
            missing.append(encoder_id(role))
    return missing
