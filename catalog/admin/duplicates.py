"""Possible duplicates in the console: two products side by side, and a person's word on them."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog.models import MatchDecision
from catalog.selectors import duplicates_with_products
from catalog.services.duplicates import MergeRefused, decide
from mlops.admin.reading import ReadOnlyAdmin

Verdict = MatchDecision.Verdict


class VerdictFilter(admin.SimpleListFilter):
    """What is to be decided first; the rest on request."""

    title = "verdict"
    parameter_name = "verdict"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the verdicts."""
        return [
            (Verdict.SAME, Verdict.SAME.label),
            (Verdict.DIFFERENT, Verdict.DIFFERENT.label),
            ("all", "all"),
        ]

    def choices(self, changelist: Any) -> Any:
        """Call the default what it is."""
        choices = list(super().choices(changelist))
        choices[0]["display"] = Verdict.OPEN.label
        return choices

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision]
    ) -> QuerySet[MatchDecision]:
        """Keep one verdict."""
        value = self.value() or Verdict.OPEN
        return queryset if value == "all" else queryset.filter(verdict=value)


@admin.register(MatchDecision)
class MatchDecisionAdmin(ReadOnlyAdmin):
    """Pairs that may be one product; the machine's merges and people's decisions stay here to be read and undone."""

    list_display = ("score", "pair", "why", "state", "decided_by", "decided_at")
    list_display_links = ("score",)
    list_filter = (VerdictFilter,)
    list_select_related = ("decided_by",)
    search_fields = ("left_key", "right_key")
    actions = ("one_product", "two_products")
    fields = (
        "pair",
        "why",
        "score",
        "algorithm",
        "state",
        "decided_by",
        "decided_at",
        "created_at",
    )
    readonly_fields = fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Bring the products of all rows of a page in one query."""
        changelist = super().get_changelist_instance(request)
        products = duplicates_with_products(list(changelist.result_list))
        for decision in changelist.result_list:
            decision.shown_products = products
        return changelist

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer a decision to those who may change products."""
        actions = super().get_actions(request)
        return actions if request.user.has_perm("catalog.change_matchdecision") else {}

    @admin.display(description="products")
    def pair(self, decision: MatchDecision) -> SafeString:
        """Show both side by side."""
        products = getattr(decision, "shown_products", None) or duplicates_with_products([decision])
        pair = [products.get(key) for key in (decision.left_key, decision.right_key)]
        return SafeString(render_to_string("admin/catalog/matchdecision/pair.html", {"pair": pair}))

    @admin.display(description="why")
    def why(self, decision: MatchDecision) -> str:
        """Show what was compared."""
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
    def state(self, decision: MatchDecision) -> str:
        """Show the verdict."""
        return str(decision.get_verdict_display())

    @admin.action(description="One product: merge")
    def one_product(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision]
    ) -> HttpResponse | None:
        """Merge each pair, once the person has seen what that means."""
        return self._decide(request, queryset, Verdict.SAME)

    @admin.action(description="Two products: keep apart, or take apart")
    def two_products(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision]
    ) -> HttpResponse | None:
        """Keep each pair apart; take it apart if it is merged."""
        return self._decide(request, queryset, Verdict.DIFFERENT)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision], verdict: str
    ) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": "Are these pairs one product?"
                if verdict == Verdict.SAME
                else "Are these two products?",
                "opts": self.opts,
                "rows": [(d.pk, self.pair(d), self.why(d)) for d in queryset],
                "is_merge": verdict == Verdict.SAME,
                "action": request.POST["action"],
            }
            return TemplateResponse(request, "admin/catalog/matchdecision/confirm.html", context)
        done = 0
        for decision in queryset:
            try:
                decide(decision=decision, verdict=verdict, by=request.user)  # type: ignore[arg-type]  # staff are logged in
                done += 1
            except MergeRefused as refused:
                messages.error(request, str(refused))
        if done:
            messages.success(request, f"{done} decided; they will not be asked about again.")
        return None
