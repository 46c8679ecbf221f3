"""Possible duplicates in the console: product pairs side by side, and a person's verdict."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog.models import MatchDecision
from catalog.selectors.duplicates import products_by_merge_key
from catalog.services.duplicates import MergeRefused, apply_verdict
from mlops.admin.read_only import ReadOnlyAdmin

Verdict = MatchDecision.Verdict


class VerdictFilter(admin.SimpleListFilter):
    """Filter by verdict; undecided pairs by default."""

    title = "verdict"
    parameter_name = "verdict"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the verdicts other than the default."""
        return [
            (Verdict.SAME, Verdict.SAME.label),
            (Verdict.DIFFERENT, Verdict.DIFFERENT.label),
            ("all", "all"),
        ]

    def choices(self, changelist: Any) -> Any:
        """Label the default choice with its verdict."""
        choices = list(super().choices(changelist))
        choices[0]["display"] = Verdict.OPEN.label
        return choices

    def queryset(
        self, _request: HttpRequest, queryset: QuerySet[MatchDecision]
    ) -> QuerySet[MatchDecision]:
        """Return the pairs with the chosen verdict."""
        value = self.value() or Verdict.OPEN
        return queryset if value == "all" else queryset.filter(verdict=value)


@admin.register(MatchDecision)
class MatchDecisionAdmin(ReadOnlyAdmin):
    """Product pairs that may be duplicates; decided pairs remain to be read and changed."""

    list_display = ("score", "pair", "explanation", "verdict_label", "decided_by", "decided_at")
    list_display_links = ("score",)
    list_filter = (VerdictFilter,)
    list_select_related = ("decided_by",)
    search_fields = ("left_key", "right_key")
    actions = ("merge", "keep_apart")
    fields = (
        "pair",
        "explanation",
        "score",
        "algorithm",
        "verdict_label",
        "decided_by",
        "decided_at",
        "created_at",
    )
    readonly_fields = fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Load the products of all rows of a page in one query."""
        changelist = super().get_changelist_instance(request)
        products = products_by_merge_key(list(changelist.result_list))
        for decision in changelist.result_list:
            decision.loaded_products = products
        return changelist

    def get_actions(self, request: HttpRequest) -> Any:
        """Return the actions for people who may change decisions."""
        actions = super().get_actions(request)
        return actions if request.user.has_perm("catalog.change_matchdecision") else {}

    @admin.display(description="products")
    def pair(self, decision: MatchDecision) -> SafeString:
        """Show both products side by side."""
        products = getattr(decision, "loaded_products", None) or products_by_merge_key([decision])
        pair = [products.get(key) for key in (decision.left_key, decision.right_key)]
        return SafeString(render_to_string("admin/catalog/matchdecision/pair.html", {"pair": pair}))

    @admin.display(description="compared")
    def explanation(self, decision: MatchDecision) -> str:
        """Show the results of the comparison."""
        return "; ".join(decision.reasons)

    @display(
        description="verdict",
        ordering="verdict",
        label={
            Verdict.OPEN.label: "warning",
            Verdict.SAME.label: "success",
            Verdict.DIFFERENT.label: "info",
        },
    )
    def verdict_label(self, decision: MatchDecision) -> str:
        """Show the verdict as a colored label."""
        return str(decision.get_verdict_display())

    @admin.action(description="Same product: merge")
    def merge(self, request: HttpRequest, queryset: QuerySet[MatchDecision]) -> HttpResponse | None:
        """Merge each pair after confirmation."""
        return self._decide(request, queryset, Verdict.SAME)

    @admin.action(description="Different products: keep apart or unmerge")
    def keep_apart(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision]
    ) -> HttpResponse | None:
        """Keep each pair apart, unmerging it if necessary, after confirmation."""
        return self._decide(request, queryset, Verdict.DIFFERENT)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision], verdict: str
    ) -> HttpResponse | None:
        is_merge = verdict == Verdict.SAME
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": "Merge these pairs?" if is_merge else "Keep these pairs apart?",
                "opts": self.opts,
                "rows": [
                    (self.pair(decision), self.explanation(decision)) for decision in queryset
                ],
                "selected_ids": [decision.pk for decision in queryset],
                "is_merge": is_merge,
                "action": request.POST["action"],
            }
            return TemplateResponse(request, "admin/catalog/matchdecision/confirm.html", context)
        by: Any = request.user
        decided_count = 0
        for decision in queryset:
            try:
                apply_verdict(decision=decision, verdict=verdict, by=by)
            except MergeRefused as refused:
                messages.error(request, str(refused))
            else:
                decided_count += 1
        if decided_count:
            messages.success(
                request, f"{decided_count} pairs decided; you will not be asked about them again."
            )
        return None
