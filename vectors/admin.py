"""Vector indexes in the console: how each stands, and what may be done with it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from kombu.exceptions import OperationalError

from mlops.admin.reading import ReadOnlyAdmin, pretty_json
from vectors import tasks
from vectors.encoders.registry import chosen, encoder
from vectors.entities import entities
from vectors.errors import IndexRefused, ModelMissing
from vectors.index import build
from vectors.models import OutboxEntry, VectorIndex

_ASKED = {
    "rebuild": "A new index is built beside this one and takes its place when it finds enough. Queries go on.",
    "reconcile": "The vectors are held against rows and Milvus, and what differs is mended.",
    "roll-back": "This index is brought up to the rows and serves again.",
}


@admin.register(VectorIndex)
class VectorIndexAdmin(ReadOnlyAdmin):
    """Which index serves a collection, how far a build is, what the last reconciling found."""

    list_display = (
        "physical",
        "collection",
        "status",
        "rows",
        "encoder",
        "stamp",
        "kind",
        "recall",
        "found",
        "serving_since",
    )
    list_filter = ("collection", "status")
    list_before_template = "admin/vectors/vectorindex/standing.html"
    change_form_before_template = "admin/vectors/vectorindex/actions.html"
    fields = (
        "physical",
        "collection",
        "status",
        "note",
        "rows",
        "version",
        "encoder",
        "revision",
        "stamp",
        "dimension",
        "layout",
        "text_weight",
        "kind",
        "recall",
        "canaries_told",
        "divergence_told",
        "created_at",
        "serving_since",
        "reconciled_at",
    )

    @admin.display(description="rows")
    def rows(self, index: VectorIndex) -> str:
        """Show how many rows have vectors, of how many while it is built."""
        count = index.vectors.count()
        entity = entities().get(index.collection)
        is_building = index.status == VectorIndex.Status.BUILDING and entity is not None
        return f"{count} of {entity.queryset().count()}" if is_building and entity else str(count)

    @admin.display(description="index")
    def kind(self, index: VectorIndex) -> str:
        """Show how it is searched in Milvus."""
        return (
            f"{index.index_type} {index.nlist}, nprobe {index.nprobe}"
            if index.nprobe
            else index.index_type
        )

    @admin.display(description="differences found, left")
    def found(self, index: VectorIndex) -> str:
        """Show what the last reconciling found and left."""
        told = index.divergence
        return (
            f"{sum(told['before'].values())}, {sum(told['after'].values())}"
            if told
            else "never reconciled"
        )

    @admin.display(description="canaries")
    def canaries_told(self, index: VectorIndex) -> SafeString:
        """Show rows that must find themselves."""
        return pretty_json(index.canaries)

    @admin.display(description="last reconciling")
    def divergence_told(self, index: VectorIndex) -> SafeString:
        """Show the counts."""
        return pretty_json(index.divergence)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Tell, above the list, what is due and which models are missing."""
        oldest = OutboxEntry.objects.order_by("id").first()
        due = OutboxEntry.objects.values("row_id").distinct().count()
        return super().changelist_view(
            request,
            {
                **(extra_context or {}),
                "due": due,
                "waiting": timezone.now() - oldest.noted_at if oldest else None,
                "missing": _missing(),
                "stale": [name for name in entities() if _is_stale(name)],
                "is_empty": not VectorIndex.objects.exists(),
            },
        )

    def get_urls(self) -> list[Any]:
        """Add the pages that ask before something is done."""
        view = self.admin_site.admin_view(self.act)
        return [
            path("<uuid:pk>/do/<slug:what>/", view, name="vectors_vectorindex_act"),
            *super().get_urls(),
        ]

    def act(self, request: HttpRequest, pk: Any, what: str) -> HttpResponse:
        """Ask, and on POST start the task."""
        index = get_object_or_404(VectorIndex, pk=pk)
        is_right = (
            index.status == VectorIndex.Status.RETIRED if what == "roll-back" else what in _ASKED
        )
        if not request.user.has_perm("vectors.change_vectorindex"):
            raise PermissionDenied
        back = redirect(reverse("admin:vectors_vectorindex_changelist"))
        if not is_right:
            messages.error(request, "This cannot be done with this index.")
            return back
        if request.method != "POST":
            page = {
                **admin.site.each_context(request),
                "title": what.replace("-", " ").capitalize(),
                "index": index,
                "what": what,
                "asked": _ASKED[what],
            }
            return TemplateResponse(request, "admin/vectors/vectorindex/confirm.html", page)
        try:
            _begin(index, what, index_type=request.POST.get("index_type", ""))
        except OperationalError:
            messages.error(request, "The queue of tasks does not answer; nothing was begun.")
            return back
        messages.success(request, "Begun. This list shows how far it is.")
        return back


def _begin(index: VectorIndex, what: str, *, index_type: str) -> None:
    """Hand the work to a worker; raises OperationalError when the broker does not answer."""
    match what:
        case "rebuild":
            known = index_type if index_type in ("FLAT", "IVF_FLAT") else ""
            tasks.rebuild_vectors.delay(collection=index.collection, index_type=known)
        case "reconcile":
            tasks.reconcile_vectors.delay(collection=index.collection)
        case _:
            tasks.roll_back_index.delay(index_id=str(index.pk))


def _missing() -> list[tuple[str, str]]:
    told = []
    for role in ("text", "multilingual", "image"):
        try:
            encoder(role)
        except ModelMissing as error:
            told.append((chosen(role), str(error)))
    return told


def _is_stale(collection: str) -> bool:
    serving = VectorIndex.objects.filter(
        collection=collection, status=VectorIndex.Status.SERVING
    ).exists()
    try:
        return serving and build.is_due(collection)
    except (IndexRefused, ModelMissing):
        return False
